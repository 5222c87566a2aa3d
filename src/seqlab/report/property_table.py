"""Tables with a row for each property and a column for each group of runs that agree in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from seqlab.report.chapters import Entry
from seqlab.report.tables import CellValue, ReportColumn, ReportTable

Properties = Mapping[str, CellValue]
PropertyGroups = list[tuple[dict[str, CellValue], list[int]]]
"""Properties, each with the numbers of the runs that have them."""


def property_groups(tables: Sequence[tuple[Entry, Properties]]) -> PropertyGroups:
    """The different properties, each with the numbers of the runs that have them."""
    groups: PropertyGroups = []
    for entry, table in tables:
        index = next((index for index, (other, _) in enumerate(groups) if _agree(other, table)), None)
        if index is None:
            groups.append((dict(table), [entry.number]))
        else:
            other, numbers = groups[index]
            # A run that lacks a value joins a group, and a later run of the group may supply it.
            known = {key: value for key, value in table.items() if value is not None}
            groups[index] = ({**table, **other, **known}, [*numbers, entry.number])
    return groups


def _agree(first: Properties, second: Properties) -> bool:
    """Whether no property has two different values; an unfinished run lacks some values."""
    return all(first[key] == value for key, value in second.items() if None not in (value, first.get(key)))


def property_table(
    name: str, caption: str, groups: PropertyGroups, *, always_runs: bool = False
) -> ReportTable:
    """A row for each property, a column for each group of runs; properties without any value are left out.

    Args:
        name: of the table.
        caption: of the table.
        groups: at least one.
        always_runs: whether the column names its runs even where there is one group.
    """
    keys = dict.fromkeys(key for table, _ in groups for key in table)
    rows = [(key, *(table.get(key) for table, _ in groups)) for key in keys]
    titles = [format_runs(numbers) for _, numbers in groups] if len(groups) > 1 or always_runs else ["value"]
    return ReportTable(
        name=name,
        caption=caption,
        columns=(ReportColumn("property"), *(ReportColumn(title) for title in titles)),
        rows=tuple(row for row in rows if any(cell is not None for cell in row[1:])),
    )


def format_runs(numbers: Iterable[int]) -> str:
    """Ascending numbers of runs as ranges.

    >>> format_runs([1, 2, 3, 7])
    'runs 1-3, 7'
    """
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in spans]
    return f"run{'s' if len(shown) > 1 or '-' in shown[0] else ''} {', '.join(shown)}"
