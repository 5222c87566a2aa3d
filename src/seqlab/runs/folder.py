"""One run's folder: what it was told, on what it ran, what it recorded."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from seqlab.runs import atomic
from seqlab.schema.errors import UserError, WorkError, unknown
from seqlab.schema.records import Moment, Record, from_line

FORMAT = 1
ENVIRONMENT = "environment.json"
RECORDS, TIMINGS, SAMPLES = "records.jsonl", "timings.jsonl", "samples.jsonl"
_ABOUT = "run.json"
_FINISHED = "finished.json"


@dataclass(frozen=True)
class RunFolder:
    """A run on disk. `create` makes it whole, `open_run` reads it back."""

    path: Path
    name: str
    fingerprint: str

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints stand."""
        return self.path / "checkpoints"

    @property
    def cards(self) -> Path:
        """Where evaluation cards stand."""
        return self.path / "cards"

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return (self.path / _FINISHED).exists()

    def finish(self, summary: dict[str, Any]) -> None:
        """Mark the run as finished, with its results and what they cost."""
        atomic.write_text(self.path / _FINISHED, json.dumps(summary, indent=1))

    def summary(self) -> dict[str, Any]:
        """Results and cost of a finished run."""
        return self.read_json(_FINISHED, "run", "stopped", "metrics", "best_step", "parameters", "cost")

    def read_json(self, file: str, *needed: str) -> dict[str, Any]:
        """One of the folder's JSON files, with at least the keys needed.

        Raises:
            UserError: it is missing or damaged.
        """
        try:
            content = json.loads(self.read(file))
        except json.JSONDecodeError as error:
            raise UserError(f"{self.path / file} is damaged: {error}.") from None
        missing = [key for key in needed if key not in content] if isinstance(content, dict) else ["{}"]
        if missing:
            raise UserError(f"{self.path / file} is damaged: {missing[0]!r} is missing.")
        return content

    def read(self, file: str) -> str:
        """One of the folder's text files.

        Raises:
            UserError: it is missing or not text.
        """
        try:
            return (self.path / file).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise UserError(f"{self.path} is damaged: {file} is missing.") from None
        except UnicodeDecodeError:
            raise UserError(f"{self.path / file} is damaged: it is not UTF-8 text.") from None

    def records(self, file: str = RECORDS) -> Iterator[tuple[Record, Moment]]:
        """Everything recorded, in order.

        Raises:
            UserError: a line is not a record.
        """
        path = self.path / file
        text = self.read(file) if path.exists() else ""
        # Not splitlines: texts may hold separators that JSON does not escape.
        lines = text.removesuffix("\n").split("\n") if text else []
        for number, line in enumerate(lines, start=1):
            yield from_line(line, f"{path}:{number}")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run: one process at a time may write it. A killed holder's lock is gone with it.

        Raises:
            UserError: another process holds it.
        """
        lock = filelock.FileLock(self.path / "lock")
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            raise UserError(f"{self.path} is in use by another process. Wait for it, or stop it.") from None
        try:
            yield
        finally:
            lock.release()


def root() -> Path:
    """`$SEQLAB_RUNS`, or `runs` under the current folder."""
    return Path(os.environ.get("SEQLAB_RUNS") or "runs")


def fingerprint(config: str, content_hash: str, version: str) -> str:
    """SHA-256 of what decides a run's numbers: resolved configuration, data content, seqlab's version."""
    return hashlib.sha256("\n".join([config, content_hash, version]).encode()).hexdigest()


def run_path(name: str, fingerprint: str) -> Path:
    """Where the run with this fingerprint stands."""
    return root() / f"{name}-{fingerprint[:12]}"


def create(name: str, fingerprint: str, files: dict[str, str]) -> RunFolder:
    """Make a run folder with its first files, whole or not at all.

    Where another process made the same one at the same moment, that one is returned.

    Raises:
        WorkError: the disk is full or cannot be written.
    """
    path = run_path(name, fingerprint)
    with atomic.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    about = {"format": FORMAT, "name": name, "fingerprint": fingerprint}
    try:
        with atomic.directory(path) as temporary:
            for file, text in {**files, _ABOUT: json.dumps(about, indent=1)}.items():
                (temporary / file).write_text(text, encoding="utf-8")
    except WorkError:
        if not (path / _ABOUT).exists():
            raise
    atomic.remove_leftovers(path.parent, path.name)
    return open_run(path)


def open_run(path: Path) -> RunFolder:
    """Read a run folder back.

    Raises:
        UserError: it is no run folder, damaged, or of a newer format.
    """
    if not (path / _ABOUT).exists():
        raise UserError(f"{path} must be a run folder with a {_ABOUT}. Got none.")
    about = RunFolder(path, "", "").read_json(_ABOUT)
    if not isinstance(about.get("format"), int):
        raise UserError(f"{path / _ABOUT} is damaged: it has no format number.")
    if about["format"] > FORMAT:
        raise UserError(
            f"{path} has run format {about['format']}; this seqlab reads up to {FORMAT}. "
            "Install a newer seqlab."
        )
    about = RunFolder(path, "", "").read_json(_ABOUT, "name", "fingerprint")
    run = RunFolder(path, about["name"], about["fingerprint"])
    run.checkpoints.mkdir(exist_ok=True)
    run.cards.mkdir(exist_ok=True)
    return run


def find(wanted: str) -> RunFolder:
    """The run a user names: by path, by folder name, or by an unambiguous beginning of it.

    Raises:
        UserError: no run, or several, answer to the name.
    """
    if (Path(wanted) / _ABOUT).exists():
        return open_run(Path(wanted))
    known = names()
    matches = [name for name in known if name.startswith(wanted)]
    if len(matches) > 1 and wanted not in matches:
        newest = max(matches, key=lambda name: (root() / name / _ABOUT).stat().st_mtime_ns)
        raise UserError(
            f"{wanted!r} must name one run. Got {len(matches)}: {', '.join(matches)}. "
            f"The one begun last: {newest!r}."
        )
    if not matches:
        raise unknown("run", wanted, known)
    return open_run(root() / (wanted if wanted in matches else matches[0]))


def names() -> list[str]:
    """Names of the run folders under `root`, sound or damaged."""
    found = sorted(path.parent.name for path in root().glob(f"*/{_ABOUT}"))
    return [name for name in found if not name.startswith(atomic.TEMPORARY)]
