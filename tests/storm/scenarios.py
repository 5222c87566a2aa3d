"""Command lines that a storm disturbs: a classifier, a language model and a study, from data to report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import outcome

from seqlab.runs import run_folder

SMALL = [
    "training.tensorboard=false",
    "training.matmul=torch",
    "training.checkpoint_seconds=0",
    "model.embedding_size=4",
    "model.hidden_size=4",
]
LANGUAGE = [
    "brackets-lstm",
    "data.train=60",
    "data.valid=20",
    "data.test=20",
    "data.max_length=20",
    "batching.tokens=200",
    "training.epochs=2",
    "samples.count=2",
    "samples.max_tokens=8",
    "samples.checked=20",
    "samples.checked_at_end=20",
    *SMALL,
]
CLASSIFIER = [
    "text-classifier",
    "data.path=reviews.csv",
    "model.kind=recurrent-classifier",
    "model.cell=lstm",
    "batching.batch_size=16",
    "training.epochs=3",
    *SMALL,
]
STUDY = """
base = "brackets-lstm"
seeds = [1, 2]
[settings]
{settings}
[axes]
training.optimizer.learning_rate = [0.01, 0.1]
"""
Outcome = Mapping[str, Any]
MEASURED = {
    "run",
    "cost",
    "seconds",
    "evaluation_seconds",
    "tokens_per_second",
    "peak_memory_mib",
    "test_evaluations",
    "journals",
    "check",
}
"""Keys of JSON files that differ from folder to folder or from time to time.

A killed evaluation on the test split may have been counted already. Checks cover the other keys, too.
"""


@dataclass(frozen=True)
class Scenario:
    """Commands one after the other; `{run}` is the folder of the one run, once there is one.

    Disturbed or not, they must end with the same outcome.
    """

    name: str
    commands: Sequence[Sequence[str]]

    def prepare(self, folder: Path) -> None:
        """Write what the commands read, and make the folders that they write into."""
        folder.mkdir(parents=True)
        (folder / "reviews.csv").write_text(_reviews(), encoding="utf-8")
        (folder / "story.txt").write_text("a good film and a bad film\n" * 40, encoding="utf-8")
        settings = [setting.split("=") for setting in LANGUAGE[1:]]
        lines = (f"{key} = {json.dumps(value) if value == 'torch' else value}" for key, value in settings)
        (folder / "small.toml").write_text(STUDY.format(settings="\n".join(lines)), encoding="utf-8")

    def arguments(self, command: Sequence[str], folder: Path) -> list[str]:
        """The words of a command of this scenario."""
        if "{run}" not in command:
            return list(command)
        (path,) = run_paths(folder)
        return [str(path) if word == "{run}" else word for word in command]


SCENARIOS = (
    Scenario(
        "classifier",
        [
            ["train", *CLASSIFIER],
            ["evaluate", "{run}", "--split", "test"],
            ["report", "{run}", "-o", "page.html"],
        ],
    ),
    Scenario(
        "language model",
        [
            ["train", *LANGUAGE],
            ["diagnose", "{run}"],
            ["evaluate", "{run}", "--split", "test"],
            ["report", "{run}", "-o", "page.html"],
        ],
    ),
    Scenario("study", [["study", "small.toml"]]),
)
_TABLES = ["--static", "tables"]
FURTHER = (
    Scenario(
        "n-gram",
        [
            ["data", "fetch", "text", "path=story.txt"],
            ["train", "text-5gram", "data.path=story.txt"],
            ["resume", "{run}"],
            ["sample", "{run}", "--count", "2", "--length", "8"],
            ["evaluate", "{run}", "--split", "test"],
        ],
    ),
    Scenario(
        "NB-SVM",
        [
            ["data", "show", "table", "path=reviews.csv"],
            ["train", "text-nbsvm", "data.path=reviews.csv"],
            ["predict", "{run}", "--file", "reviews.csv"],
            ["report", "{run}", "-o", "page.html", *_TABLES],
        ],
    ),
    Scenario(
        "majority",
        [["train", "marked-addition-majority", "data.train=40", "data.valid=10"], ["resume", "{run}"]],
    ),
    Scenario(
        "TensorBoard",
        [["train", *LANGUAGE, "training.tensorboard=true"], ["resume", "{run}"]],
    ),
    Scenario("processes", [["study", "small.toml", "--processes", "2", "--final"]]),
)
"""What else is killed: baselines, charts as files, several processes, the test evaluation of a study."""


def environment(folder: Path) -> dict[str, str]:
    """The environment of a scenario's processes: everything they write is in its folder."""
    own = {"SEQLAB_RUNS": str(folder / "runs"), "SEQLAB_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    return {**os.environ, **own}


def start(
    arguments: Sequence[str], folder: Path, program: str | None = None, **variables: str
) -> subprocess.Popen[str]:
    """A process of the command line in a scenario's folder; `program` is Python to run in its place."""
    python = [sys.executable, *(["-m", "seqlab"] if program is None else ["-c", program])]
    return subprocess.Popen(
        [*python, *arguments],
        cwd=folder,
        env={**environment(folder), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


def undisturbed(
    scenario: Scenario, folder: Path, started: Callable[..., subprocess.Popen[str]] = start
) -> None:
    """Run a scenario's commands to their end."""
    scenario.prepare(folder)
    for command in scenario.commands:
        process = started(scenario.arguments(command, folder), folder)
        _, err = process.communicate(timeout=600)
        assert process.returncode == 0, f"{command}: {err}"


def run_paths(folder: Path) -> list[Path]:
    """The folders of a scenario's runs."""
    return sorted(path.parent for path in (folder / "runs").glob("*/run.json"))


def outcomes(folder: Path) -> Outcome:
    """Everything that a scenario's commands decide, and the names of what they left on disk."""
    runs = {path.name: run_outcome(path) for path in run_paths(folder)}
    page = (folder / "page.html").exists()
    studies = {path.name: _study_outcome(path) for path in sorted((folder / "runs").glob("studies/*"))}
    return {"runs": runs, "studies": studies, "page": page, "files": sorted(_names(folder))}


def differences(expected: Outcome, found: Outcome) -> list[str]:
    """What differs between two outcomes, in words."""
    missing = [f"no {name}" for name in set(expected["files"]) - set(found["files"])]
    left = [f"left over: {name}" for name in set(found["files"]) - set(expected["files"])]
    runs = [
        f"another {part} of {name}"
        for name, parts in expected["runs"].items()
        for part in parts
        if found["runs"].get(name, {}).get(part) != parts[part]
    ]
    studies = [
        f"another study {name}"
        for name in expected["studies"]
        if found["studies"].get(name) != expected["studies"][name]
    ]
    return missing + left + runs + studies


def _study_outcome(path: Path) -> dict[str, list[str]]:
    """The lines that a study has, in any order: several processes end their runs in any."""
    return {
        file.name: sorted({json.dumps(_decided(json.loads(line))) for line in file.read_text().splitlines()})
        for file in sorted(path.glob("*.jsonl"))
    }


def run_outcome(path: Path) -> dict[str, Any]:
    """What the commands decided about one run, by file."""
    parts: dict[str, Any] = dict(outcome(run_folder.open_run(path)))
    # A killed `evaluate` may have recorded its numbers already; then the next one records the same again.
    records = (json.dumps(_decided(json.loads(line))) for line in parts["records.jsonl"].splitlines())
    parts["records.jsonl"] = list(dict.fromkeys(records))
    for file in [path / "finished.json", *sorted((path / "cards").glob("*.json"))]:
        parts[file.name] = _decided(json.loads(file.read_text(encoding="utf-8")))
    return parts


def _decided(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _decided(value) for key, value in content.items() if key not in MEASURED}
    return content


def _names(folder: Path) -> list[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*"))
    # The cache knows files by a hash of their path; TensorBoard's files are named by their process.
    unequal = {"verified", "encoded", "tensorboard"}
    return [str(path) for path in paths if not unequal & set(path.parts[:-1])]


def _reviews() -> str:
    rows = [f"a {word} film {index},{label}" for index in range(40) for word, label in _WORDS]
    return "\n".join(["text,label", *rows]) + "\n"


_WORDS = (("good", "pos"), ("bad", "neg"))


def remove(folder: Path) -> None:
    """Delete a scenario's folder."""
    shutil.rmtree(folder, ignore_errors=True)
