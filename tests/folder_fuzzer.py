"""Flips bits in files of a run folder, and checks what every command makes of it.

For a long search: `PYTHONPATH=src:tests python tests/folder_fuzzer.py SEED COUNT`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiny

from seqlab.cli import run
from seqlab.runs.run_folder import RunFolder

COMMANDS = ("list", "report", "evaluate", "sample", "resume", "diagnose")


@dataclass(frozen=True)
class Result:
    """Exit status, the last line of standard error, and everything that a command found out."""

    status: int
    error: str
    found: str


def commands(run_folder: Path, page: Path) -> dict[str, list[str]]:
    """The command lines of `COMMANDS`."""
    name = str(run_folder)
    return {
        "list": ["list", "runs", "--json"],
        "report": ["report", name, "-o", str(page)],
        "evaluate": ["evaluate", name, "--json"],
        "sample": ["sample", name, "--count", "2", "--length", "8", "--json"],
        "resume": ["resume", name, "--json"],
        "diagnose": ["diagnose", name, "--json"],
    }


class Fuzzer:
    """One run, copied for each input to a folder that always has the same path."""

    def __init__(self, original: RunFolder, scratch: Path):
        self._original, self._scratch, self._finished = original.path, scratch, original.finished
        self.copy = scratch / "runs" / original.path.name
        self._page = scratch / "page.html"
        os.environ["SEQLAB_RUNS"] = str(scratch / "runs")
        self.clean = {command: self._result(command) for command in COMMANDS if self._refresh()}

    def faults(self, seed: int, count: int) -> Iterator[str]:
        """A sentence on each input for which a command does not do what it must."""
        draw = random.Random(seed)
        for number in range(count):
            self._refresh()
            damage = self._flip(draw)
            command = draw.choice(COMMANDS)
            result = self._result(command)
            if fault := self._fault(command, result):
                yield f"input {number} of seed {seed}: {damage}, {command}: {fault}"

    def _refresh(self) -> bool:
        shutil.rmtree(self._scratch / "runs", ignore_errors=True)
        shutil.copytree(self._original, self.copy)
        return True

    def _flip(self, draw: random.Random) -> str:
        """Flip one bit, or remove or repeat a piece."""
        files = sorted(path for path in self.copy.rglob("*") if path.is_file() and path.stat().st_size)
        file = draw.choice(files)
        content = bytearray(file.read_bytes())
        position, kind = draw.randrange(len(content)), draw.choice(("bit", "bit", "bit", "cut", "repeat"))
        if kind == "bit":
            content[position] ^= 1 << draw.randrange(8)
        elif kind == "cut":
            del content[position : position + draw.randrange(1, 9)]
        else:
            content[position:position] = content[position : position + draw.randrange(1, 9)]
        file.write_bytes(content)
        return f"{kind} at {position} of {file.relative_to(self.copy)}"

    def _result(self, command: str) -> Result:
        self._page.unlink(missing_ok=True)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run(commands(self.copy, self._page)[command])
        found = out.getvalue()
        if command == "report" and self._page.exists():
            found = self._page.read_text(encoding="utf-8")
        if command == "resume" and status == 0 and not self._finished:
            found = self._outcome(found)
        return Result(status, (err.getvalue().splitlines() or [""])[-1], found)

    def _outcome(self, printed: str) -> str:
        """What a resumed run must end with, without seconds and memory."""
        summary = {key: value for key, value in json.loads(printed).items() if key != "cost"}
        records = (self.copy / "records.jsonl").read_bytes() + (self.copy / "samples.jsonl").read_bytes()
        return json.dumps(summary) + records.decode("utf-8", errors="replace")

    def _fault(self, command: str, result: Result) -> str:
        """What is wrong with a result; "" where it is the clean one, or a sentence on the damage."""
        if result.status in (1, 2):
            wrong = "Internal error" in result.error or not result.error.startswith("seqlab: ")
            return f"the error is {result.error!r}" if wrong else ""
        if result.status != 0:
            return f"status {result.status}"
        if result == self.clean[command]:
            return ""
        # These two show what they can, and name the damage.
        named = command in ("list", "report") and ("damaged" in result.found or "changed" in result.found)
        return "" if named else "the result differs and nothing is reported"


def originals() -> tuple[RunFolder, RunFolder]:
    """A finished and an unfinished run."""
    finished = tiny.fit(tiny.BRACKETS)
    unfinished = tiny.broken_off(tiny.BRACKETS, "seed=2", "training.checkpoint_seconds=0", step=5)
    return finished, unfinished


def main(arguments: Sequence[str]) -> None:
    """Search with a seed and a number of inputs for each run."""
    seed, count = (int(argument) for argument in arguments)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_RUNS", f"{folder}/originals")
        patch.setenv("SEQLAB_CACHE", f"{folder}/cache")
        for number, original in enumerate(originals()):
            for fault in Fuzzer(original, Path(folder) / str(number)).faults(seed, count):
                print(fault, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
