"""Settings that all runs of a chapter share, and those in which they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seqlab.report.chapters import Chapter
from seqlab.report.tables import ReportColumn, ReportTable
from seqlab.schema.settings import flat, format_setting

IDENTITY = ("seed", "name", "ensemble.members")
"""Keys that are no settings of what is compared."""


def shared_settings_table(chapter: Chapter) -> ReportTable | None:
    """Settings that all runs share; None where none are known. The others are columns of the results."""
    tables = [flat(entry.run.settings) for entry in chapter.entries if entry.run.settings]
    excluded = {key for key, _ in differing_settings(chapter)}
    excluded |= {key for key in IDENTITY if _differs(key, tables)}
    shared = [(key, _format(_first(key, tables))) for key in _keys(tables) if key not in excluded]
    if not shared:
        return None
    only = [_kinds_with(key, tables) for key, _ in shared]
    caption = "Settings that all runs share." if len(tables) > 1 else "All settings of the run."
    if any(only):
        caption += " Only of: the kinds that have the setting, whose runs all have this value."
    return ReportTable(
        name=f"shared settings {chapter.title}",
        caption=caption,
        columns=(
            ReportColumn("setting", code=True),
            ReportColumn("value"),
            *([ReportColumn("only of")] if any(only) else []),
        ),
        rows=tuple(
            (key, value, *([kinds] if any(only) else []))
            for (key, value), kinds in zip(shared, only, strict=True)
        ),
    )


def differing_settings(chapter: Chapter) -> list[tuple[str, list[str | None]]]:
    """Settings that differ between runs, each with its value for every run; None where a run lacks it.

    A setting that all networks share and baselines or ensembles lack, or the reverse, does not count; nor
    does one that follows from a kind, because every run of that kind has it, with one value. Settings that
    differ among runs of one method come first.
    """
    tables = [flat(entry.run.settings) for entry in chapter.entries]
    pairs = list(zip(tables, chapter.entries, strict=True))
    kinds = [
        [table for table, entry in pairs if table and entry.run.method == method]
        for method in ("network", "baseline", "ensemble")
    ]
    keys = [
        key
        for key in _keys([table for table in tables if table])
        if key not in IDENTITY and (_differs_within(key, kinds) or _differs_between(key, kinds))
    ]
    # A stable sort: otherwise keys keep the order of the settings.
    keys.sort(key=lambda key: not _differs_within(key, kinds))
    return [(key, [_format(table.get(key)) for table in tables]) for key in keys]


def _differs_within(key: str, kinds: Sequence[Sequence[Mapping[str, Any]]]) -> bool:
    """Whether a setting differs among runs of one method."""
    return any(_differs(key, tables) and not _kinds_with(key, tables) for tables in kinds)


def _differs_between(key: str, kinds: Sequence[Sequence[Mapping[str, Any]]]) -> bool:
    """Whether runs of several methods have the setting, with different values."""
    return len({format_setting(tables[0][key]) for tables in kinds if tables and key in tables[0]}) > 1


def _kinds_with(key: str, tables: Sequence[Mapping[str, Any]]) -> str | None:
    """The kinds whose runs all have a setting, with one value, where runs of other kinds lack it; else None.

    >>> adam = {"optimizer.kind": "adam", "optimizer.beta1": 0.9}
    >>> _kinds_with("optimizer.beta1", [adam, adam, {"optimizer.kind": "sgd"}])
    'adam'
    >>> _kinds_with("optimizer.beta1", [adam, {"optimizer.kind": "adam"}, {"optimizer.kind": "sgd"}])
    """
    having = [table for table in tables if key in table]
    if len(having) == len(tables) or _differs(key, having):
        return None
    kind = f"{key.rpartition('.')[0]}.kind"
    kinds = dict.fromkeys(str(table.get(kind)) for table in having)
    lacking = {str(table.get(kind)) for table in tables if key not in table}
    return None if lacking & kinds.keys() else ", ".join(kinds)


def _first(key: str, tables: Sequence[Mapping[str, Any]]) -> Any:
    return next(table[key] for table in tables if key in table)


def _keys(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for table in tables for key in table))


def _differs(key: str, tables: Sequence[Mapping[str, Any]]) -> bool:
    return len({format_setting(table.get(key)) for table in tables}) > 1


def _format(value: Any) -> str | None:
    return None if value is None else format_setting(value)
