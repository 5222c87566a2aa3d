"""One study's folder: its settings, its runs, and the state of each.

    runs/studies/NAME/
        study.json                format version, every setting, and the recipes that the study extends
        trials.jsonl              one line per run: its settings, its seed, and the name of its folder
        events.jsonl              the final state of each run, with the reason where it did not finish
        test_evaluations.jsonl    one line per evaluation on the test split
        lock

Results are in the folders of the runs and nowhere else. No other module knows these names.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import with_config
from typing_extensions import TypedDict

from seqlab.runs import atomic
from seqlab.runs.format_version import check_format
from seqlab.runs.journal import Journal
from seqlab.runs.process_lock import process_lock
from seqlab.runs.run_folder import root
from seqlab.runs.typed_json import EXACT, DamagedFileError, read_json
from seqlab.schema.errors import UserError, unknown

FORMAT = 2
_ABOUT, _TRIALS, _EVENTS = "study.json", "trials.jsonl", "events.jsonl"
_TEST_EVALUATIONS = "test_evaluations.jsonl"


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

    def about(self) -> StudyRecord:
        """What the study was begun with.

        Raises:
            UserError: the file is damaged, or of another format.
        """
        file, remedy = self.path / _ABOUT, "Delete the folder to start the study again."
        try:
            check_format(file, "study", FORMAT, older=remedy)
            return read_json(file, StudyRecord)
        except DamagedFileError as error:
            raise UserError(f"{error} {remedy}") from None

    def trials(self) -> list[Trial]:
        """Every run, in the order in which they were planned."""
        return [
            Trial(**{**line, "epochs": tuple(line["epochs"])})
            for line in self._lines(_TRIALS, "run", "setting", "seed", "architecture", "epochs")
        ]

    def events(self) -> dict[int, Event]:
        """The state in which each run ended, by the number of its trial; the last event counts."""
        events = (Event(**line) for line in self._lines(_EVENTS, "trial", "state", "reason"))
        return {event.trial: event for event in events}

    def test_evaluations(self) -> list[EvaluationOnTest]:
        """Every evaluation on the test split."""
        return [
            EvaluationOnTest(**{**line, "runs": tuple(line["runs"])})
            for line in self._lines(_TEST_EVALUATIONS, "number", "split", "of", "fit_on", "runs")
        ]

    def add_trial(self, trial: Trial) -> None:
        """Record a run before it begins."""
        self._append(_TRIALS, dataclasses.asdict(trial))

    def add_event(self, event: Event) -> None:
        """Record the state in which a run ended."""
        self._append(_EVENTS, dataclasses.asdict(event))

    def forget_failures(self) -> None:
        """Remove the events of failed runs, so that these are tried again."""
        kept = [event for event in self.events().values() if event.state != "failed"]
        lines = [json.dumps(dataclasses.asdict(event)) + "\n" for event in kept]
        atomic.write_text(self.path / _EVENTS, "".join(lines))

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
        whole = path.read_bytes().rfind(b"\n") + 1 if path.exists() else 0
        journal = Journal(path, whole)
        try:
            journal.append(json.dumps(line, ensure_ascii=False))
            journal.sync()
        finally:
            journal.close()

    def _lines(self, file: str, *needed: str) -> Iterator[dict[str, Any]]:
        path = self.path / file
        if not path.exists():
            return
        # A line without its end may be half written; `_append` removes it.
        whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
        for number, line in enumerate(whole.split("\n") if whole else [], start=1):
            try:
                content = json.loads(line)
                yield {**content, **{key: content[key] for key in needed}}
            except (json.JSONDecodeError, KeyError, TypeError):
                raise UserError(f"{path}:{number} is damaged. Got {line[:80]!r}.") from None


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
    folder = StudyFolder(studies_root() / name)
    about: StudyRecord = {
        "format": FORMAT,
        "version": version,
        "study": dict(study),
        "recipes": dict(recipes),
    }
    text = json.dumps(about, indent=1, ensure_ascii=False)
    if not (folder.path / _ABOUT).exists():
        atomic.write_text(folder.path / _ABOUT, text)
        return folder
    # Through JSON, because a tuple becomes a list there.
    then, now = folder.about(), json.loads(text)
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
    if (Path(wanted) / _ABOUT).exists():
        return StudyFolder(Path(wanted))
    if wanted not in names():
        raise unknown("study", wanted, names())
    return StudyFolder(studies_root() / wanted)


def names() -> list[str]:
    """The studies that were begun."""
    return sorted(path.parent.name for path in studies_root().glob(f"*/{_ABOUT}"))
