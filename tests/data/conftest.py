"""Every test has its own cache folder and no `$SEQLAB_DATA`, unless it requests the real one."""

import os
from pathlib import Path

import pytest

REAL = os.environ.get("SEQLAB_DATA", "")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("SEQLAB_CACHE", str(folder))
    monkeypatch.delenv("SEQLAB_DATA", raising=False)
    return folder


@pytest.fixture
def real_data(monkeypatch: pytest.MonkeyPatch) -> Path:
    if not REAL:
        pytest.skip("needs the source files: set SEQLAB_DATA to their folder")
    monkeypatch.setenv("SEQLAB_DATA", REAL)
    return Path(REAL)
