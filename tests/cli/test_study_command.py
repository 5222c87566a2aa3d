"""`seqlab study` as a user types it, killed at any moment."""

from __future__ import annotations

import fcntl
import json
import random
import time
from pathlib import Path

import pytest
from experiments import finished, seqlab

from seqlab.cli import run
from seqlab.comparison import study_pairs
from seqlab.studies.forecast import Forecast, ForecastRow

STUDY = """
about = "two cells"
expectation = "The LSTM counts, so it is better."
base = "brackets-lstm"
seeds = [1, 2]
settings.data = {train = 60, valid = 20, test = 20, max_length = 20}
settings.batching.tokens = 60
settings.model = {embedding_size = 4, hidden_size = 4}
settings.training = {epochs = 2, record_every = 1, tensorboard = false}
axes."model.cell" = ["lstm", "elman"]
axes.training.optimizer.learning_rate = [0.01, 0.1]
"""


@pytest.fixture(name="study")
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "cells.toml"
    path.write_text(STUDY)
    return path


@pytest.mark.parametrize(
    ("final", "more"),
    [(0.0, []), (30.0, ["'--final' trains the chosen cells again to their epochs: at most 0:30 more."])],
)
def test_a_plan_ends_with_the_cost_of_the_whole_study(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, final: float, more: list[str]
) -> None:
    row = ForecastRow(
        architecture="lstm",
        runs=4,
        done=1,
        cells=4,
        steps=420,
        step_seconds=0.01,
        run_seconds=30.0,
        seconds=120.0,
        bytes=6 * 2**20,
    )
    whole = Forecast(sentences=(), rows=(row,), seconds=90.0, final_seconds=final, bytes=row.bytes)
    monkeypatch.setattr("seqlab.studies.forecast.forecast", lambda *_: whole)
    assert run(["study", "brackets-cells", "--plan"]) == 0
    total = "In all about 1:30 to the end, and 6 MiB."
    assert capsys.readouterr().out.splitlines()[-1 - len(more) :] == [total, *more]


@pytest.mark.slow
def test_plan_run_final_evaluation_and_again(study: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    out, _ = finished("study", str(study), "--plan", "--threads", "1", runs=runs)
    assert "cells: 8 runs, 8 cells." in out
    assert not runs.exists(), "a plan creates nothing"
    out, err = finished("study", str(study), "--threads", "1", "--final", runs=runs)
    assert "   8/8  elman learning_rate=0.1, seed 2" in err
    for words in (
        "The LSTM counts",
        "2 seeds: too few for a test over seeds",
        "Test split (evaluation 1)",
        "Report: ",
    ):
        assert words in out
    assert (runs / "studies" / "cells" / "report.html").stat().st_size > 100_000
    out, err = finished("study", str(study), "--threads", "1", "--final", "--json", runs=runs)
    found = json.loads(out)
    assert found["test"]["evaluation"] == 1
    assert found["test"]["repeated"]
    assert len(found["parts"][0]["groups"]) == 4
    assert "8/8" not in err
    out, _ = finished("study", str(study), "--plan", "--threads", "1", runs=runs)
    assert "cells: 8 runs, 8 cells.\nRuns that are finished already: 8.\n" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing",), "There is no study 'nothing'"),
        (("{}", "training.epoch=3"), "Nearest: 'training.epochs'"),
        (("{}", "--processes", "0"), "'processes' must be at least 1. Got 0"),
        (("{}", "--processes", "99", "--threads", "2"), "'processes' must be at most the threads, 2. Got 99"),
        (("{}", "--equal", "time=3"), "'--equal' must be parameters=N"),
        (("{}", "--plan", "--final"), "Got both"),
        (("{}", "axes.training.optimizer.learning_rate=1"), "axes"),
    ],
)
def test_wrong_input_is_refused(study: Path, refused, arguments: tuple[str, ...], words: str) -> None:
    assert words in refused("study", *(argument.format(study) for argument in arguments))


def test_pairs_are_compared_once_for_the_terminal_and_the_report(
    seqlab, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []
    real = study_pairs.all_pairs
    monkeypatch.setattr(study_pairs, "all_pairs", lambda *a, **k: compared.append(a) or real(*a, **k))
    result = seqlab("study", str(study), "seeds=1", "--threads", "1", "--json")
    assert result.status == 0, result.err
    assert json.loads(result.out)["parts"][0]["pairs"]
    assert len(compared) == 1


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_killed_at_any_moment_the_same_command_continues(study: Path, tmp_path: Path, processes: int) -> None:
    command = ("study", str(study), "--processes", str(processes), "--threads", str(processes), "--json")
    whole, _ = finished(*command, runs=tmp_path / "whole")
    draw = random.Random(processes)
    for _ in range(4):
        before, wanted = _recorded(tmp_path / "killed"), draw.randint(1, 8000)
        process = seqlab(*command, runs=tmp_path / "killed")
        while process.poll() is None and _recorded(tmp_path / "killed") - before < wanted:
            time.sleep(0.005)
        process.kill()
        process.communicate()
        _wait_for_workers(tmp_path / "killed")
    process = seqlab(*command, runs=tmp_path / "killed")
    out, err = process.communicate()
    assert process.returncode == 0, err
    first, second = json.loads(whole), json.loads(out)
    assert first["parts"] == second["parts"]


def _recorded(runs: Path) -> int:
    """Bytes that runs and the study have recorded so far."""
    files = [*runs.glob("*/records.jsonl"), *runs.glob("studies/*/*.jsonl")]
    return sum(file.stat().st_size for file in files)


def _wait_for_workers(runs: Path) -> None:
    """Processes whose parent was killed notice it soon, and release the locks of their runs."""
    for path in runs.glob("*/lock"):
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)


def test_a_report_that_is_a_folder_is_refused_before_any_run(refused, runs: Path, tmp_path: Path) -> None:
    message = refused("study", "brackets-cells", "--output", str(tmp_path))
    assert "'output' must be a file. Got the folder" in message
    assert not runs.exists()
