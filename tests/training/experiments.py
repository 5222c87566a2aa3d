"""Tiny experiments that the tests of training share, and ways to run them as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from seqlab.runs import checkpoints, run_folder
from seqlab.runs.run_folder import RunFolder

SIZES = ["data.train=300", "data.valid=40", "data.test=40", "data.max_length=40"]
LANGUAGE = [
    "brackets-lstm",
    *SIZES,
    "batching.tokens=400",
    "model.dropout=0.2",
    "training.optimizer.kind=sgd",
    "training.optimizer.learning_rate=0.3",
    "training.optimizer.momentum=0.9",
    "training.record_every=3",
    "training.epochs=2",
    "training.tensorboard=false",
    "samples.count=2",
    "samples.max_tokens=10",
]
STREAM = [
    *LANGUAGE,
    "batching.kind=stream",
    "batching.batch_size=4",
    "batching.sequence_length=20",
    "training.validations_per_epoch=3",
    "training.schedule.kind=plateau",
    "training.schedule.patience=0",
]
CLASSIFY = [
    "imdb-lstm",
    "data.max_length=30",
    "data.tokenizer.max_size=500",
    "model.embedding_size=8",
    "model.hidden_size=8",
    "model.linear_size=8",
    "model.dropout=0.3",
    "batching.batch_size=256",
    "training.max_steps=40",
    "training.optimizer.kind=sgd",
    "training.optimizer.learning_rate=0.1",
    "training.optimizer.momentum=0.9",
    "training.record_every=7",
    "training.tensorboard=false",
]

LAZY = [
    *(setting for setting in CLASSIFY if not setting.startswith(("data.tokenizer", "training.max_steps"))),
    "data.tokenizer.max_size=5000",
    "training.max_steps=100",
    "training.optimizer.weight_decay=0.001",
    "training.schedule.kind=linear",
    "training.clip_norm=1",
]
"""A table of 5,000 rows, of which a batch uses some: most rows are out of date at most moments."""

UNFROZEN = [*LAZY, "training.layer_decay=0.5", "training.unfreeze_every=1", "training.epochs=4"]
"""The same, of which the second epoch trains the recurrent layer; the embedding stays frozen."""

AVERAGED = [*STREAM, "training.averaging.kind=triggered", "training.averaging.interval=0"]
"""Validation triggers the average within the run."""


def seqlab(*arguments: str, runs: Path, **environment: str) -> subprocess.Popen[str]:
    """Start the command line in a process of its own, its runs in a folder of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "seqlab", *arguments],
        env={**os.environ, "SEQLAB_RUNS": str(runs), "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(*arguments: str, runs: Path, status: int = 0, **environment: str) -> tuple[str, str]:
    """Run the command line to its end; returns what it printed on both streams."""
    out, err = (process := seqlab(*arguments, runs=runs, **environment)).communicate(timeout=300)
    assert process.returncode == status, err
    assert "Traceback" not in err
    return out, err


def only_run(runs: Path) -> RunFolder:
    """The one run under a folder."""
    (path,) = [path for path in runs.iterdir() if (path / "run.json").exists()]
    return run_folder.open_run(path)


def outcome(run: RunFolder) -> dict[str, bytes]:
    """Everything that must be equal to the bit: weights, optimizer and generators, records, samples."""
    newest = checkpoints.checkpoints(run.checkpoints)[-1]
    files = sorted(newest.glob("*.safetensors"))
    files += [run.path / "records.jsonl", run.path / "samples.jsonl"]
    return {file.name: file.read_bytes() for file in files} | {"newest": newest.name.encode()}


def metrics(run: RunFolder) -> dict[str, float]:
    """The final metrics of a finished run."""
    return json.loads((run.path / "finished.json").read_text())["metrics"]


def killed_at(call: int, *arguments: str, runs: Path, functions: Sequence[str]) -> int:
    """Run the command line in a process that kills itself at its n-th call of these functions of `os`.

    They are what saving consists of: it dies between any two steps of it. Returns the exit status.
    """
    environment = {**os.environ, "SEQLAB_RUNS": str(runs), "OMP_NUM_THREADS": "1", "KILL_AT": str(call)}
    command = [sys.executable, "-c", counting_program(functions), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode


def counting_program(functions: Sequence[str]) -> str:
    """The command line as a program that counts its calls of these functions of `os`.

    It kills itself at the call that $KILL_AT numbers, with the signals of $KILL_WITH (default: SIGKILL), and
    adds the number of its calls to the file $CALLS.
    """
    return f"""
import os, signal, sys
from seqlab.cli import run
calls, last = 0, int(os.environ.get("KILL_AT", "0"))
signals = [int(number) for number in os.environ.get("KILL_WITH", str(int(signal.SIGKILL))).split()]
def counted(function):
    def call(*arguments, **keywords):
        global calls
        calls += 1
        if calls == last:
            for number in signals:
                os.kill(os.getpid(), number)
        return function(*arguments, **keywords)
    return call
for name in {tuple(functions)!r}:
    setattr(os, name, counted(getattr(os, name)))
from seqlab.cli.interrupts import Interrupts
interrupts = Interrupts()
interrupts.install()
status = run(sys.argv[1:], interrupts)
if path := os.environ.get("CALLS"):
    with open(path, "a") as file:
        print(calls, file=file)
sys.exit(status)
"""
