"""The results of a study: its settings over their seeds, and the best setting of each architecture."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from seqlab.comparison.comparable import refusal
from seqlab.comparison.oracle_metrics import oracle_metric
from seqlab.comparison.study_cells import (
    EarlyEnd,
    OpenStudy,
    StudyCell,
    TrialRun,
    cells,
    monitor_of_runs,
    open_study,
)
from seqlab.runs.cards import Card
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.study_folder import StudyFolder
from seqlab.schema.errors import UserError, WorkError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.schema.settings import format_setting, format_settings
from seqlab.stats.censored import SeedOutcome
from seqlab.stats.reliability import Reliability, Setting, near, reliability
from seqlab.stats.summary import Summary, summarize
from seqlab.stats.ties import order_key

DATASET = ("data", "data.kind")
"""Axes whose values are different datasets, so that their numbers are not ranked together."""


@dataclass(frozen=True)
class Group:
    """One setting of an architecture over its seeds."""

    cells: tuple[StudyCell, ...]
    summary: Summary

    @property
    def architecture(self) -> str:
        """The architecture of the setting."""
        return self.cells[0].architecture

    @property
    def baseline(self) -> bool:
        """Whether all others are compared with it."""
        return self.cells[0].baseline

    @property
    def setting(self) -> Mapping[str, Any]:
        """Values of the axes."""
        return self.cells[0].setting

    @property
    def label(self) -> str:
        """The setting as short text; empty where an architecture has only one."""
        return format_settings(self.setting)

    @property
    def runs(self) -> list[TrialRun]:
        """The runs of the cells that have a value, by seed."""
        return [cell.run for cell in self.cells if cell.value is not None]

    @property
    def outcomes(self) -> tuple[SeedOutcome, ...]:
        """One outcome per seed."""
        return outcomes(self.cells)

    @property
    def ending(self) -> EarlyEnd | None:
        """How the runs without a value ended, where all of them ended alike; else None."""
        endings = {cell.ending for cell in self.cells if cell.value is None}
        return next(iter(endings)) if len(endings) == 1 else None

    @property
    def stopped(self) -> bool:
        """Whether there is no median because runs were stopped by their settings: it need not be bad."""
        without = [cell.ending for cell in self.cells if cell.value is None]
        return self.summary.median is None and all(each and each.kind == "stopped" for each in without)

    @property
    def why(self) -> str:
        """The reasons why seeds have no value, with their numbers; empty where all have one."""
        reasons = Counter(short(cell.censored) for cell in self.cells if cell.value is None)
        return "; ".join(f"{count} {why}" if len(self.cells) > 1 else why for why, count in reasons.items())


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study on one dataset, with the runs that there are so far.

    part: the dataset, where the study has several. about: the study's settings. monitor: what is compared.
    """

    name: str
    part: str = ""
    about: Mapping[str, Any]
    monitor: MetricSpec
    cells: tuple[StudyCell, ...]
    recipes: Mapping[str, Any] = field(default_factory=dict)
    """The recipes that the study extends, by name."""

    @property
    def networks(self) -> list[StudyCell]:
        """The cells that are no baseline's."""
        return [cell for cell in self.cells if not cell.baseline]

    @cached_property
    def groups(self) -> list[Group]:
        """Every setting except the baselines', by architecture, the best first."""
        groups = self._groups(self.networks)
        return sorted(groups, key=lambda group: (group.architecture, self.loss(group.summary.median)))

    @cached_property
    def baselines(self) -> list[Group]:
        """The settings of the baselines, with which every other setting is compared."""
        return self._groups([cell for cell in self.cells if cell.baseline])

    @cached_property
    def best(self) -> list[Group]:
        """The best setting of each architecture by the median over seeds, the best architecture first.

        Where a search ran some settings with the first seed only, only those with the most seeds count.
        """
        return self._leaders(self.groups)

    @cached_property
    def ranked(self) -> list[Group]:
        """The best settings that have a value, followed by the best of each baseline."""
        leaders = [*self.best, *self._leaders(self.baselines)]
        return [group for group in leaders if group.summary.median is not None]

    @cached_property
    def reliability(self) -> list[Reliability]:
        """Spread over settings of each architecture, the most reliable first.

        Settings that runs were stopped before are left out: they are no failures.
        """
        medians = [group.summary.median for group in self.groups if group.summary.median is not None]
        if not medians:
            return []
        settings = [
            Setting(
                architecture=group.architecture,
                setting=group.label or "its only setting",
                value=group.summary.median,
            )
            for group in self.groups
            if not group.stopped
        ]
        return reliability(settings, self.monitor, within=near(self.monitor, min(medians, key=self.loss)))

    @property
    def edges(self) -> list[str]:
        """Sentences on best settings at the smallest or largest value that was tried."""
        return [
            f"{group.architecture} is best at the {end} {key.rpartition('.')[2]} that was tried "
            f"({format_setting(group.setting[key])}): beyond it there may be a better one"
            for group in self.best
            if group.summary.median is not None
            for key in group.setting
            if (end := self._end(group, key))
        ]

    def refusal(self) -> str | None:
        """Why the best settings cannot be ranked; None where they can."""
        cards = {}
        for group in self.ranked:
            run = group.cells[0].run.folder
            card = None if run is None else _card(run)
            if card is not None:
                cards[group.architecture] = card
        return refusal(cards)

    def _end(self, group: Group, key: str) -> str:
        """Whether a group's value is the smallest or largest of three numbers or more; else empty."""
        own = [other.setting.get(key) for other in self.groups if other.architecture == group.architecture]
        values = {value for value in own if isinstance(value, int | float) and not isinstance(value, bool)}
        # A value such as "auto" cannot be ordered among numbers.
        if len(values) < 3 or len({str(value) for value in own}) > len(values):
            return ""
        ends = {min(values): "smallest", max(values): "largest"}
        as_good = [other.setting[key] for other in self.groups if self._ties(other, group)]
        return ends.get(group.setting[key], "") if all(value in ends for value in as_good) else ""

    def _ties(self, one: Group, other: Group) -> bool:
        """Whether two settings of an architecture are equally good."""
        same = one.architecture == other.architecture
        return same and self.loss(one.summary.median) == self.loss(other.summary.median)

    def loss(self, value: float | None) -> float:
        """A value, signed so that lower is better and rounded so that ties tie; censored ones last."""
        return math.inf if value is None else order_key(-self.monitor.gain(value))

    def _leaders(self, groups: Sequence[Group]) -> list[Group]:
        # A setting that a search did not confirm has fewer seeds, and may have been lucky.
        seeds = Counter[str]()
        for group in groups:
            seeds[group.architecture] = max(seeds[group.architecture], len(group.cells))
        leaders: dict[str, Group] = {}
        for group in sorted(groups, key=lambda group: self.loss(group.summary.median)):
            if len(group.cells) == seeds[group.architecture]:
                leaders.setdefault(group.architecture, group)
        return list(leaders.values())

    def _groups(self, cells: Sequence[StudyCell]) -> list[Group]:
        same: dict[Any, list[StudyCell]] = {}
        for cell in cells:
            same.setdefault(cell.group, []).append(cell)
        good = self.about.get("success")
        return [
            Group(tuple(group), summarize(outcomes(group), self.monitor, good=good))
            for group in same.values()
        ]


def read(folder: StudyFolder) -> list[Study]:
    """A study's comparison from its folder and those of its runs; see `parts`."""
    return parts(open_study(folder))


def read_ranked(folder: StudyFolder, *, allow_incomparable: bool) -> list[Study]:
    """A study's comparison, whose numbers can be ranked on each dataset.

    Args:
        folder: of the study.
        allow_incomparable: whether others are returned, too, instead of being refused.

    Raises:
        WorkError: no run is finished.
        UserError: the numbers cannot be ranked, and `allow_incomparable` is not set; or a folder is damaged.
    """
    studies = read(folder)
    reason = next((reason for study in studies if (reason := study.refusal()) is not None), None)
    if reason is not None and not allow_incomparable:
        raise UserError(reason)
    return studies


def parts(opened: OpenStudy) -> list[Study]:
    """A study's comparison; where datasets are an axis, a part for each of them.

    Raises:
        WorkError: no run is finished.
        UserError: a folder is damaged.
    """
    monitor = oracle_metric(opened.about) or monitor_of_runs(opened.runs)
    if monitor is None:
        raise WorkError(
            f"Study {opened.name!r} must have a finished run. Got none{_first_reason(opened.runs)}"
        )
    every = cells(opened.runs, monitor.name)
    names = dict.fromkeys(dataset_of(cell.setting) for cell in every)
    return [
        Study(
            name=opened.name,
            part=name,
            about=opened.about,
            monitor=monitor,
            recipes=opened.recipes,
            cells=tuple(without_dataset(cell) for cell in every if dataset_of(cell.setting) == name),
        )
        for name in names
    ]


def _first_reason(runs: Sequence[TrialRun]) -> str:
    """The end of a sentence: why the first run that ended did not finish."""
    ended = next((run for run in runs if run.event is not None), None)
    if ended is None or ended.event is None:
        return "."
    return f". Run {ended.trial.number} {ended.event.state}: {ended.event.reason}"


def _card(run: RunFolder) -> Card | None:
    """The card of the validation split; None where it is damaged, which the report of the run states."""
    try:
        return run.card("valid")
    except UserError:
        return None


def dataset_of(setting: Mapping[str, Any]) -> str:
    """The dataset of a setting, where that is an axis; else empty."""
    return " ".join(format_setting(setting[key]) for key in DATASET if key in setting)


def without_dataset(cell: StudyCell) -> StudyCell:
    """The cell without the axes that choose its dataset."""
    return replace(cell, setting={k: v for k, v in cell.setting.items() if k not in DATASET})


def short(reason: str) -> str:
    """The first sentence of a reason.

    >>> short("failed: The loss became nan at step 2 (epoch 1). Training stopped.")
    'failed: The loss became nan at step 2 (epoch 1)'
    """
    return reason.partition(". ")[0].removesuffix(".")


def outcomes(cells: Sequence[StudyCell]) -> tuple[SeedOutcome, ...]:
    """The outcomes of cells that differ only in their seed."""
    return tuple(
        SeedOutcome(seed=cell.seed, value=cell.value, why=short(cell.censored) if cell.value is None else "")
        for cell in cells
    )
