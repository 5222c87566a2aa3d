"""The data that a page's script draws from: charts without data, and the data once, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seqlab.report.charts.chart_style import rounded
from seqlab.report.charts.drawable import drawable
from seqlab.report.charts.figure import Figure, Row


def payload(figures: Sequence[Figure]) -> dict[str, Any]:
    """Everything that the page draws, as plain values.

    Figures of one source share its rows. A column of numbers holds 7 digits, more than a chart can show. A
    column of texts holds each text once, in `texts`, and for each row the index of its text.
    """
    sources = [figure for figure in figures if not figure.source]
    indices = {figure.name: index for index, figure in enumerate(sources)}
    return {
        "tables": [_columns(figure.rows) for figure in sources],
        "figures": [
            {
                "charts": drawable(figure.charts),
                "rows": indices[figure.source or figure.name],
                "by": figure.by,
                "panels": [drawable(panel.value) for panel in figure.panels],
                "choice": figure.choice,
                "longest": figure.longest_label,
            }
            for figure in figures
        ],
    }


def _columns(rows: Sequence[Row]) -> dict[str, Any]:
    # Column by column, no key is repeated: the data of many runs is several times smaller.
    return {key: _column([row.get(key) for row in rows]) for key in rows[0]}


def _column(values: Sequence[Any]) -> Any:
    if not any(isinstance(value, str) for value in values):
        return [rounded(drawable(value)) for value in values]
    texts = list(dict.fromkeys(values))
    indices = {text: index for index, text in enumerate(texts)}
    return {"texts": drawable(texts), "indices": [indices[value] for value in values]}
