"""What a run folder holds, and the typed reader and writer of each file; see `run_folder` for its layout."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqlab.runs import atomic, checkpoints
from seqlab.runs.cards import Card, GenerationCard, OracleCard, WrongTexts
from seqlab.runs.environment import Environment
from seqlab.runs.journal import Journal, JournalMark, OnDamage, mark_of, read_lines
from seqlab.runs.plain_files import modified, read_bytes
from seqlab.runs.process_lock import LOCK, is_held, process_lock
from seqlab.runs.run_journals import (
    JOURNALS,
    RECORDS,
    SAMPLES,
    TIMINGS,
    RunJournals,
    Timing,
    timing_from_line,
)
from seqlab.runs.run_shapes import (
    CodeRecord,
    DataSummary,
    FinishedRun,
    RunIdentity,
    RunSummary,
    StartRecord,
)
from seqlab.runs.seal import check_of
from seqlab.runs.split_scores import SplitScores, read_split_scores, write_split_scores
from seqlab.runs.typed_json import Shape, read_json, read_text, write_json
from seqlab.schema.config import Table, read_toml
from seqlab.schema.errors import DamagedFileError, WorkError
from seqlab.schema.own_code import content_hash
from seqlab.schema.records import Moment, Record, Text, from_line, to_line

IDENTITY, CONFIG, DATA, ENVIRONMENT = "run.json", "config.toml", "data.json", "environment.json"
FINISHED, CARDS, SCORES, CHECKPOINTS = "finished.json", "cards", "scores", "checkpoints"
TENSORBOARD, WRONG = "tensorboard", "wrong"
GENERATED = "generated.json"
CODE, CODE_COPY = "code.json", "code"
START, START_COPY, START_WEIGHTS = "start.json", "start", "weights.safetensors"
_ORACLE = "oracle"
"""Name of the card that compares with the true distribution, where other cards have that of their split."""
_ADAPTED = "+"
"""Between a split and a kind of adaptation in names of files."""
_RESTORE = "Restore it from a copy, or delete the folder and train again."
_REWRITE = "Delete it; `seqlab evaluate` writes it again."


@dataclass(frozen=True)
class RunFolder:
    """A run on disk. `create` makes it whole, `open_run` opens it."""

    path: Path
    name: str
    fingerprint: str

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / CHECKPOINTS

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's events."""
        return self.path / TENSORBOARD

    @property
    def config_path(self) -> Path:
        """The file of the settings, which `seqlab train` takes, too."""
        return self.path / CONFIG

    def config_text(self) -> str:
        """Every setting, as TOML.

        Raises:
            UserError: the file is missing, damaged, changed or of another run; so for every reader below.
        """
        text = read_text(self.config_path)
        identity = read_json(self.path / IDENTITY, RunIdentity, IDENTITY)
        if identity["config"] != check_of(text, self.subject(CONFIG)):
            raise DamagedFileError(f"{self.config_path} was changed after the run began. {_RESTORE}")
        return text

    def settings(self) -> Table:
        """Every setting, as a table."""
        return read_toml(self.config_text(), str(self.config_path))

    def data(self) -> DataSummary:
        """What the run keeps of its data."""
        return self._read(DATA, DataSummary)

    def environment(self) -> Environment:
        """The environment in which the run began."""
        return self._read(ENVIRONMENT, Environment)

    def code(self) -> CodeRecord | None:
        """The code of the user's own that the run executes, after a check of the copies; None without any."""
        if not os.path.lexists(self.path / CODE):
            return None
        record = self._read(CODE, CodeRecord)
        for key, entry in record["entries"].items():
            found = content_hash(self._code_files(key))
            if found != entry["sha256"]:
                raise DamagedFileError(
                    f"{self.path / CODE_COPY / key} must hold the code that the run began with, SHA-256 "
                    f"{entry['sha256'][:12]}. Got SHA-256 {found[:12]}. {_RESTORE}"
                )
        return record

    def start(self) -> StartRecord | None:
        """The run whose weights this one starts from; None where its weights are drawn."""
        return self._read(START, StartRecord) if os.path.lexists(self.path / START) else None

    def start_weights(self) -> bytes | None:
        """The copied weights that training starts from, as safetensors; None where all are drawn."""
        record = self.start()
        if record is None:
            return None
        content = read_bytes(self.start_copy / START_WEIGHTS)
        if hashlib.sha256(content).hexdigest() != record["weights"]:
            raise DamagedFileError(
                f"{self.start_copy / START_WEIGHTS} must hold the weights that the run starts from, SHA-256 "
                f"{record['weights'][:12]}. Got others. {_RESTORE}"
            )
        return content

    @property
    def start_copy(self) -> Path:
        """The folder of the weights that training starts from; unused from the first checkpoint on."""
        return self.path / START_COPY

    def _code_files(self, key: str) -> dict[str, bytes]:
        """Every file of a copy, so that none can be added without a change of the hash."""
        folder = self.path / CODE_COPY / key
        found = (path for path in folder.rglob("*") if not path.is_dir())
        return {path.relative_to(folder).as_posix(): read_bytes(path) for path in found}

    @property
    def finished(self) -> bool:
        """Whether the run is finished."""
        return os.path.lexists(self.path / FINISHED)

    @property
    def running(self) -> bool:
        """Whether a process holds the run now."""
        return is_held(self.path)

    @property
    def began(self) -> float:
        """When the folder was made, in seconds since 1970.

        Raises:
            UserError: the file of the identity is missing.
        """
        return modified(self.path / IDENTITY)

    def summary(self) -> RunSummary:
        """Results and cost of a finished run, with the path by which the folder was opened."""
        content = {**self._finished(), "run": str(self.path)}
        return RunSummary(**{key: content[key] for key in RunSummary.__annotations__})

    def finish(self, summary: RunSummary) -> None:
        """Mark the run as finished, with its results and cost."""
        marks = {name: mark_of(self.path / name) for name in JOURNALS}
        self._write(FINISHED, {**summary, "journals": marks})

    def records(self, on_damage: OnDamage | None = None) -> Iterator[tuple[Record, Moment]]:
        """Everything recorded but texts, in order; a broken line is an error, or goes to `on_damage`."""
        return read_lines(self.path / RECORDS, from_line, on_damage, self._mark(RECORDS))

    def samples(self, on_damage: OnDamage | None = None) -> Iterator[tuple[Text, Moment]]:
        """The texts that the model wrote, in order."""
        lines = read_lines(self.path / SAMPLES, from_line, on_damage, self._mark(SAMPLES))
        return ((record, moment) for record, moment in lines if isinstance(record, Text))

    def timings(self, on_damage: OnDamage | None = None) -> Iterator[Timing]:
        """The timings of training, in order; of a resumed run the steps repeat."""
        return read_lines(self.path / TIMINGS, timing_from_line, on_damage, self._mark(TIMINGS))

    def journals(self, marks: Mapping[str, JournalMark]) -> RunJournals:
        """The growing files, cut to the marks of a checkpoint and open for writing."""
        return RunJournals(self.path, marks)

    def append(self, records: Sequence[Record], moment: Moment) -> None:
        """Add records to those of a finished run."""
        path = self.path / RECORDS
        journal = Journal(path, mark_of(path))
        try:
            for record in records:
                journal.append(to_line(record, moment))
            journal.sync()
        finally:
            journal.close()

    def card(self, split: str, adaptation: str = "") -> Card | None:
        """The evaluation card of a split, or of one kind of adaptation to it; None where there is none."""
        file = _card_file(scored_name(split, adaptation))
        if not os.path.lexists(self.path / file):
            return None
        card = self._read(file, Card, _REWRITE)
        kind = card["adaptation"]["kind"] if "adaptation" in card else ""
        if (card["split"], kind, card["fingerprint"]) != (split, adaptation, self.fingerprint):
            raise DamagedFileError(
                f"{self.path / file} is damaged: it must be the card of {split!r} of this run. "
                f"Got {card['split']!r}. {_REWRITE}"
            )
        return card

    def cards(self) -> dict[str, Card]:
        """The evaluation cards of all splits that were scored, without any adaptation."""
        names = [name for name in self._card_names() if name != _ORACLE and _ADAPTED not in name]
        return {name: card for name in names if (card := self.card(name)) is not None}

    def adapted_cards(self) -> list[Card]:
        """The cards of evaluations in which the model adapted to the text, never mixed with the others."""
        names = [name.partition(_ADAPTED) for name in self._card_names() if _ADAPTED in name]
        return [card for split, _, kind in names if (card := self.card(split, kind)) is not None]

    def _card_names(self) -> list[str]:
        return sorted(path.stem for path in (self.path / CARDS).glob("[!.]*.json"))

    def write_card(self, card: Card) -> None:
        """Write the evaluation card of its split and, if there is one, of its adaptation."""
        kind = card["adaptation"]["kind"] if "adaptation" in card else ""
        self._write(_card_file(scored_name(card["split"], kind)), card)

    def oracle_card(self) -> OracleCard | None:
        """The comparison with the true distribution; None where that is not known."""
        file = _card_file(_ORACLE)
        return self._read(file, OracleCard) if os.path.lexists(self.path / file) else None

    def write_oracle_card(self, card: OracleCard) -> None:
        """Write the comparison with the true distribution."""
        self._write(_card_file(_ORACLE), card)

    def generation_card(self) -> GenerationCard | None:
        """The texts of a language model at the end of its run; None where it wrote none."""
        return self._read(GENERATED, GenerationCard) if os.path.lexists(self.path / GENERATED) else None

    def write_generation_card(self, card: GenerationCard) -> None:
        """Write the texts of a language model at the end of its run."""
        self._write(GENERATED, card)

    def scores(self, split: str) -> SplitScores | None:
        """The scores of each item of a split; None where the split was not scored."""
        path, subject = self._scores(split)
        return read_split_scores(path, subject) if os.path.lexists(path) else None

    def write_scores(self, split: str, scores: SplitScores) -> None:
        """Write the scores of each item of a split."""
        path, subject = self._scores(split)
        self.check_present()
        write_split_scores(path, scores, subject)

    def wrong_texts(self, split: str) -> WrongTexts | None:
        """The wrongly labelled texts of a split; None where it was not evaluated for them."""
        file = _wrong_file(split)
        return self._read(file, WrongTexts, _REWRITE) if os.path.lexists(self.path / file) else None

    def write_wrong_texts(self, found: WrongTexts) -> None:
        """Write the wrongly labelled texts of a split."""
        self._write(_wrong_file(found["split"]), found)

    def all_wrong_texts(self) -> dict[str, WrongTexts]:
        """The same for every split that was evaluated for them."""
        names = sorted(path.stem for path in (self.path / WRONG).glob("[!.]*.json"))
        return {name: found for name in names if (found := self.wrong_texts(name)) is not None}

    def check(self) -> None:
        """Make sure that what decides the run's results is what it began with.

        Raises:
            UserError: settings, code, data or environment were changed, or are of another run.
        """
        self.config_text()
        self.code()
        self.start()
        self.data()
        self.environment()

    def check_present(self) -> None:
        """Make sure that the folder was not deleted, so that nothing writes parts of one again.

        Raises:
            WorkError: it was deleted or renamed.
        """
        if not os.path.lexists(self.path / IDENTITY):
            raise WorkError(
                f"{self.path} was deleted or renamed in the meantime. Nearest: repeat the command."
            )

    def remove_leftovers(self) -> None:
        """Delete what killed processes left half-written."""
        for folder in written_folders(self.path):
            atomic.remove_leftovers(folder)

    def lock(self) -> AbstractContextManager[None]:
        """Hold the run: one process at a time may write it. The lock of a killed process is released.

        Raises:
            InUseError: another process holds it.
        """
        refusal = f"{self.path} is in use by another process. Wait for it, or stop it."
        return process_lock(self.path / LOCK, refusal)

    def subject(self, file: str) -> str:
        """What a file of this run is, for its check."""
        return f"{self.fingerprint}/{file}"

    def _finished(self) -> FinishedRun:
        return self._read(FINISHED, FinishedRun, "Delete it; `seqlab resume` scores the run again.")

    def _write(self, file: str, content: Mapping[str, Any]) -> None:
        self.check_present()
        write_json(self.path / file, content, self.subject(file))

    def _read(self, file: str, shape: type[Shape], remedy: str = _RESTORE) -> Shape:
        try:
            return read_json(self.path / file, shape, self.subject(file))
        except DamagedFileError as error:
            raise DamagedFileError(f"{error} {remedy}") from None

    def _mark(self, journal: str) -> JournalMark | None:
        """A moment that a journal had: the end of the run, or its newest checkpoint."""
        try:
            marks = self._finished()["journals"] if self.finished else checkpoints.marks(self.checkpoints)
        except DamagedFileError:
            # Whoever reads that file itself receives the error.
            return None
        return marks.get(journal)

    def _scores(self, split: str) -> tuple[Path, str]:
        file = f"{SCORES}/{split}.safetensors"
        return self.path / file, self.subject(file)


def copied_code(key: str, label: str) -> str:
    """The value of a setting that names a run's copy of code, relative to the run's folder.

    >>> copied_code("model.cell", "mine.py:Cell")
    'code/model.cell/mine.py:Cell'
    """
    return f"{CODE_COPY}/{key}/{label}"


def scored_name(split: str, adaptation: str = "") -> str:
    """The name of a split's files or, with an adaptation, of those with it.

    >>> scored_name("test"), scored_name("test", "dynamic")
    ('test', 'test+dynamic')
    """
    return f"{split}{_ADAPTED}{adaptation}" if adaptation else split


def _wrong_file(split: str) -> str:
    return f"{WRONG}/{split}.json"


def written_folders(run: Path) -> list[Path]:
    """The folders of a run in which a killed process may leave something half-written."""
    return [run, *(run / name for name in (CHECKPOINTS, CARDS, SCORES, WRONG))]


def _card_file(name: str) -> str:
    return f"{CARDS}/{name}.json"
