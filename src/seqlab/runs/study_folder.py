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
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from seqlab.runs import atomic
from seqlab.runs.format_version import check_format
from seqlab.runs.journal import Journal, journal_text, mark_of, read_lines
from seqlab.runs.plain_files import check_folder, check_name
from seqlab.runs.process_lock import LOCK, process_lock
from seqlab.runs.run_folder import root
from seqlab.runs.seal import check_of
from seqlab.runs.study_records import EvaluationOnTest, Event, StudyRecord, Trial
from seqlab.runs.typed_json import read_json, read_text, to_json
from seqlab.schema.errors import DamagedFileError, UserError, unknown
from seqlab.schema.json_shapes import parse_json

FORMAT = 4
_ABOUT, _TRIALS, _EVENTS = "study.json", "trials.jsonl", "events.jsonl"
_TEST_EVALUATIONS, _REPORT = "test_evaluations.jsonl", "report.html"
_JOURNALS = (_TRIALS, _EVENTS, _TEST_EVALUATIONS)
_FILES = {_ABOUT, *_JOURNALS, _REPORT, LOCK}
_REMEDY = "Delete the folder to start the study again; runs that are finished are not repeated."
_Line = TypeVar("_Line")


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
        file = self.path / _ABOUT
        check_format(file, "study", FORMAT, older=_REMEDY)
        try:
            return read_json(file, StudyRecord, _ABOUT)
        except DamagedFileError as error:
            raise DamagedFileError(f"{error} {_REMEDY}") from None

    def trials(self) -> list[Trial]:
        """Every run, in the order in which they were planned.

        Raises:
            UserError: the file is missing, damaged or of another study; so for the two readers below.
        """
        trials = self._lines(_TRIALS, Trial)
        configs: dict[str, Mapping[str, Any]] = {}
        for index, trial in enumerate(trials, start=1):
            source = self._source(_TRIALS, index)
            _check_number(trial.number, index, source)
            # Runs of equal settings are one run, whose folder is named after all of them.
            if configs.setdefault(check_name(trial.run, source), trial.config) != trial.config:
                raise DamagedFileError(
                    f"{source} is damaged: 'run' must not be the folder of a run with other settings. "
                    f"Got {trial.run!r}."
                )
        return trials

    def events(self) -> dict[int, Event]:
        """The state in which each run ended, by the number of its trial; the last event counts."""
        events = self._lines(_EVENTS, Event)
        trials = len(self.trials()) if events else 0
        for index, event in enumerate(events, start=1):
            if event.trial > trials:
                raise DamagedFileError(
                    f"{self._source(_EVENTS, index)} is damaged: 'trial' must be one of the {trials} trials "
                    f"of {_TRIALS}. Got {event.trial}."
                )
        return {event.trial: event for event in events}

    def test_evaluations(self) -> list[EvaluationOnTest]:
        """Every evaluation on the test split."""
        evaluations = self._lines(_TEST_EVALUATIONS, EvaluationOnTest)
        for index, evaluation in enumerate(evaluations, start=1):
            source = self._source(_TEST_EVALUATIONS, index)
            _check_number(evaluation.number, index, source)
            for run in evaluation.runs:
                check_name(run, source)
        return evaluations

    def add_trial(self, trial: Trial) -> None:
        """Record a run before it begins."""
        self._append(_TRIALS, dataclasses.asdict(trial))

    def add_event(self, event: Event) -> None:
        """Record the state in which a run ended."""
        self._append(_EVENTS, dataclasses.asdict(event))

    def forget_failures(self) -> None:
        """Remove the events of failed runs, so that these are tried again.

        Those of diverged runs are kept: the same settings would diverge again.
        """
        kept = [event for event in self.events().values() if event.state != "failed"]
        lines = [json.dumps(dataclasses.asdict(event), ensure_ascii=False) for event in kept]
        atomic.write_text(self.path / _EVENTS, journal_text(lines, self._subject(_EVENTS)))

    def add_test_evaluation(self, evaluation: EvaluationOnTest) -> None:
        """Record an evaluation on the test split before it is made, so that none is lost."""
        self._append(_TEST_EVALUATIONS, dataclasses.asdict(evaluation))

    def lock(self) -> AbstractContextManager[None]:
        """Hold the study: one process at a time may run it.

        Raises:
            InUseError: another process holds it.
        """
        refusal = f"{self.path} is in use: another process runs this study. Wait for it, or stop it."
        return process_lock(self.path / LOCK, refusal)

    def _append(self, file: str, line: dict[str, Any]) -> None:
        path = self._journal(file)
        # A process that was killed while writing left half a line, about something that had not begun yet.
        journal = Journal(path, mark_of(path, self._subject(file)))
        try:
            journal.append(json.dumps(line, ensure_ascii=False))
            journal.sync()
        finally:
            journal.close()

    def _lines(self, file: str, shape: type[_Line]) -> list[_Line]:
        def parse(line: str, source: str) -> _Line:
            return parse_json(line, shape, source)

        return list(read_lines(self._journal(file), parse, subject=self._subject(file)))

    def _journal(self, file: str) -> Path:
        path = self.path / file
        if not os.path.lexists(path):
            raise DamagedFileError(f"{self.path} is damaged: {file} is missing. {_REMEDY}")
        return path

    def _source(self, file: str, line: int) -> str:
        return f"{self.path / file}:{line}"

    def _subject(self, file: str) -> str:
        """What a journal is of: a file of the study that was begun so, and of no other one."""
        return check_of(read_text(self.path / _ABOUT), file)


def _check_number(number: int, expected: int, source: str) -> None:
    if number != expected:
        raise DamagedFileError(f"{source} is damaged: 'number' must be {expected}. Got {number}.")


def studies_root() -> Path:
    """The folder of studies: `studies` under that of runs."""
    return root() / "studies"


def begin(
    name: str,
    study: Mapping[str, Any],
    recipes: Mapping[str, Any],
    version: str,
    code: Mapping[str, str] | None = None,
) -> StudyFolder:
    """The folder of a study: a new one, or the one that was begun with the same settings.

    Args:
        name: of the study.
        study: its settings.
        recipes: every recipe it extends, by name.
        version: seqlab's.
        code: SHA-256 of own code that its runs execute, by `FILE.py:NAME`.

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
    if code:
        about["code"] = dict(code)
    if not os.path.lexists(folder.path / _ABOUT):
        _create(folder, about)
        return folder
    # Through JSON, because a tuple becomes a list there.
    then, now = folder.about(), json.loads(json.dumps(about))
    # A study that was begun before a setting existed goes on with its default, if that is none.
    if found := differences(then, now):
        raise UserError(
            f"Study {name!r} was begun with other settings: {'; '.join(found)}. "
            "Restore them, or give the changed study another name, e.g. "
            f"name={name}-2: runs that both have in common are not repeated."
        )
    return folder


def begun(name: str) -> bool:
    """Whether a study of this name was begun."""
    return exists(studies_root() / name)


def _create(folder: StudyFolder, about: StudyRecord) -> None:
    """Write the first files of a study; it is begun once the one that names its settings is there."""
    for file in _JOURNALS:
        # Some are there where a killed process had begun, or where the settings alone were deleted.
        if not os.path.lexists(folder.path / file):
            atomic.write_text(folder.path / file, "")
    atomic.write_text(folder.path / _ABOUT, to_json(about, _ABOUT))


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


def exists(path: Path) -> bool:
    """Whether there is a study's folder at a path."""
    return os.path.lexists(path / _ABOUT)


def find(wanted: str) -> StudyFolder:
    """The study a user names: by its folder, or by its name.

    Raises:
        UserError: there is none.
    """
    if exists(Path(wanted)):
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
