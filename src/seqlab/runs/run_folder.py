"""One run's folder: its settings, the environment it ran in, and everything it recorded.

    runs/NAME-FINGERPRINT/
        run.json            format version, name, fingerprint
        config.toml         every setting
        data.json           what the run keeps of its data
        environment.json    versions, processor, threads
        records.jsonl       numbers, curves and matrices; deterministic
        samples.jsonl       texts that the model wrote; deterministic
        timings.jsonl       seconds and speed
        cards/SPLIT.json    the evaluation card of a split
        cards/oracle.json   the comparison with the true distribution
        scores/             the scores of each item of a split
        checkpoints/        see `checkpoints`
        tensorboard/        events
        finished.json       results and cost; there once the run is finished
        lock

No other module knows these names. Reading never writes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from seqlab.runs import atomic
from seqlab.runs.cards import Card, OracleCard
from seqlab.runs.environment import Environment
from seqlab.runs.format_version import check_format
from seqlab.runs.journal import Journal
from seqlab.runs.process_lock import process_lock
from seqlab.runs.run_journals import (
    RECORDS,
    SAMPLES,
    TIMINGS,
    OnDamage,
    RunJournals,
    Timing,
    read_lines,
    timing_from_line,
)
from seqlab.runs.run_shapes import DataSummary, RunIdentity, RunSummary
from seqlab.runs.split_scores import SplitScores, read_split_scores, write_split_scores
from seqlab.runs.typed_json import read_json, read_text, write_json
from seqlab.schema.config import Table, read_toml
from seqlab.schema.errors import UserError, WorkError, unknown
from seqlab.schema.records import Moment, Record, Text, from_line, to_line

FORMAT = 3
_IDENTITY, _CONFIG, _DATA, _ENVIRONMENT = "run.json", "config.toml", "data.json", "environment.json"
_FINISHED, _CARDS, _SCORES, _CHECKPOINTS = "finished.json", "cards", "scores", "checkpoints"
_ORACLE = "oracle"
"""Name of the card that compares with the true distribution, where other cards have that of their split."""


@dataclass(frozen=True)
class RunFolder:
    """A run on disk. `create` makes it whole, `open_run` opens it."""

    path: Path
    name: str
    fingerprint: str

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / _CHECKPOINTS

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's events."""
        return self.path / "tensorboard"

    @property
    def config_path(self) -> Path:
        """The file of the settings, which `seqlab train` takes, too."""
        return self.path / _CONFIG

    def config_text(self) -> str:
        """Every setting, as TOML.

        Raises:
            UserError: the file is missing or damaged; so for every reader below.
        """
        return read_text(self.config_path)

    def settings(self) -> Table:
        """Every setting, as a table."""
        return read_toml(self.config_text(), str(self.config_path))

    def data(self) -> DataSummary:
        """What the run keeps of its data."""
        return read_json(self.path / _DATA, DataSummary)

    def environment(self) -> Environment:
        """The environment in which the run began."""
        return read_json(self.path / _ENVIRONMENT, Environment)

    @property
    def finished(self) -> bool:
        """Whether the run is finished."""
        return (self.path / _FINISHED).exists()

    def summary(self) -> RunSummary:
        """Results and cost of a finished run."""
        return read_json(self.path / _FINISHED, RunSummary)

    def finish(self, summary: RunSummary) -> None:
        """Mark the run as finished, with its results and cost."""
        write_json(self.path / _FINISHED, summary)

    def records(self, on_damage: OnDamage | None = None) -> Iterator[tuple[Record, Moment]]:
        """Everything recorded but texts, in order; a broken line is an error, or goes to `on_damage`."""
        return read_lines(self.path / RECORDS, from_line, on_damage)

    def samples(self, on_damage: OnDamage | None = None) -> Iterator[tuple[Text, Moment]]:
        """The texts that the model wrote, in order."""
        for record, moment in read_lines(self.path / SAMPLES, from_line, on_damage):
            if isinstance(record, Text):
                yield record, moment

    def timings(self, on_damage: OnDamage | None = None) -> Iterator[Timing]:
        """The timings of training, in order; of a resumed run the steps repeat."""
        return read_lines(self.path / TIMINGS, timing_from_line, on_damage)

    def journals(self, offsets: Mapping[str, int]) -> RunJournals:
        """The growing files, cut to the offsets of a checkpoint and open for writing."""
        return RunJournals(self.path, offsets)

    def append(self, records: Sequence[Record], moment: Moment) -> None:
        """Add records to those of a finished run."""
        path = self.path / RECORDS
        journal = Journal(path, path.stat().st_size)
        try:
            for record in records:
                journal.append(to_line(record, moment))
            journal.sync()
        finally:
            journal.close()

    def card(self, split: str) -> Card | None:
        """The evaluation card of a split; None where the split was not scored."""
        path = self._card_path(split)
        return read_json(path, Card) if path.exists() else None

    def cards(self) -> dict[str, Card]:
        """The evaluation cards of all splits that were scored."""
        names = sorted(path.stem for path in (self.path / _CARDS).glob("*.json"))
        return {name: card for name in names if name != _ORACLE and (card := self.card(name)) is not None}

    def write_card(self, card: Card) -> None:
        """Write the evaluation card of its split."""
        write_json(self._card_path(card["split"]), card)

    def oracle_card(self) -> OracleCard | None:
        """The comparison with the true distribution; None where that is not known."""
        path = self._card_path(_ORACLE)
        return read_json(path, OracleCard) if path.exists() else None

    def write_oracle_card(self, card: OracleCard) -> None:
        """Write the comparison with the true distribution."""
        write_json(self._card_path(_ORACLE), card)

    def scores(self, split: str) -> SplitScores | None:
        """The scores of each item of a split; None where the split was not scored."""
        path = self._scores_path(split)
        return read_split_scores(path) if path.exists() else None

    def write_scores(self, split: str, scores: SplitScores) -> None:
        """Write the scores of each item of a split."""
        write_split_scores(self._scores_path(split), scores)

    def remove_leftovers(self) -> None:
        """Delete what killed processes left half-written; only for the holder of the lock."""
        atomic.remove_leftovers(self.path)
        atomic.remove_leftovers(self.checkpoints)

    def lock(self) -> AbstractContextManager[None]:
        """Hold the run: one process at a time may write it. The lock of a killed process is released.

        Raises:
            InUseError: another process holds it.
        """
        refusal = f"{self.path} is in use by another process. Wait for it, or stop it."
        return process_lock(self.path, refusal)

    def _card_path(self, split: str) -> Path:
        return self.path / _CARDS / f"{split}.json"

    def _scores_path(self, split: str) -> Path:
        return self.path / _SCORES / f"{split}.safetensors"


def root() -> Path:
    """`$SEQLAB_RUNS`, or `runs` under the current folder."""
    return Path(os.environ.get("SEQLAB_RUNS") or "runs")


def fingerprint(config: str, content_hash: str, version: str) -> str:
    """SHA-256 of what decides a run's numbers: resolved configuration, data content, seqlab's version."""
    return hashlib.sha256("\n".join([config, content_hash, version]).encode()).hexdigest()


def run_path(name: str, fingerprint: str) -> Path:
    """The path of the run with this fingerprint, whether it exists or not."""
    return root() / f"{name}-{fingerprint[:12]}"


def exists(path: Path) -> bool:
    """Whether there is a run folder at a path."""
    return (path / _IDENTITY).exists()


def create(
    name: str, fingerprint: str, *, config: str, data: DataSummary, environment: Environment
) -> RunFolder:
    """Make a run folder with its first files, whole or not at all.

    Where another process made the same folder at the same time, that one is returned.

    Raises:
        WorkError: the disk is full or cannot be written.
    """
    path = run_path(name, fingerprint)
    with atomic.disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    identity: RunIdentity = {"format": FORMAT, "name": name, "fingerprint": fingerprint}
    files = {
        _CONFIG: config,
        _DATA: json.dumps(data, ensure_ascii=False),
        _ENVIRONMENT: json.dumps(environment, indent=1),
        _IDENTITY: json.dumps(identity, indent=1),
    }
    try:
        with atomic.directory(path) as temporary:
            # Made here, so that its entry is on the disk before the first checkpoint is.
            (temporary / _CHECKPOINTS).mkdir()
            for file, text in files.items():
                (temporary / file).write_text(text, encoding="utf-8")
    except WorkError:
        # Another process may have renamed its folder first; both would hold the same files.
        if not exists(path):
            raise
    atomic.remove_leftovers(path.parent, path.name)
    return open_run(path)


def open_run(path: Path) -> RunFolder:
    """Open a run folder, which changes nothing in it.

    Raises:
        UserError: it is no run folder, damaged, or of another format.
    """
    if not exists(path):
        raise UserError(f"{path} must be a run folder with a {_IDENTITY}. Got none.")
    check_format(path / _IDENTITY, "run", FORMAT, older="Train the run again.")
    identity = read_json(path / _IDENTITY, RunIdentity)
    return RunFolder(path, identity["name"], identity["fingerprint"])


def find(wanted: str) -> RunFolder:
    """The run a user names: by path, by folder name, by its own name, or by an unambiguous beginning.

    A complete name comes first: `x1` is the run x1, although the name of the run x19 begins with it.

    Raises:
        UserError: no run has this name, or several do.
    """
    if exists(Path(wanted)):
        return open_run(Path(wanted))
    known = names()
    matches = _matching(wanted, known)
    if len(matches) > 1 and wanted not in matches:
        newest = max(matches, key=lambda name: (root() / name / _IDENTITY).stat().st_mtime_ns)
        raise UserError(
            f"{wanted!r} must name one run. Got {len(matches)}: {', '.join(matches)}. "
            f"The newest of them: {newest!r}."
        )
    if not matches:
        raise unknown("run", wanted, known)
    return open_run(root() / (wanted if wanted in matches else matches[0]))


def _matching(wanted: str, known: Sequence[str]) -> list[str]:
    """The folders with this name, else those of the runs with this name, else those that begin with it."""
    if wanted in known:
        return [wanted]
    exact = [name for name in known if name.rpartition("-")[0] == wanted]
    return exact or [name for name in known if name.startswith(wanted)]


def names() -> list[str]:
    """Names of the run folders under `root`, sound or damaged."""
    folders = sorted(path.parent.name for path in root().glob(f"*/{_IDENTITY}"))
    return [name for name in folders if not name.startswith(atomic.TEMPORARY)]
