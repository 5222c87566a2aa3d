"""Quality against price: seconds, parameters, peak memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from seqlab.compare.comparable import cost_differences
from seqlab.report.charts import palette
from seqlab.report.comparing import Chapter, Entry
from seqlab.report.look import Figure, Row, amounts, finished, over_rows, points, rules, scale
from seqlab.report.tables import ReportColumn, spent, words


@dataclass(frozen=True)
class _Price:
    """What is paid: its key, name, unit, and whether it depends on the machine."""

    key: str
    name: str
    unit: str
    measured: bool


PRICES = (
    _Price("training_seconds", "seconds of training", "s", True),
    _Price("parameters", "parameters", "", False),
    _Price("peak_memory_mib", "peak memory of the process", "MiB", True),
)


def against_price(chapter: Chapter) -> list[Figure]:
    """What finished runs reached over what it cost; nothing where all paid the same."""
    found = [_figure(chapter, price) for price in PRICES]
    return [figure for figure in found if figure is not None]


def _figure(chapter: Chapter, price: _Price) -> Figure | None:
    rows = tuple(
        row
        for entry in chapter.entries
        if not entry.censored
        if (row := _row(chapter, entry, price)) is not None
    )
    runs = [row for row in rows if row["kind"] == "run"]
    if len({row["price"] for row in runs}) < 2:
        return None
    what = chapter.quantity
    standing = rules("y") if len(runs) < len(rows) else []
    side = "Higher" if what.better == "higher" else "Lower"
    return Figure(
        name=f"{words(what.name)} against {price.name} on {chapter.title}",
        caption=f"{words(what.name).capitalize()} of each finished run against {price.name}. {side} and "
        f"further left is better.{_warning(chapter, price)}{_rule(standing)}",
        charts={"": finished(_points(chapter, price, rows), *standing)},
        rows=rows,
        legend=palette(chapter).keys,
        keys=("run", "label", "price", "value"),
        columns=(
            ReportColumn("run"),
            ReportColumn("model"),
            ReportColumn(price.name, price.unit),
            ReportColumn(words(what.name), what.unit),
        ),
    )


def _points(chapter: Chapter, price: _Price, rows: Sequence[Row]) -> alt.Chart:
    what = chapter.quantity
    title = [words(what.name), what.unit] if what.unit not in ("", words(what.name)) else [words(what.name)]
    paid = [float(row["price"] or 0) for row in rows if row["kind"] == "run"]
    marks = "~s" if not price.unit else ",.6~g"
    base = over_rows().transform_filter("datum.kind === 'run'").encode(
        x=alt.X("price:Q", title=f"{price.name}{f' ({price.unit})' if price.unit == 'MiB' else ''}",
                scale=amounts(paid), axis=alt.Axis(tickCount=5, labelOverlap=True, format=marks)),
        y=alt.Y("value:Q", title=title, scale=scale([float(row["value"] or 0) for row in rows], room=10)),
        tooltip=[
            alt.Tooltip("label:N", title="model"),
            alt.Tooltip("run:N", title="run"),
            alt.Tooltip("price:Q", title=price.name, format=",.6~g"),
            alt.Tooltip("value:Q", title=", ".join(title), format=",.6~g"),
        ],
    )  # fmt: skip
    return points(base, palette(chapter), 64)


def _row(chapter: Chapter, entry: Entry, price: _Price) -> Row | None:
    value = chapter.value(entry)
    paid = entry.run.parameters if price.key == "parameters" else spent(entry)[price.key]
    if value is None or (paid is None and not entry.baseline):
        return None
    return {
        "kind": "baseline" if entry.baseline else "run",
        "run": entry.number,
        "label": entry.label,
        "architecture": entry.architecture,
        "price": paid,
        "value": value,
    }


def _rule(standing: list[alt.LayerChart | alt.Chart]) -> str:
    return " A grey rule: a baseline." if standing else ""


def _warning(chapter: Chapter, price: _Price) -> str:
    """What keeps the horizontal axis from being compared."""
    if not price.measured:
        return ""
    cards = [entry.run.cards["valid"] for entry in chapter.entries if "valid" in entry.run.cards]
    memory = (
        " It counts the whole process, which may have held other runs before."
        if "memory" in price.name
        else ""
    )
    unlike = ", ".join(one.what for one in cost_differences(cards)) if len(cards) > 1 else ""
    if not unlike:
        return memory
    return f"{memory} Not to be ranked by {price.name}: the runs differ in {unlike}."
