"""Importance of a study's axes: for all architectures together, and for each one's own settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqlab.comparison.study import Group, Study
from seqlab.comparison.study_cache import once_per_cells
from seqlab.schema.extras import is_installed
from seqlab.schema.settings import flat, format_setting, short_names
from seqlab.stats.forest import FEWEST, Span, forest_importance
from seqlab.stats.grid import SettingCell, missing, needs_ranks
from seqlab.stats.importance import Importance, importance

ALL = "all architectures"


@dataclass(frozen=True)
class Importances:
    """Shares of the variance, by architecture or `ALL`; why_not: the reason where there are none."""

    found: Mapping[str, Importance]
    why_not: str = ""


@once_per_cells
def importances(study: Study) -> Importances:
    """The share of each axis in the variance between settings.

    For all architectures together, where each was tried with the same settings; for each one, where two axes
    vary. Exact for a complete grid, by a random forest for the draws of a search and for a grid of which runs
    were stopped before some of its cells.
    """
    groups = [group for group in study.groups if not group.stopped]
    keys = _varying(groups)
    names = short_names(keys)
    several = len({group.architecture for group in groups}) > 1
    parts = {ALL: _cells(groups, names, architecture=True)} if several else {}
    for name in dict.fromkeys(group.architecture for group in groups):
        own = [group for group in groups if group.architecture == name]
        parts[name] = _cells(own, names, architecture=False)
    spans = {names[key]: span for key, span in _spans(study.about, keys).items()}
    known = {
        name: shares for name, cells in parts.items() if (shares := _of(cells, study, spans)) is not None
    }
    if known:
        return Importances(known)
    if not is_installed("search"):
        return Importances({}, "for the draws of a search, that takes the package 'optuna'.")
    return Importances(
        {},
        "that takes two axes, in a complete grid (the architecture is one of them) or with "
        f"{FEWEST} settings of an architecture.",
    )


def _of(cells: Sequence[SettingCell], study: Study, spans: Mapping[str, Span]) -> Importance | None:
    """The importance of these cells; None where there are too few."""
    varying = [axis for axis in cells[0].settings if len({str(cell.settings[axis]) for cell in cells}) > 1]
    if len(varying) < 2:
        return None  # the only axis explains everything
    # A complete grid needs no model; ranks where a run failed, because its value is unknown.
    if not missing(cells):
        return importance(cells, study.monitor, scale="rank" if needs_ranks(cells) else "value")
    if len(cells) < FEWEST or "architecture" in varying or not is_installed("search"):
        return None
    # Only the first seed was run with every setting.
    first = [SettingCell(settings=cell.settings, values=cell.values[:1]) for cell in cells]
    return forest_importance(first, study.monitor, spans=spans)


def _varying(groups: Sequence[Group]) -> list[str]:
    keys = dict.fromkeys(key for group in groups for key in group.setting)
    return [key for key in keys if len({str(group.setting.get(key)) for group in groups}) > 1]


def _cells(groups: Sequence[Group], names: Mapping[str, str], *, architecture: bool) -> list[SettingCell]:
    return [
        SettingCell(
            settings={
                **({"architecture": group.architecture} if architecture else {}),
                **{name: _level(group.setting.get(key)) for key, name in names.items()},
            },
            values=tuple(cell.value for cell in group.cells),
        )
        for group in groups
    ]


def _level(value: Any) -> str | int | float | bool | None:
    """A value of an axis; a table or list as text."""
    return value if value is None or isinstance(value, str | int | float) else format_setting(value)


def _spans(about: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Span]:
    """The ends of the axes that are ranges, from the study's settings."""
    axes = flat(about.get("axes", {}))
    return {
        key: Span(low=axes[f"{key}.low"], high=axes[f"{key}.high"], log=axes.get(f"{key}.log", False))
        for key in keys
        if f"{key}.low" in axes
    }
