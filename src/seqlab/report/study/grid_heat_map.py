"""The grid of a study as heat maps: one for each architecture, the best cell of each row marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from seqlab.comparison.study import Group
from seqlab.comparison.study_cells import EPOCHS
from seqlab.report.charts.chart_style import GREY, layered, over_rows, top_axis
from seqlab.report.charts.figure import Figure, Panel, Row
from seqlab.report.naming import LONGEST_LABEL, short_labels
from seqlab.report.study.chapter_study import ChapterStudy, is_number
from seqlab.report.tables import ReportColumn, words
from seqlab.schema.settings import format_setting, short_names
from seqlab.stats.ties import difference

LEARNING_RATE = "learning_rate"
BEST_FRAME = "#f59e0b"
"""Colour of the frame around the best cell of each row; visible on light and dark cells."""
MOST_VALUES = 40
"""Values of an axis up to which a grid is drawn."""
_SHADED = 0.8
"""Share of the cells, from the best, that have different colours; the rest have the lightest colour."""
ARCHITECTURE = "architecture"


@dataclass(frozen=True)
class _GridAxes:
    """The settings of the vertical and the horizontal axis; the best over all others is shown."""

    down: str
    across: str
    others: tuple[str, ...]

    @property
    def architectures_across(self) -> bool:
        """Whether the columns are architectures, so that one heat map shows them all."""
        return self.across == ARCHITECTURE

    def row_key(self, key: CellKey) -> tuple[str, ...]:
        """Equal for the cells of one row of a heat map."""
        return (key[1],) if self.architectures_across else key[:2]


CellKey = tuple[str, str, str]
"""Architecture, value down, value across."""
Cells = dict[CellKey, Group]


def grid_heat_map(study: ChapterStudy) -> Figure | None:
    """The median over seeds of each cell; None where no setting varies, or the cells do not form a grid."""
    axes = _axes(study)
    if axes is None:
        return None
    cells = _best_cells(study, axes)
    possible = len({axes.row_key(key) for key in cells}) * len({key[2] for key in cells})
    # The settings of a random search would leave most cells empty.
    if 2 * len(cells) < possible:
        return None
    rows, names = _rows(study, axes, cells), short_names([axes.down, axes.across])
    shown = [] if axes.architectures_across else ["across"]
    panels = () if axes.architectures_across else [Panel(g.architecture, g.architecture) for g in study.best]
    return Figure(
        name=f"grid of study {study.name} on {study.chapter.title}",
        caption=_caption(study, axes, rows),
        charts={"": _chart(study, axes, names)},
        rows=rows,
        keys=(ARCHITECTURE, "down", *shown, "value", "best", "why"),
        columns=(
            ReportColumn(ARCHITECTURE),
            ReportColumn(names[axes.down]),
            *(ReportColumn(names[axes.across]) for _ in shown),
            ReportColumn(f"median {words(study.monitor.name)}", study.monitor.unit),
            ReportColumn("best of its row"),
            ReportColumn("no value because"),
        ),
        by="" if axes.architectures_across else ARCHITECTURE,
        panels=tuple(panels),
        wide=True,
    )


def _axes(study: ChapterStudy) -> _GridAxes | None:
    """The learning rate, or the first number, goes down; epochs, or the next setting, go across."""
    axes = {key: values for key, values in study.axes.items() if 1 < len(values) <= MOST_VALUES}
    if not axes:
        return None
    down = min(
        axes, key=lambda key: (not key.endswith(LEARNING_RATE), key == EPOCHS, not is_number(axes[key][0]))
    )
    rest = [key for key in axes if key != down]
    if not rest:
        return _GridAxes(down, ARCHITECTURE, ())
    across = min(rest, key=lambda key: (key != EPOCHS, not is_number(axes[key][0])))
    return _GridAxes(down, across, tuple(key for key in rest if key != across))


def _best_cells(study: ChapterStudy, axes: _GridAxes) -> Cells:
    """For each cell of the grid the best setting of the architecture."""
    cells: Cells = {}
    down = _shown_values(study, axes.down)
    across = {} if axes.architectures_across else _shown_values(study, axes.across)
    for group in study.groups:
        column = (
            group.architecture
            if axes.architectures_across
            else across[format_setting(group.setting.get(axes.across))]
        )
        key = (group.architecture, down[format_setting(group.setting.get(axes.down))], column)
        if key not in cells or study.loss(group.summary.median) < study.loss(cells[key].summary.median):
            cells[key] = group
    return cells


def _rows(study: ChapterStudy, axes: _GridAxes, cells: Cells) -> tuple[Row, ...]:
    best: dict[tuple[str, ...], float] = {}
    for key, group in cells.items():
        row_key = axes.row_key(key)
        best[row_key] = min(best.get(row_key, float("inf")), study.loss(group.summary.median))
    darkest, lightest = _colour_range(study, cells)
    distance = abs(difference(lightest, darkest))
    return tuple(
        {
            "architecture": key[0],
            "down": key[1],
            "across": key[2],
            "value": value,
            "depth": None if value is None else max(0.0, 1 - abs(value - darkest) / (distance or 1.0)),
            "text": "" if value is None else study.monitor.format_number(value, distance / 20),
            "best": "yes" if value is not None and study.loss(value) == best[axes.row_key(key)] else None,
            "why": group.why or None,
            "setting": group.label,
        }
        for key, group in cells.items()
        for value in [group.summary.median]
    )


def _colour_range(study: ChapterStudy, cells: Cells) -> tuple[float, float]:
    """The values of the darkest colour, which is the best one, and of the lightest."""
    medians = [group.summary.median for group in cells.values() if group.summary.median is not None]
    if not medians:
        return 0.0, 1.0
    medians.sort(key=study.loss)
    # A few very bad cells would otherwise take the whole range of colours.
    return medians[0], medians[min(len(medians) - 1, round(_SHADED * len(medians)))]


def _sorted_values(study: ChapterStudy, key: str) -> list[str]:
    if key == ARCHITECTURE:
        return [group.architecture for group in study.best]
    return list(_shown_values(study, key).values())


def _shown_values(study: ChapterStudy, key: str) -> dict[str, str]:
    """The values of a setting, each with the text that fits on an axis."""
    values = [format_setting(value) for value in study.axes[key]]
    return dict(zip(values, short_labels(values, LONGEST_LABEL), strict=True))


def _chart(study: ChapterStudy, axes: _GridAxes, names: dict[str, str]) -> dict[str, Any]:
    down, across = _sorted_values(study, axes.down), _sorted_values(study, axes.across)
    across_title = None if axes.architectures_across else words(names[axes.across])
    base = over_rows().encode(
        x=alt.X("across:N", sort=across, title=across_title, axis=top_axis(across)),
        y=alt.Y(
            "down:N",
            # Numbers ascend from the bottom, as on any other vertical axis.
            sort=down[::-1] if is_number(study.axes[axes.down][0]) else down,
            title=words(names[axes.down]),
            axis=alt.Axis(ticks=False, domain=False),
        ),
        tooltip=[
            "architecture:N",
            alt.Tooltip("setting:N"),
            alt.Tooltip("value:Q", title=f"median {words(study.monitor.name)}", format=",.6~g"),
            alt.Tooltip("why:N", title="no value because"),
        ],
    )
    return layered(*_layers(base, len(across)), height=max(90, 34 * len(down)))


def _layers(base: alt.Chart, columns: int) -> list[alt.Chart]:
    """Shaded cells with their numbers, the best of each row framed, censored cells crossed."""
    known = base.transform_filter("isValid(datum.value)")
    censored = base.transform_filter("!isValid(datum.value)")
    best = known.transform_filter("datum.best === 'yes'")
    others = known.transform_filter("datum.best !== 'yes'")
    shade = alt.Color("depth:Q", legend=None, scale=alt.Scale(scheme="blues", domain=[-0.15, 1.1]))
    text_colour = alt.condition("datum.depth > 0.55", alt.value("white"), alt.value("#0b2545"))
    # The numbers shrink with their cells, so that they fit on a narrow page.
    size = alt.ExprRef(f"max(7, min(13, width / {max(columns, 1)} / 3.4))")
    return [
        known.mark_rect(stroke="white", strokeWidth=1).encode(color=shade),
        censored.mark_rect(stroke=GREY, strokeWidth=1, strokeDash=[3, 2], fill=GREY, fillOpacity=0.12),
        censored.mark_text(fontSize=15, color=GREY, text="\u00d7"),
        best.mark_rect(fillOpacity=0, stroke=BEST_FRAME, strokeWidth=3),
        others.mark_text(fontSize=size).encode(text="text:N", color=text_colour),
        best.mark_text(fontSize=size, fontWeight="bold").encode(text="text:N", color=text_colour),
    ]


def _caption(study: ChapterStudy, axes: _GridAxes, rows: Sequence[Row]) -> str:
    metric, names = study.monitor, short_names(list(study.axes))
    sentences = [
        f"Median {words(metric.name)} over seeds, {metric.display_unit}, on the validation split. Darker is "
        "better. Framed and bold: the best cell of each row."
    ]
    if axes.others:
        others = " and ".join(words(names[key]) for key in axes.others)
        sentences.append(f"Each cell shows the best over {others}.")
    if any(row["value"] is None for row in rows):
        sentences.append(
            "Cross: no value, because the seed at the median did not finish; its tooltip gives the reason."
        )
    if len([row for row in rows if row["value"] is not None]) > 4:
        sentences.append(f"The worst {100 * (1 - _SHADED):.0f} % of the cells have the lightest colour.")
    return " ".join(sentences)
