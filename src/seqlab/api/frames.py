"""Tables as polars frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from seqlab.experiment.run_list import RunRow
from seqlab.report.tables import ReportTable

_LISTED = {
    "date": pl.Datetime("us"),
    **dict.fromkeys(("name", "state", "task", "architecture"), pl.String),
    "seed": pl.Int64,
    **dict.fromkeys(("changed", "metric"), pl.String),
    **dict.fromkeys(("value", "seconds"), pl.Float64),
    "problem": pl.String,
}


def run_list(rows: Sequence[RunRow]) -> pl.DataFrame:
    """The rows of a list of runs; what a run does not have is null."""
    # Of a row `metric` is a name as an attribute, and a value as a column.
    own = [{key: getattr(row, key) for key in _LISTED if key != "changed"} for row in rows]
    tables = [{**values, "changed": row["changed"]} for values, row in zip(own, rows, strict=True)]
    columns = {name: [None if table[name] == "" else table[name] for table in tables] for name in _LISTED}
    return pl.DataFrame(columns, schema=_LISTED)


def table_frame(table: ReportTable) -> pl.DataFrame:
    """A report's table of runs, each named by its folder; titles have underscores, as names in records do."""
    names = [column.title.replace(" ", "_") for column in table.columns]
    columns = dict(zip(names, map(list, zip(*table.rows, strict=True)), strict=True))
    columns["run"] = [entry.run.folder.path.name for entry in table.entries]
    return pl.DataFrame([column(name, values) for name, values in columns.items()])


def column(name: str, values: Sequence[Any]) -> pl.Series:
    """Values of one type; of several types as texts, as where a size is a number or "auto"."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and not kinds <= {int, float}:
        return pl.Series(name, [None if value is None else str(value) for value in values])
    return pl.Series(name, values, strict=False)
