"""The grid of a study as heat maps: one for each architecture, the best cell of each row marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqlab.comparison.study import Group
from seqlab.comparison.study_cells import EPOCHS
from seqlab.report.charts.figure import Figure, Panel, Row
from seqlab.report.naming import LONGEST_LABEL, short_labels
from seqlab.report.study.chapter_study import ChapterStudy, is_number
from seqlab.report.study.grid_chart import ChartAxis, grid_chart
from seqlab.report.tables import ReportColumn, words
from seqlab.schema.settings import format_setting, short_names
from seqlab.stats.ties import difference

LEARNING_RATE = "learning_rate"
_CELL_WIDTH, _LABELS_WIDTH, _NARROW = 36, 90, 330
"""Pixels of a cell, of the labels beside the cells, and of a heat map that fits into any panel."""
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

    def map_key(self, key: CellKey) -> str:
        """Equal for the cells of one heat map."""
        return "" if self.architectures_across else key[0]

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
        keys=(ARCHITECTURE, "down", *shown, "value", "best", "overall", "why"),
        columns=(
            ReportColumn(ARCHITECTURE),
            ReportColumn(names[axes.down]),
            *(ReportColumn(names[axes.across]) for _ in shown),
            ReportColumn(f"median {words(study.monitor.name)}", study.monitor.unit),
            ReportColumn("best of its row"),
            ReportColumn("best of its heat map"),
            ReportColumn("no value because"),
        ),
        by="" if axes.architectures_across else ARCHITECTURE,
        panels=tuple(panels),
        wide=True,
        least_width=_least_width(len({key[2] for key in cells})) if panels else 0,
    )


def _least_width(columns: int) -> int:
    """The width of a panel whose cells have space for their numbers; 0 where any panel has."""
    width = _LABELS_WIDTH + _CELL_WIDTH * columns
    return width if width > _NARROW else 0


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
    losses = {key: study.loss(group.summary.median) for key, group in cells.items()}
    best, overall = _least(losses, axes.row_key), _least(losses, axes.map_key)
    firsts = _first_without(study, axes, cells)
    darkest, lightest = _colour_range(study, cells)
    distance = abs(difference(lightest, darkest))
    return tuple(
        {
            "architecture": key[0],
            "down": key[1],
            "across": key[2],
            "value": value,
            "depth": None if value is None else max(0.0, 1 - abs(value - darkest) / (distance or 1.0)),
            "text": firsts.get(key, "")
            if value is None
            else study.monitor.format_number(value, distance / 20),
            "best": "yes" if value is not None and losses[key] == best[axes.row_key(key)] else None,
            "overall": "yes" if value is not None and losses[key] == overall[axes.map_key(key)] else None,
            "ending": _kind(group),
            "why": group.why or None,
            "setting": group.label,
        }
        for key, group in cells.items()
        for value in [group.summary.median]
    )


def _least(losses: Mapping[CellKey, float], key_of: Callable[[CellKey], Hashable]) -> dict[Hashable, float]:
    """The smallest loss of the cells that share a key."""
    least: dict[Hashable, float] = {}
    for key, loss in losses.items():
        least[key_of(key)] = min(least.get(key_of(key), math.inf), loss)
    return least


def _kind(group: Group) -> str | None:
    """How the runs of a cell without a value ended: `stopped`, `diverged`, or any other way."""
    if group.summary.median is not None:
        return None
    kind = group.ending.kind if group.ending is not None else ""
    return kind if kind in ("stopped", "diverged") else "other"


def _first_without(study: ChapterStudy, axes: _GridAxes, cells: Cells) -> dict[CellKey, str]:
    """The epoch after which a row ended, for its first cell without a value; {} where no epochs go across."""
    if axes.across != EPOCHS:
        return {}
    firsts: dict[tuple[str, ...], CellKey] = {}
    order = {column: index for index, column in enumerate(_sorted_values(study, axes.across))}
    for key in sorted(cells, key=lambda key: order[key[2]]):
        if _kind(cells[key]) in ("stopped", "diverged"):
            firsts.setdefault(axes.row_key(key), key)
    endings = {key: cells[key].ending for key in firsts.values()}
    return {key: f"at {ending.epochs:g}" for key, ending in endings.items() if ending is not None}


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
    down = _sorted_values(study, axes.down)
    # Numbers ascend from the bottom, as on any other vertical axis.
    down = down[::-1] if is_number(study.axes[axes.down][0]) else down
    across_title = None if axes.architectures_across else words(names[axes.across])
    return grid_chart(
        ChartAxis(down, words(names[axes.down])),
        ChartAxis(_sorted_values(study, axes.across), across_title),
        words(study.monitor.name),
    )


_WITHOUT = {
    "stopped": "Grey with a stroke: not known, because the run was stopped by its settings, such as "
    "`training.patience`.",
    "diverged": "Red with a cross: the run diverged.",
    "other": "Grey with a cross: no value, because the seed at the median did not finish; its tooltip gives "
    "the reason.",
}
"""What a cell without a value says, by how its runs ended."""


def _caption(study: ChapterStudy, axes: _GridAxes, rows: Sequence[Row]) -> str:
    metric, names = study.monitor, short_names(list(study.axes))
    sentences = [
        f"Median {words(metric.name)} over seeds, {metric.display_unit}, on the validation split. Darker is "
        "better. Framed and bold: the best cell of each row; framed in red: the best of the heat map."
    ]
    if axes.others:
        others = " and ".join(words(names[key]) for key in axes.others)
        sentences.append(f"Each cell shows the best over {others}.")
    sentences += [_WITHOUT[kind] for kind in _WITHOUT if any(row["ending"] == kind for row in rows)]
    if any(row["ending"] and row["text"] for row in rows):
        sentences.append(
            "In italics: the last epoch of a row that ended early. Its later cells have no value: the best "
            "so far is not repeated."
        )
    if len([row for row in rows if row["value"] is not None]) > 4:
        sentences.append(f"The worst {100 * (1 - _SHADED):.0f} % of the cells have the lightest colour.")
    return " ".join(sentences)
