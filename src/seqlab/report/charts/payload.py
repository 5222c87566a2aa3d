"""What a page's script draws from: charts without data, and the data once, column by column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seqlab.report.charts.chart_style import Figure, Row, rounded


def payload(figures: Sequence[Figure]) -> dict[str, Any]:
    """Everything that is drawn, as plain values.

    Figures of one source share its rows. A column of a table holds numbers with 7 digits, which is more than
    a chart shows; one of texts holds each text once: `texts`, and the places in it.
    """
    own = [figure for figure in figures if not figure.source]
    places = {figure.name: place for place, figure in enumerate(own)}
    return {
        "tables": [_columns(figure.rows) for figure in own],
        "figures": [
            {
                "charts": figure.charts,
                "rows": places[figure.source or figure.name],
                "by": figure.by,
                "panels": [panel.value for panel in figure.panels],
                "choice": figure.choice,
                "longest": figure.longest,
            }
            for figure in figures
        ],
    }


def _columns(rows: Sequence[Row]) -> dict[str, Any]:
    return {key: _column([row.get(key) for row in rows]) for key in rows[0]}


def _column(values: Sequence[Any]) -> Any:
    if not any(isinstance(value, str) for value in values):
        return [rounded(value) for value in values]
    texts = list(dict.fromkeys(values))
    places = {text: place for place, text in enumerate(texts)}
    return {"texts": texts, "places": [places[value] for value in values]}
