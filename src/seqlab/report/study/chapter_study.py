"""A study on the data of one chapter of its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from seqlab.compare.oracle_metrics import oracle_metric
from seqlab.compare.study import Study, short, without_dataset
from seqlab.compare.study_cells import cells, trial_runs
from seqlab.report.chapters import Chapter, RunLabel
from seqlab.report.charts.chart_style import GREY
from seqlab.report.run_styles import Style
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.study_folder import StudyFolder


@dataclass(frozen=True, kw_only=True)
class ChapterStudy(Study):
    """A study's cells on the data of one chapter."""

    chapter: Chapter

    @cached_property
    def axes(self) -> dict[str, list[Any]]:
        """The settings that vary, with their values: numbers ascending, others in the order of the study."""
        keys = dict.fromkeys(key for group in self.groups for key in group.setting)
        return {key: _ordered([group.setting.get(key) for group in self.groups]) for key in keys}

    @cached_property
    def styles(self) -> dict[str, Style]:
        """The styles of architectures, the same as on the rest of the page."""
        # Reversed, so that the first entry of an architecture decides.
        styles = {entry.architecture: entry.style for entry in reversed(self.chapter.entries)}
        # An architecture of which no run was started has no entry.
        unknown = Style(GREY, "circle", ())
        return {
            group.architecture: Style(style.colour, style.shape, ())
            for group in self.groups
            for style in [styles.get(group.architecture, unknown)]
        }


def study_run_labels(study: StudyFolder) -> dict[str, RunLabel]:
    """What a study knows of its runs, by the names of their folders."""
    return {
        one.trial.run: RunLabel(
            architecture=one.trial.architecture,
            censored=""
            if one.event is None or one.event.state == "finished"
            else short(f"{one.event.state}: {one.event.reason}"),
        )
        for one in trial_runs(study)
    }


def study_runs(study: StudyFolder) -> list[RunFolder]:
    """The folders of the runs of a study that were started."""
    return [one.folder for one in trial_runs(study) if one.folder is not None]


def chapter_studies(study: StudyFolder, chapters: Sequence[Chapter]) -> list[ChapterStudy]:
    """The study on each chapter that has cells of it; runs that were not started belong to the first."""
    about, runs = study.about()["study"], trial_runs(study)
    names = [{run.folder.path.name for run in chapter.runs} for chapter in chapters]
    everywhere = set().union(*names)
    studies = []
    for index, (chapter, here) in enumerate(zip(chapters, names, strict=True)):
        own = [
            one for one in runs if one.trial.run in here or (index == 0 and one.trial.run not in everywhere)
        ]
        if not own:
            continue
        metric = oracle_metric(about) or chapter.monitor
        studies.append(
            ChapterStudy(
                name=study.name,
                about=about,
                monitor=metric,
                cells=tuple(without_dataset(cell) for cell in cells(own, metric.name)),
                chapter=chapter,
            )
        )
    return studies


def is_number(value: Any) -> bool:
    """Whether a setting is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordered(values: Sequence[Any]) -> list[Any]:
    different = list({str(value): value for value in values}.values())
    return sorted(different) if all(is_number(value) for value in different) else different
