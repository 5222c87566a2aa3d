"""A study as its report sees it: its question, and what each setting came to over its seeds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from seqlab.compare.cells import Cell, cells, find
from seqlab.compare.censored import Outcome
from seqlab.compare.quantity import Quantity
from seqlab.compare.summary import Summary, summarize
from seqlab.report.comparing import Chapter, Told
from seqlab.report.naming import setting, short_names
from seqlab.report.styles import Style
from seqlab.runs.folder import RunFolder
from seqlab.runs.study_folder import StudyFolder


@dataclass(frozen=True)
class Group:
    """One setting of one architecture over its seeds; `label` tells it from the architecture's others."""

    architecture: str
    label: str
    cells: tuple[Cell, ...]
    summary: Summary

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """One a seed."""
        return _outcomes(self.cells)

    @property
    def setting(self) -> Mapping[str, Any]:
        """Values of the axes."""
        return self.cells[0].setting

    @property
    def why(self) -> str:
        """Why seeds have no value, and how many; empty where all have one."""
        reasons = Counter(short(cell.censored) for cell in self.cells if cell.value is None)
        return "; ".join(f"{count} {why}" if len(self.cells) > 1 else why for why, count in reasons.items())


@dataclass(frozen=True, kw_only=True)
class Study:
    """What a study asked, and its cells on one chapter's data."""

    name: str
    about: str
    expectation: str
    quantity: Quantity
    cells: tuple[Cell, ...]
    chapter: Chapter

    @cached_property
    def groups(self) -> list[Group]:
        """Every setting but the baselines', by architecture, the best first."""
        found = self._groups([cell for cell in self.cells if not cell.baseline])
        return sorted(found, key=lambda group: (group.architecture, self.loss(group.summary.median)))

    @cached_property
    def baselines(self) -> list[Group]:
        """What every other run is held against."""
        return self._groups([cell for cell in self.cells if cell.baseline])

    @cached_property
    def best(self) -> list[Group]:
        """The best setting of each architecture by the median over seeds, the best architecture first."""
        found: dict[str, Group] = {}
        for group in self.groups:
            found.setdefault(group.architecture, group)
        return sorted(found.values(), key=lambda group: self.loss(group.summary.median))

    @cached_property
    def axes(self) -> dict[str, list[Any]]:
        """The settings that vary, with their values: numbers ascending, others in their order."""
        keys = dict.fromkeys(key for group in self.groups for key in group.setting)
        return {key: _ordered([group.setting.get(key) for group in self.groups]) for key in keys}

    @cached_property
    def styles(self) -> dict[str, Style]:
        """The looks of architectures, those of the rest of the page."""
        found = {entry.architecture: entry.style for entry in reversed(self.chapter.entries)}
        grey = Style("#7d8590", "circle", ())
        return {
            group.architecture: Style(known.colour, known.shape, ())
            for group in self.groups
            for known in [found.get(group.architecture, grey)]
        }

    def loss(self, value: float | None) -> float:
        """A value turned so that less is better; censored ones last."""
        return math.inf if value is None else -self.quantity.gain(value)

    def said(self, values: Mapping[str, Any]) -> str:
        """A setting in short words."""
        names = short_names(list(values))
        return ", ".join(f"{names[key]}={setting(value)}" for key, value in values.items())

    def _groups(self, found: Sequence[Cell]) -> list[Group]:
        same: dict[Any, list[Cell]] = {}
        for cell in found:
            same.setdefault(cell.group, []).append(cell)
        return [
            Group(
                group[0].architecture,
                self.said(group[0].setting),
                tuple(group),
                summarize(_outcomes(group), self.quantity),
            )
            for group in same.values()
        ]


def told(study: StudyFolder) -> dict[str, Told]:
    """What a study knows of its runs, by the names of their folders."""
    return {
        one.trial.run: Told(
            architecture=one.trial.architecture,
            censored=""
            if one.event is None or one.event.state == "finished"
            else short(f"{one.event.state}: {one.event.reason}"),
        )
        for one in find(study)
    }


def folders(study: StudyFolder) -> list[RunFolder]:
    """The folders of a study's runs, as far as they were begun."""
    return [one.folder for one in find(study) if one.folder is not None]


def studies(study: StudyFolder, found: Sequence[Chapter]) -> list[Study]:
    """The study's cells on each chapter; runs that were not begun count to the first one."""
    about, runs = study.about()["study"], find(study)
    names = [{run.folder.path.name for run in chapter.runs} for chapter in found]
    everywhere = set().union(*names)
    answers = []
    for place, (chapter, here) in enumerate(zip(found, names, strict=True)):
        own = [
            one for one in runs if one.trial.run in here or (place == 0 and one.trial.run not in everywhere)
        ]
        if not own:
            continue
        answers.append(
            Study(
                name=study.name,
                about=about.get("about", ""),
                expectation=about.get("expectation", ""),
                quantity=chapter.quantity,
                cells=tuple(cells(own, chapter.quantity.name)),
                chapter=chapter,
            )
        )
    return answers


def short(reason: str) -> str:
    """The first sentence of a reason.

    >>> short("failed: The loss became nan at step 2 (epoch 1). Training stopped.")
    'failed: The loss became nan at step 2 (epoch 1)'
    """
    return reason.partition(". ")[0].removesuffix(".")


def _outcomes(found: Sequence[Cell]) -> tuple[Outcome, ...]:
    return tuple(
        Outcome(seed=cell.seed, value=cell.value, why=short(cell.censored) if cell.value is None else "")
        for cell in found
    )


def is_number(value: Any) -> bool:
    """Whether a setting is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordered(values: Sequence[Any]) -> list[Any]:
    found = list({str(value): value for value in values}.values())
    return sorted(found) if all(is_number(value) for value in found) else found
