"""The command line in the test's process, with runs and caches in folders of the test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiny

from seqlab.cli import run
from seqlab.runs.run_folder import RunFolder, open_run


@dataclass(frozen=True)
class Result:
    """The result of one command line."""

    status: int
    out: str
    err: str


Seqlab = Callable[..., Result]


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Path:
    """An empty folder of runs."""
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(cache))
    monkeypatch.setenv("COLUMNS", "100")
    tiny.register(monkeypatch)
    return tmp_path / "runs"


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def seqlab(capsys: pytest.CaptureFixture[str]) -> Seqlab:
    """Run a command line; no traceback may ever be printed."""

    def call(*arguments: str) -> Result:
        capsys.readouterr()
        status = run(arguments)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert "Internal error" not in err
        return Result(status, out, err)

    return call


@pytest.fixture
def refused(seqlab: Seqlab) -> Callable[..., str]:
    """Run a command line that must be refused as wrong input; returns its message."""

    def call(*arguments: str) -> str:
        result = seqlab(*arguments)
        assert (result.status, result.out) == (2, ""), result
        assert result.err.splitlines()[-1].startswith("seqlab: ")
        return result.err

    return call


def _made(recipe: list[str], folder: Path, cache: Path) -> RunFolder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_RUNS", str(folder))
        patch.setenv("SEQLAB_CACHE", str(cache))
        tiny.register(patch)
        return tiny.fit(recipe)


@pytest.fixture(scope="session")
def _language(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> RunFolder:
    return _made(tiny.BRACKETS, tmp_path_factory.mktemp("language"), cache)


@pytest.fixture(scope="session")
def _classifier(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> RunFolder:
    return _made(tiny.REVIEWS, tmp_path_factory.mktemp("classifier"), cache)


@pytest.fixture
def language(_language: RunFolder, runs: Path) -> RunFolder:
    """A finished language model of brackets, the test's own copy."""
    return _copied(_language, runs)


@pytest.fixture
def classifier(_classifier: RunFolder, runs: Path) -> RunFolder:
    """A finished classifier of reviews, the test's own copy."""
    return _copied(_classifier, runs)


def _copied(run: RunFolder, runs: Path) -> RunFolder:
    shutil.copytree(run.path, runs / run.path.name)
    return open_run(runs / run.path.name)
