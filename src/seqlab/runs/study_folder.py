"""One study's folder: its settings, its runs, and the state of each.

    runs/studies/NAME/
        study.json                format version, every setting, and the recipes that the study extends
        trials.jsonl              one line per run: its settings, its seed, and the name of its folder
        events.jsonl              the final state of each run, with the reason where it did not finish
        test_evaluations.jsonl    one line per evaluation on the test split
        report.html               the report, unless another path was given
        lock

Results are in the folders of the runs and nowhere else. No other module knows these names.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import with_config
from typing_extensions import TypedDict

from seqlab.runs import atomic
from seqlab.runs.format_version import check_format
from seqlab.runs.journal import Journal, Parsed, journal_text, mark_of, read_lines
from seqlab.runs.plain_files import check_folder, check_name
from seqlab.runs.process_lock import LOCK, process_lock
from seqlab.runs.run_folder import root
from seqlab.runs.typed_json import EXACT, read_json, to_json
from seqlab.schema.errors import DamagedFileError, UserError, unknown

FORMAT = 3
_ABOUT, _TRIALS, _EVENTS = "study.json", "trials.jsonl", "events.jsonl"
_TEST_EVALUATIONS, _REPORT = "test_evaluations.jsonl", "report.html"
_FILES = {_ABOUT, _TRIALS, _EVENTS, _TEST_EVALUATIONS, _REPORT, LOCK}


@with_config(EXACT)
class StudyRecord(TypedDict):
    """A study as it was begun. version: seqlab's. study: its settings. recipes: those it extends, by name."""

    format: int
    version: str
    study: dict[str, Any]
    recipes: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run of a study.

    architecture: what is compared. setting: values of the other axes, without the seed. epochs: the values of
    an axis of epochs that this run covers; () where there is no such axis. run: its folder's name. config:
    all its settings.
    """

    number: int
    architecture: str
    setting: Mapping[str, Any]
    seed: int
    epochs: tuple[int, ...]
    run: str
    config: Mapping[str, Any]
    baseline: bool = False


@dataclass(frozen=True, kw_only=True)
class Event:
    """The state in which a run ended. pruned: stopped early because others were better at that time."""

    trial: int
    state: Literal["finished", "failed", "pruned"]
    reason: str


@dataclass(frozen=True, kw_only=True)
class EvaluationOnTest:
    """One evaluation of a study on the test split.

    number: 1 for the first, one more for each that scored other runs. of: which settings were chosen. fit_on:
    the splits they were trained on. runs: names of the folders.
    """

    number: int
    split: str
    of: str
    fit_on: str
    runs: tuple[str, ...]


@dataclass(frozen=True)
class StudyFolder:
    """A study on disk."""

    path: Path

    @property
    def name(self) -> str:
        """The study's name."""
        return self.path.name

    @property
    def report(self) -> Path:
        """The file of the report, where no other one was asked for."""
        return self.path / _REPORT

    def about(self) -> StudyRecord:
        """What the study was begun with.

        Raises:
            UserError: the file is damaged, or of another format.
        """
        file, remedy = self.path / _ABOUT, "Delete the folder to start the study again."
        check_format(file, "study", FORMAT, older=remedy)
        try:
            return read_json(file, StudyRecord, _ABOUT)
        except DamagedFileError as error:
            raise DamagedFileError(f"{error} {remedy}") from None

    def trials(self) -> list[Trial]:
        """Every run, in the order in which they were planned."""
        return list(self._lines(_TRIALS, _trial))

    def events(self) -> dict[int, Event]:
        """The state in which each run ended, by the number of its trial; the last event counts."""
        return {event.trial: event for event in self._lines(_EVENTS, lambda line, _: Event(**line))}

    def test_evaluations(self) -> list[EvaluationOnTest]:
        """Every evaluation on the test split."""
        return list(self._lines(_TEST_EVALUATIONS, _evaluation))

    def add_trial(self, trial: Trial) -> None:
        """Record a run before it begins."""
        self._append(_TRIALS, dataclasses.asdict(trial))

    def add_event(self, event: Event) -> None:
        """Record the state in which a run ended."""
        self._append(_EVENTS, dataclasses.asdict(event))

    def forget_failures(self) -> None:
        """Remove the events of failed runs, so that these are tried again."""
        kept = [event for event in self.events().values() if event.state != "failed"]
        lines = [json.dumps(dataclasses.asdict(event), ensure_ascii=False) for event in kept]
        atomic.write_text(self.path / _EVENTS, journal_text(lines, _EVENTS))

    def add_test_evaluation(self, evaluation: EvaluationOnTest) -> None:
        """Record an evaluation on the test split before it is made, so that none is lost."""
        self._append(_TEST_EVALUATIONS, dataclasses.asdict(evaluation))

    def lock(self) -> AbstractContextManager[None]:
        """Hold the study: one process at a time may run it.

        Raises:
            InUseError: another process holds it.
        """
        refusal = f"{self.path} is in use: another process runs this study. Wait for it, or stop it."
        return process_lock(self.path, refusal)

    def _append(self, file: str, line: dict[str, Any]) -> None:
        path = self.path / file
        # A process that was killed while writing left half a line, about something that had not begun yet.
        journal = Journal(path, mark_of(path))
        try:
            journal.append(json.dumps(line, ensure_ascii=False))
            journal.sync()
        finally:
            journal.close()

    def _lines(self, file: str, make: Callable[[dict[str, Any], str], Parsed]) -> Iterator[Parsed]:
        def parse(line: str, source: str) -> Parsed:
            try:
                return make(json.loads(line), source)
            except (json.JSONDecodeError, KeyError, TypeError, RecursionError):
                raise DamagedFileError(f"{source} is damaged. Got {line[:80]!r}.") from None

        return read_lines(self.path / file, parse)


def _trial(line: dict[str, Any], source: str) -> Trial:
    return Trial(**{**line, "epochs": tuple(line["epochs"]), "run": check_name(line["run"], source)})


def _evaluation(line: dict[str, Any], source: str) -> EvaluationOnTest:
    return EvaluationOnTest(**{**line, "runs": tuple(check_name(run, source) for run in line["runs"])})


def studies_root() -> Path:
    """The folder of studies: `studies` under that of runs."""
    return root() / "studies"


def begin(name: str, study: Mapping[str, Any], recipes: Mapping[str, Any], version: str) -> StudyFolder:
    """The folder of a study: a new one, or the one that was begun with the same settings.

    Args:
        name: of the study.
        study: its settings.
        recipes: every recipe it extends, by name.
        version: seqlab's.

    Raises:
        UserError: a study of this name was begun with other settings; each difference is named.
    """
    folder = _opened(studies_root() / name)
    about: StudyRecord = {
        "format": FORMAT,
        "version": version,
        "study": dict(study),
        "recipes": dict(recipes),
    }
    if not os.path.lexists(folder.path / _ABOUT):
        atomic.write_text(folder.path / _ABOUT, to_json(about, _ABOUT))
        return folder
    # Through JSON, because a tuple becomes a list there.
    then, now = folder.about(), json.loads(json.dumps(about))
    if then != now:
        raise UserError(
            f"Study {name!r} was begun with other settings: {'; '.join(differences(then, now))}. "
            "Restore them, or give the changed study another name, e.g. "
            f"name={name}-2: runs that both have in common are not repeated."
        )
    return folder


def differences(then: Any, now: Any, where: str = "") -> list[str]:
    """The differences of two nested tables, as text.

    >>> differences({"axes": {"seed": [1, 2]}, "x": 1}, {"axes": {"seed": [1]}, "x": 1})
    ['axes.seed was [1, 2], is [1]']
    """
    if not (isinstance(then, Mapping) and isinstance(now, Mapping)):
        return [] if then == now else [f"{where} was {_shown(then)}, is {_shown(now)}"]
    sentences: list[str] = []
    for key in dict.fromkeys([*then, *now]):
        sentences += differences(then.get(key), now.get(key), f"{where}.{key}" if where else key)
    return sentences


def _shown(value: Any) -> str:
    return "not there" if value is None else repr(value)


def find(wanted: str) -> StudyFolder:
    """The study a user names: by its folder, or by its name.

    Raises:
        UserError: there is none.
    """
    if os.path.lexists(Path(wanted) / _ABOUT):
        return _opened(Path(wanted))
    if wanted not in names():
        raise unknown("study", wanted, names())
    return _opened(studies_root() / wanted)


def _opened(path: Path) -> StudyFolder:
    """A study's folder, in which nothing leads out of it."""
    check_folder(path, files=_FILES, folders=(), prefix=atomic.TEMPORARY)
    return StudyFolder(path)


def names() -> list[str]:
    """The studies that were begun."""
    return sorted(path.parent.name for path in studies_root().glob(f"*/{_ABOUT}"))
