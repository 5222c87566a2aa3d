"""Killed at any moment, a run ends with the same bits: real processes, real SIGKILL."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from experiments import (
    AVERAGED,
    CLASSIFY,
    LANGUAGE,
    LAZY,
    STREAM,
    UNFROZEN,
    finished,
    killed_at,
    only_run,
    outcome,
    seqlab,
)

from seqlab.runs import checkpoints
from seqlab.runs.run_folder import RunFolder

pytestmark = pytest.mark.slow

TASKS = [
    pytest.param(LANGUAGE, id="sequences"),
    pytest.param(STREAM, id="carried-state"),
    pytest.param(AVERAGED, id="averaged"),
    pytest.param(CLASSIFY, id="classify", marks=pytest.mark.data),
    pytest.param(LAZY, id="rows-that-lag", marks=pytest.mark.data),
    pytest.param(UNFROZEN, id="frozen-layers", marks=pytest.mark.data),
]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """Outcomes of runs that nobody killed, each made when first asked for."""
    return {}


def _reference(recipe: list[str], unbroken: dict[str, dict[str, bytes]], runs: Path) -> dict[str, bytes]:
    key = " ".join(recipe)
    if key not in unbroken:
        finished("train", *recipe, runs=runs / "unbroken")
        unbroken[key] = outcome(only_run(runs / "unbroken"))
    return unbroken[key]


@pytest.mark.parametrize("recipe", TASKS)
def test_killed_at_random_moments(recipe: list[str], unbroken, tmp_path: Path) -> None:
    # Another interval between checkpoints must change nothing either: here each step is saved.
    expected = _reference(recipe, unbroken, tmp_path)
    draw = random.Random(str(recipe))
    runs, kills = tmp_path / "killed", 0
    command = ["train", *recipe, "training.checkpoint_seconds=0"]
    for _ in range(4):
        process = seqlab(*command, runs=runs)
        kills += _kill_when_training(process, runs, draw.uniform(0.0, 0.6))
        if runs_made := list(runs.glob("*/run.json")):
            command = ["resume", str(runs_made[0].parent)]
    finished(*command, runs=runs)
    assert kills >= 1, "no process was killed: the test tested nothing"
    assert outcome(only_run(runs)) == expected


def _kill_when_training(process: subprocess.Popen[str], runs: Path, delay: float) -> bool:
    """Kill the process `delay` seconds after its run writes checkpoints; False if it ended before."""
    known = set(runs.glob("*/checkpoints/*"))
    while process.poll() is None and set(runs.glob("*/checkpoints/*")) <= known:
        time.sleep(0.005)
    time.sleep(delay)
    process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("call", [2, 5, 9, 13, 14, 15, 16, 17, 18, 20, 24, 33, 48, 63])
def test_killed_within_the_writing_of_a_checkpoint(call: int, unbroken, tmp_path: Path) -> None:
    """The process kills itself at its n-th fsync, rename or unlink: between any two steps of saving."""
    expected = _reference(STREAM, unbroken, tmp_path)
    runs = tmp_path / "killed"
    functions = ("fsync", "rename", "replace", "unlink", "rmdir")
    assert killed_at(call, "train", *STREAM, runs=runs, functions=functions) == -signal.SIGKILL
    finished("train", *STREAM, runs=runs)
    run = only_run(runs)
    assert outcome(run) == expected
    assert not list(run.path.glob(".writing-*")) + list(run.checkpoints.glob(".writing-*"))


def test_ctrl_c_saves_and_says_how_to_go_on(unbroken, tmp_path: Path) -> None:
    expected = _reference(STREAM, unbroken, tmp_path)
    runs = tmp_path / "interrupted"
    process = seqlab("train", *STREAM, runs=runs)
    while not list(runs.glob("*/records.jsonl")):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    run = only_run(runs)
    assert process.returncode == 130
    assert f"Continue with: seqlab resume {run.path}" in err
    assert "Traceback" not in err
    step = checkpoints.checkpoints(run.checkpoints)[-1].name
    _, err = finished("resume", str(run.path), runs=runs)
    assert f"Continuing after step {int(step.removeprefix('step-'))}" in err
    assert outcome(run) == expected


def test_resume_keeps_the_threads_it_began_with(tmp_path: Path) -> None:
    process = seqlab("train", *STREAM, "--threads", "2", runs=tmp_path)
    while not list(tmp_path.glob("*/checkpoints/step-*")):
        time.sleep(0.005)
    process.kill()
    process.communicate()
    run = only_run(tmp_path)
    finished("resume", str(run.path), runs=tmp_path, OMP_NUM_THREADS="1")
    assert run.environment()["threads"] == RunFolder.summary(run)["cost"]["threads"] == 2


def test_small_steps_run_on_one_thread_whatever_is_available(tmp_path: Path) -> None:
    finished("train", *STREAM, runs=tmp_path, OMP_NUM_THREADS="2")
    run = only_run(tmp_path)
    assert run.environment()["threads"] == RunFolder.summary(run)["cost"]["threads"] == 1
