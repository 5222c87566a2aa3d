"""The cache of the tests is a folder of their own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        path: Path = tmp_path_factory.mktemp("cache")
        patch.setenv("SEQLAB_CACHE", str(path))
        yield path
