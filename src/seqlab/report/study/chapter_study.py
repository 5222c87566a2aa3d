"""A study on the data of one chapter of its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from seqlab.comparison.oracle_metrics import oracle_metric
from seqlab.comparison.study import Group, Study, dataset_of, short, without_dataset
from seqlab.comparison.study_cells import FinalScore, OpenStudy, StudyCell, cells
from seqlab.report.chapters import Chapter, RunLabel
from seqlab.report.charts.chart_style import GREY
from seqlab.report.naming import LONGEST_LABEL, architecture_of, short_labels
from seqlab.report.run_styles import Style
from seqlab.runs.run_folder import RunFolder

ORACLE = "oracle"
"""Kind of the baseline that is the true distribution of the data."""


@dataclass(frozen=True, kw_only=True)
class ChapterStudy(Study):
    """A study's cells on the data of one chapter."""

    chapter: Chapter
    not_begun: tuple[StudyCell, ...] = ()
    """Cells on data of no chapter: none of their runs was started."""
    tested: tuple[FinalScore, ...] = ()
    """What validation chose, on the test split; of a study on one chapter."""

    @cached_property
    def axes(self) -> dict[str, list[Any]]:
        """The settings that vary, with their values: numbers ascending, others in the order of the study."""
        keys = dict.fromkeys(key for group in self.groups for key in group.setting)
        return {key: _ordered([group.setting.get(key) for group in self.groups]) for key in keys}

    @cached_property
    def floors(self) -> list[Group]:
        """The true distribution of the data, where it is a baseline: no model is better on average."""
        return [group for group in self.baselines if self._is_oracle(group)]

    @cached_property
    def competing_baselines(self) -> list[Group]:
        """The other baselines that have a value, the best first."""
        known = [
            group
            for group in self.baselines
            if group.summary.median is not None and not self._is_oracle(group)
        ]
        return sorted(known, key=lambda group: self.loss(group.summary.median))

    def _is_oracle(self, group: Group) -> bool:
        runs = {entry.run.folder.path.name: entry for entry in self.chapter.entries}
        entry = runs.get(group.cells[0].run.name)
        return entry is not None and architecture_of(entry.run) == ORACLE

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


def with_short_names(study: OpenStudy) -> OpenStudy:
    """The study with names of architectures that fit in sentences and charts."""
    full = list(dict.fromkeys(run.trial.architecture for run in study.runs))
    short = dict(zip(full, short_labels(full, LONGEST_LABEL), strict=True))
    runs = (
        replace(run, trial=replace(run.trial, architecture=short[run.trial.architecture]))
        for run in study.runs
    )
    tested = (
        replace(score, architecture=short.get(score.architecture, score.architecture))
        for score in study.tested
    )
    return replace(study, runs=tuple(runs), tested=tuple(tested))


def study_run_labels(study: OpenStudy) -> dict[str, RunLabel]:
    """What a study knows of its runs, by the names of their folders."""
    return {
        run.name: RunLabel(
            architecture=run.trial.architecture,
            censored=""
            if run.event is None or run.event.state == "finished"
            else short(f"{run.event.state}: {run.event.reason}"),
        )
        for run in study.runs
    }


def study_runs(study: OpenStudy) -> list[RunFolder]:
    """The folders of the runs of a study that were started."""
    return [run.folder for run in study.runs if run.folder is not None]


def chapter_studies(study: OpenStudy, chapters: Sequence[Chapter]) -> list[ChapterStudy]:
    """The study on each chapter that has cells of it; a run that was not started belongs to its dataset's."""
    home = {run.folder.path.name: index for index, chapter in enumerate(chapters) for run in chapter.runs}
    # Reversed, so that the first chapter of a dataset decides.
    datasets = {dataset_of(run.trial.setting): home[run.name] for run in study.runs[::-1] if run.name in home}
    homes = [home.get(run.name, datasets.get(dataset_of(run.trial.setting))) for run in study.runs]
    lost = [run for run, index in zip(study.runs, homes, strict=True) if index is None]
    studies: list[ChapterStudy] = []
    for index, chapter in enumerate(chapters):
        own = [run for run, other in zip(study.runs, homes, strict=True) if other == index]
        if not own:
            continue
        metric = oracle_metric(study.about) or chapter.monitor
        studies.append(
            ChapterStudy(
                name=study.name,
                about=study.about,
                monitor=metric,
                recipes=study.recipes,
                cells=tuple(without_dataset(cell) for cell in cells(own, metric.name)),
                chapter=chapter,
                not_begun=() if studies else tuple(cells(lost, metric.name)),
            )
        )
    return [replace(studies[0], tested=study.tested)] if len(studies) == 1 else studies


def is_number(value: Any) -> bool:
    """Whether a setting is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordered(values: Sequence[Any]) -> list[Any]:
    different = list({str(value): value for value in values}.values())
    return sorted(different) if all(is_number(value) for value in different) else different
