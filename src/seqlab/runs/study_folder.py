"""One study's folder: what was asked, which runs answer it, what became of them.

    runs/studies/NAME/
        study.json      the study as it was begun: every setting, every recipe it stands on
        trials.jsonl    one line a run: its settings, seed, and the name of its folder under `runs`
        events.jsonl    what became of each run; of those that did not come to their end, why
        looks.jsonl     each time a test split was looked at
        lock

What a run found stands in its own folder and nowhere else.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import filelock

from seqlab.runs import atomic
from seqlab.runs.folder import root
from seqlab.runs.journal import Journal
from seqlab.schema.errors import UserError, unknown

FORMAT = 1
_ABOUT, _TRIALS, _EVENTS, _LOOKS = "study.json", "trials.jsonl", "events.jsonl", "looks.jsonl"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run of a study.

    architecture: what is compared. setting: values of the other axes, without the seed. epochs: those after
    which the run answers, where epochs are an axis; () where only its end does. run: its folder's name.
    config: all its settings, as its config.toml has them.
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
    """What became of a run. pruned: stopped because others did better by then."""

    trial: int
    state: Literal["finished", "failed", "pruned"]
    reason: str


@dataclass(frozen=True)
class StudyFolder:
    """A study on disk."""

    path: Path

    @property
    def name(self) -> str:
        """The study's name."""
        return self.path.name

    def about(self) -> dict[str, Any]:
        """What the study was begun with.

        Raises:
            UserError: the file is damaged, or of a newer format.
        """
        file = self.path / _ABOUT
        try:
            about = json.loads(file.read_text(encoding="utf-8"))
            if about["format"] > FORMAT:
                raise UserError(
                    f"{self.path} has study format {about['format']}; this seqlab reads up to {FORMAT}."
                )
            return {**about, "study": dict(about["study"]), "recipes": dict(about["recipes"])}
        except (ValueError, KeyError, TypeError, OSError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{file} is damaged: {error}. Delete the folder to begin anew.") from None

    def trials(self) -> list[Trial]:
        """Every run, in the order in which they were thought of."""
        found = []
        for line in self._lines(_TRIALS, "run", "setting", "seed", "architecture"):
            found.append(Trial(**{**line, "epochs": tuple(line["epochs"])}))
        return found

    def events(self) -> dict[int, Event]:
        """What became of runs, by the number of the trial; the last word counts."""
        found = [Event(**line) for line in self._lines(_EVENTS, "trial", "state", "reason")]
        return {event.trial: event for event in found}

    def looks(self) -> list[dict[str, Any]]:
        """Every look at a test split."""
        return list(self._lines(_LOOKS, "runs", "look"))

    def add_trial(self, trial: Trial) -> None:
        """Note a run before it begins."""
        self._append(_TRIALS, dataclasses.asdict(trial))

    def add_event(self, event: Event) -> None:
        """Note what became of a run."""
        self._append(_EVENTS, dataclasses.asdict(event))

    def forget_failures(self) -> None:
        """Let failed runs be tried again."""
        kept = [event for event in self.events().values() if event.state != "failed"]
        lines = [json.dumps(dataclasses.asdict(event)) + "\n" for event in kept]
        atomic.write_text(self.path / _EVENTS, "".join(lines))

    def add_look(self, look: dict[str, Any]) -> None:
        """Note that a test split was looked at, before it is."""
        self._append(_LOOKS, look)

    def write(self, file: str, text: str) -> Path:
        """Write one of the folder's other files whole."""
        atomic.write_text(self.path / file, text)
        return self.path / file

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the study: one process at a time may carry it out.

        Raises:
            UserError: another process does.
        """
        lock = filelock.FileLock(self.path / "lock")
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            raise UserError(
                f"{self.path} is in use: another process carries out this study. Wait for it, or stop it."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _append(self, file: str, line: dict[str, Any]) -> None:
        path = self.path / file
        # A process that was killed while it wrote left half a line, of something it had not begun yet.
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
        whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
        for number, line in enumerate(whole.split("\n") if whole else [], start=1):
            try:
                content = json.loads(line)
                yield {**content, **{key: content[key] for key in needed}}
            except (json.JSONDecodeError, KeyError, TypeError):
                raise UserError(f"{path}:{number} is damaged. Got {line[:80]!r}.") from None


def studies_root() -> Path:
    """Where studies stand: `studies` under the folder of runs."""
    return root() / "studies"


def begin(name: str, study: Mapping[str, Any], recipes: Mapping[str, Any], version: str) -> StudyFolder:
    """The folder of a study: a new one, or the one that was begun with the same settings.

    Args:
        name: of the study.
        study: its settings.
        recipes: every recipe it stands on, by name.
        version: seqlab's.

    Raises:
        UserError: a study of this name was begun with other settings; each difference is named.
    """
    folder = StudyFolder(studies_root() / name)
    about = {"format": FORMAT, "version": version, "study": dict(study), "recipes": dict(recipes)}
    text = json.dumps(about, indent=1, ensure_ascii=False)
    if not (folder.path / _ABOUT).exists():
        folder.write(_ABOUT, text)
        return folder
    then, now = folder.about(), json.loads(text)
    if then != now:
        raise UserError(
            f"Study {name!r} was begun with other settings: {'; '.join(differences(then, now))}. "
            "Restore them, or give the changed study another name, e.g. "
            f"name={name}-2: runs that both have in common are not repeated."
        )
    return folder


def differences(then: Any, now: Any, where: str = "") -> list[str]:
    """Where two nested tables differ, in words.

    >>> differences({"axes": {"seed": [1, 2]}, "x": 1}, {"axes": {"seed": [1]}, "x": 1})
    ['axes.seed was [1, 2], is [1]']
    """
    if not (isinstance(then, Mapping) and isinstance(now, Mapping)):
        return [] if then == now else [f"{where} was {_shown(then)}, is {_shown(now)}"]
    found: list[str] = []
    for key in dict.fromkeys([*then, *now]):
        found += differences(then.get(key), now.get(key), f"{where}.{key}" if where else key)
    return found


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
