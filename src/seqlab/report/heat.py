"""The grid of a study as heat maps: one for each architecture, the best of each row marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from seqlab.compare.study import Group
from seqlab.compare.study_cells import EPOCHS
from seqlab.report.look import GREY, Figure, Panel, Row, finished, over_rows
from seqlab.report.study_view import StudyView, is_number
from seqlab.report.tables import ReportColumn, words
from seqlab.schema.settings import format_setting, short_names

RATE = "learning_rate"
MARK = "#f59e0b"
"""Frames the best of each row; seen on light and dark cells."""
MOST = 40
"""Values of an axis up to which a grid is drawn."""
_WORST = 0.8
"""Share of the cells, from the best, that the colours tell apart; the others are all the lightest."""
ARCHITECTURE = "architecture"


@dataclass(frozen=True)
class _Grid:
    """Which setting goes down and which across; over the others the best is taken."""

    down: str
    across: str
    others: tuple[str, ...]


def grid(study: StudyView) -> Figure | None:
    """The median over seeds of each cell; None where no setting varies, or the cells do not form a grid."""
    layout = _layout(study)
    if layout is None:
        return None
    groups = _cells(study, layout)
    possible = len({_line(layout, key) for key in groups}) * len({key[2] for key in groups})
    if 2 * len(groups) < possible:
        return None
    rows = _rows(study, layout, groups)
    names = short_names([layout.down, layout.across])
    return Figure(
        name=f"grid of study {study.name} on {study.chapter.title}",
        caption=_caption(study, layout, rows),
        charts={"": _chart(study, layout, rows, names)},
        rows=rows,
        keys=(ARCHITECTURE, "down", "across", "value", "best", "why"),
        columns=(
            ReportColumn(ARCHITECTURE),
            ReportColumn(names[layout.down]),
            ReportColumn(names[layout.across]),
            ReportColumn(f"median {words(study.monitor.name)}", study.monitor.unit),
            ReportColumn("best of its row"),
            ReportColumn("censored"),
        ),
        by="" if layout.across == ARCHITECTURE else ARCHITECTURE,
        panels=()
        if layout.across == ARCHITECTURE
        else tuple(Panel(one.architecture, one.architecture) for one in study.best),
        wide=True,
    )


def _layout(study: StudyView) -> _Grid | None:
    axes = {key: values for key, values in study.axes.items() if 1 < len(values) <= MOST}
    if not axes:
        return None
    down = min(axes, key=lambda key: (not key.endswith(RATE), key == EPOCHS, not is_number(axes[key][0])))
    left = [key for key in axes if key != down]
    if not left:
        return _Grid(down, ARCHITECTURE, ())
    across = min(left, key=lambda key: (key != EPOCHS, not is_number(axes[key][0])))
    return _Grid(down, across, tuple(key for key in left if key != across))


Cells = dict[tuple[str, str, str], Group]


def _cells(study: StudyView, layout: _Grid) -> Cells:
    """The best setting of each architecture at each place of the grid."""
    found: Cells = {}
    for group in study.groups:
        across = (
            group.architecture
            if layout.across == ARCHITECTURE
            else format_setting(group.setting.get(layout.across))
        )
        key = (group.architecture, format_setting(group.setting.get(layout.down)), across)
        if key not in found or study.loss(group.summary.median) < study.loss(found[key].summary.median):
            found[key] = group
    return found


def _rows(study: StudyView, layout: _Grid, groups: Cells) -> tuple[Row, ...]:
    best: dict[tuple[str, ...], float] = {}
    for key, group in groups.items():
        line = _line(layout, key)
        best[line] = min(best.get(line, float("inf")), study.loss(group.summary.median))
    known = sorted(
        (group.summary.median for group in groups.values() if group.summary.median is not None),
        key=study.loss,
    )
    top, end = _ends(known)
    rows: list[Row] = []
    for key, group in groups.items():
        value = group.summary.median
        depth = None if value is None else max(0.0, 1 - abs(value - top) / (abs(end - top) or 1.0))
        rows.append(
            {
                "architecture": key[0],
                "down": key[1],
                "across": key[2],
                "value": value,
                "depth": depth,
                "text": "" if value is None else study.monitor.format_number(value, abs(end - top) / 20),
                "best": "yes"
                if value is not None and study.loss(value) == best[_line(layout, key)]
                else None,
                "why": group.why or None,
                "setting": group.label,
            }
        )
    return tuple(rows)


def _ends(known: Sequence[float]) -> tuple[float, float]:
    """The values of the darkest colour and of the lightest one, the best first."""
    if not known:
        return 0.0, 1.0
    return known[0], known[min(len(known) - 1, round(_WORST * len(known)))]


def _line(layout: _Grid, key: tuple[str, str, str]) -> tuple[str, ...]:
    return (key[1],) if layout.across == ARCHITECTURE else key[:2]


def _order(study: StudyView, key: str) -> list[str]:
    if key == ARCHITECTURE:
        return [one.architecture for one in study.best]
    return [format_setting(value) for value in study.axes[key]]


def _chart(study: StudyView, layout: _Grid, rows: Sequence[Row], names: dict[str, str]) -> dict[str, Any]:
    down, across = _order(study, layout.down), _order(study, layout.across)
    head = "" if layout.across == ARCHITECTURE else names[layout.across].replace("_", " ")
    base = over_rows().encode(
        x=alt.X(
            "across:N",
            sort=across,
            title=head or None,
            axis=alt.Axis(
                orient="top", labelAngle=0, labelOverlap=True, ticks=False, domain=False, labelLimit=90
            ),
        ),
        y=alt.Y(
            "down:N",
            sort=down[::-1] if is_number(study.axes[layout.down][0]) else down,
            title=names[layout.down].replace("_", " "),
            axis=alt.Axis(ticks=False, domain=False),
        ),
        tooltip=[
            "architecture:N",
            alt.Tooltip("setting:N"),
            alt.Tooltip("value:Q", title=f"median {words(study.monitor.name)}", format=",.6~g"),
            alt.Tooltip("why:N", title="censored"),
        ],
    )
    return finished(*_layers(base, len(across)), height=max(90, 34 * len(down)))


def _layers(base: alt.Chart, columns: int) -> list[alt.Chart]:
    """Cells in their shades with their numbers, the best of each row framed, censored ones crossed."""
    known = base.transform_filter("isValid(datum.value)")
    lost = base.transform_filter("!isValid(datum.value)")
    best = known.transform_filter("datum.best === 'yes'")
    others = known.transform_filter("datum.best !== 'yes'")
    shade = alt.Color("depth:Q", legend=None, scale=alt.Scale(scheme="blues", domain=[-0.15, 1.1]))
    ink = alt.condition("datum.depth > 0.55", alt.value("white"), alt.value("#0b2545"))
    # Numbers shrink with their cells, so that a narrow page holds them.
    size = alt.ExprRef(f"max(7, min(13, width / {max(columns, 1)} / 3.4))")
    return [
        known.mark_rect(stroke="white", strokeWidth=1).encode(color=shade),
        lost.mark_rect(stroke=GREY, strokeWidth=1, strokeDash=[3, 2], fill=GREY, fillOpacity=0.12),
        lost.mark_text(fontSize=15, color=GREY, text="\u00d7"),
        best.mark_rect(fillOpacity=0, stroke=MARK, strokeWidth=3),
        others.mark_text(fontSize=size).encode(text="text:N", color=ink),
        best.mark_text(fontSize=size, fontWeight="bold").encode(text="text:N", color=ink),
    ]


def _caption(study: StudyView, layout: _Grid, rows: Sequence[Row]) -> str:
    what = study.monitor
    unit = "%" if what.unit.startswith("fraction") else what.unit
    names = short_names(list(study.axes))
    words_ = [
        f"Median {words(what.name)} over seeds, {unit}, on the validation split. Darker is better; framed "
        "and bold: "
        "the best of each row."
    ]
    if layout.others:
        others = " and ".join(names[key].replace("_", " ") for key in layout.others)
        words_.append(f"Over {others} the best is shown.")
    if any(row["value"] is None for row in rows):
        words_.append("A cross: censored, the median seed came to no end; pointing at it says why.")
    if len([row for row in rows if row["value"] is not None]) > 4:
        words_.append(f"The worst {100 * (1 - _WORST):.0f} % of the cells have the lightest colour.")
    return " ".join(words_)
