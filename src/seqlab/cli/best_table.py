"""The table of a study's best settings, one row per architecture."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from seqlab.comparison.study_cost import Cost, cost
from seqlab.comparison.study_steps import counts_steps, steps_to_success
from seqlab.stats.ties import difference

if TYPE_CHECKING:
    from seqlab.comparison.study import Group, Study

_MISSING = "-"
Column = tuple[str, bool, "Callable[[Group, Cost | None], Any]"]
"""Heading, whether the column is shown, and its cell for a group and its cost."""


def best_table(study: Study) -> tuple[list[str], list[list[Any]]]:
    """Headings and rows; columns that would have no content are left out."""
    columns = [(heading, cell) for heading, shown, cell in _columns(study) if shown]
    ranked = [(group, cost(group)) for group in study.ranked]
    rows = [[cell(group, spent) for _, cell in columns] for group, spent in ranked]
    return [heading for heading, _ in columns], rows


def _columns(study: Study) -> list[Column]:
    groups, spread = study.ranked, _spread(study)

    def number(value: float | None) -> str:
        return study.monitor.format_number(value, spread)

    def ends(group: Group) -> tuple[float | None, float | None]:
        return group.summary.interval.low, group.summary.interval.high

    def over_seeds(text: Callable[[Group], str]) -> Callable[[Group, Cost | None], str]:
        """The cell of a statistic that needs several seeds."""
        return lambda group, _: text(group) if _has_several_seeds(group) else _MISSING

    def interval(group: Group) -> str:
        return " to ".join(number(end) for end in ends(group))

    # With few seeds the interval is the range, which is shown already.
    differs = any(_range(group) != ends(group) for group in groups if _has_several_seeds(group))
    return [
        ("architecture", True, lambda group, _: _name(group)),
        ("best setting", any(group.label for group in groups), lambda group, _: group.label or _MISSING),
        ("seeds", True, lambda group, _: group.summary.seeds),
        ("median", True, lambda group, _: number(group.summary.median)),
        ("lowest", True, over_seeds(lambda group: number(group.summary.lowest))),
        ("highest", True, over_seeds(lambda group: number(group.summary.highest))),
        ("95 % interval", differs, over_seeds(interval)),
        ("successes", study.about.get("success") is not None, lambda group, _: _successes(group)),
        ("steps to success", counts_steps(study), lambda group, _: _steps(group, study)),
        ("parameters", True, lambda _, spent: _MISSING if spent is None else round(spent.parameters)),
        ("seconds", True, lambda _, spent: _MISSING if spent is None else f"{spent.seconds:.1f}"),
    ]


def _name(group: Group) -> str:
    return f"{group.architecture} (baseline)" if group.baseline else group.architecture


def _successes(group: Group) -> str:
    return f"{group.summary.successes} of {group.summary.seeds}"


def _steps(group: Group, study: Study) -> str:
    steps = steps_to_success(group, study)
    return _MISSING if steps is None else f"{steps:,.0f}"


def _has_several_seeds(group: Group) -> bool:
    return group.summary.seeds > 1 and not group.baseline


def _range(group: Group) -> tuple[float | None, float | None]:
    return group.summary.lowest, group.summary.highest


def _spread(study: Study) -> float:
    """The spread that decides the number of decimals: a tenth of that between the best settings."""
    values = [v for g in study.ranked for v in (g.summary.lowest, g.summary.highest) if v is not None]
    return difference(max(values, default=0.0), min(values, default=0.0)) / 10
