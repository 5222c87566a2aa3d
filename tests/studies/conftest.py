from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of runs, and a cache that all tests of the session share."""
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"
