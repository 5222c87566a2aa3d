"""How much of recurrent layers saturates: a bar for each layer and gate, of each run."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from seqlab.report.chapters import Chapter, Entry
from seqlab.report.charts.chart_style import layered, over_rows
from seqlab.report.charts.figure import Figure, Panel, Row
from seqlab.report.tables import ReportColumn, split_title
from seqlab.runs.cards import SATURATION
from seqlab.schema.records import Matrix

ENDS = {"low end": "#3b7dd8", "high end": "#cf6a0a"}
"""Colours of the ends of a range."""
REST = "#c9d0d8"
"""Colour of what is between them."""
BAR = 26
"""Height of a bar with its distance from the next, in pixels."""
MOST_PANELS = 6
"""Runs that are shown side by side; with more, the reader chooses one."""


def saturation_figures(chapter: Chapter) -> list[Figure]:
    """One figure for each split, with a panel for each run: its last measurement."""
    last: dict[str, dict[int, tuple[Entry, Matrix]]] = {}
    for entry in chapter.entries:
        for record, _ in entry.run.records:
            if isinstance(record, Matrix) and record.name == SATURATION:
                last.setdefault(record.split, {})[entry.number] = (entry, record)
    return [_figure(chapter, split, list(by_run.values())) for split, by_run in last.items()]


def _figure(chapter: Chapter, split: str, measured: Sequence[tuple[Entry, Matrix]]) -> Figure:
    rows = tuple(row for entry, matrix in measured for row in _rows(entry, matrix))
    most = max(len(matrix.rows) for _, matrix in measured)
    return Figure(
        name=f"saturation on {chapter.title}, {split}",
        caption="Share of activations at the ends of their range, over all units and tokens; "
        f"{split_title(split)} of {chapter.title}. Gates: below 0.1 (blue) and above 0.9 (orange). States "
        "of an Elman net: below -0.9 and above 0.9. At the ends the derivative is small, and with it the "
        "gradient; a gate there passes all or nothing.",
        charts={"": layered(*_layers(), height=BAR * most + 20)},
        rows=rows,
        keys=("run", "label", "activation", "end", "share"),
        columns=(
            ReportColumn("run"),
            ReportColumn("model"),
            ReportColumn("activation"),
            ReportColumn("end of the range"),
            ReportColumn("share", "fraction of activations"),
        ),
        by="run",
        panels=tuple(Panel(f"Run {entry.number}: {entry.label}", entry.number) for entry, _ in measured),
        choice=len(measured) > MOST_PANELS,
        listed=lambda row: row["end"] in ENDS,
        wide=len(measured) > 1,
        least_width=340 if len(measured) > 1 else 0,
    )


def _rows(entry: Entry, matrix: Matrix) -> list[Row]:
    """From the left: what is at the low end, what is between the ends, what is at the high end."""
    rows: list[Row] = []
    for name, (low, high) in zip(matrix.rows, matrix.values, strict=True):
        borders = (0.0, low, 1 - high, 1.0)
        for end, begin, stop in zip(
            ("low end", "between", "high end"), borders[:-1], borders[1:], strict=True
        ):
            share = {"low end": low, "high end": high}.get(end, 1 - low - high)
            rows.append(
                {
                    "run": entry.number,
                    "label": entry.label,
                    "activation": name,
                    "end": end,
                    "begin": begin,
                    "stop": stop,
                    "share": share,
                }
            )
    return rows


def _layers() -> list[alt.Chart]:
    colours = alt.Scale(
        domain=["low end", "between", "high end"], range=[ENDS["low end"], REST, ENDS["high end"]]
    )
    legend = alt.Legend(title=None, orient="top", direction="horizontal", columns=3)
    base = over_rows().encode(
        x=alt.X(
            "begin:Q",
            title="fraction of activations",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(tickCount=6),
        ),
        x2="stop:Q",
        y=alt.Y("activation:N", title=None, sort=None, axis=alt.Axis(labelLimit=260, ticks=False)),
        color=alt.Color("end:N", scale=colours, legend=legend),
        tooltip=[
            alt.Tooltip("label:N", title="model"),
            "activation:N",
            "end:N",
            alt.Tooltip("share:Q", format=".1%"),
        ],
    )
    return [base.mark_bar(height={"band": 0.7})]
