"""A study as its report sees it: its cells on the data of each chapter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from seqlab.compare import study as compare
from seqlab.compare.oracle_metrics import oracle_metric
from seqlab.compare.study import short
from seqlab.compare.study_cells import OpenStudy, cells
from seqlab.report.comparing import Chapter, Told
from seqlab.report.styles import Style
from seqlab.runs.run_folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class StudyView(compare.Study):
    """A study's cells on one chapter's data, with what they look like there."""

    chapter: Chapter

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


def told(study: OpenStudy) -> dict[str, Told]:
    """What a study knows of its runs, by the names of their folders."""
    return {
        one.trial.run: Told(
            architecture=one.trial.architecture,
            censored=""
            if one.event is None or one.event.state == "finished"
            else short(f"{one.event.state}: {one.event.reason}"),
        )
        for one in study.runs
    }


def folders(study: OpenStudy) -> list[RunFolder]:
    """The folders of a study's runs, as far as they were begun."""
    return [one.folder for one in study.runs if one.folder is not None]


def studies(study: OpenStudy, found: Sequence[Chapter]) -> list[StudyView]:
    """The study's cells on each chapter; runs that were not begun count to the first one."""
    about, runs = study.about, study.runs
    names = [{run.folder.path.name for run in chapter.runs} for chapter in found]
    everywhere = set().union(*names)
    answers = []
    for place, (chapter, here) in enumerate(zip(found, names, strict=True)):
        own = [
            one for one in runs if one.trial.run in here or (place == 0 and one.trial.run not in everywhere)
        ]
        if not own:
            continue
        monitor = oracle_metric(about) or chapter.quantity
        answers.append(
            StudyView(
                name=study.name,
                about=about,
                monitor=monitor,
                cells=tuple(compare.without_dataset(cell) for cell in cells(own, monitor.name)),
                chapter=chapter,
            )
        )
    return answers


def is_number(value: Any) -> bool:
    """Whether a setting is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordered(values: Sequence[Any]) -> list[Any]:
    found = list({str(value): value for value in values}.values())
    return sorted(found) if all(is_number(value) for value in found) else found
