"""Charts that show themselves in a notebook, with or without a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import altair as alt

from seqlab.report.chapters import Chapter, chapters
from seqlab.report.charts.drawings import fitted
from seqlab.report.charts.figure import Figure
from seqlab.report.charts.gradient_charts import gradient_figures, rescaled_gradient_figures
from seqlab.report.charts.learning_curves import recorded_figure
from seqlab.report.charts.position_charts import free_running_figures, position_figures
from seqlab.report.charts.saturation_charts import saturation_figures
from seqlab.report.run_data import read_run
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError, unknown

ANALYSES: Mapping[str, Callable[[Chapter], list[Figure]]] = {
    "loss_per_position": position_figures,
    "free_running_loss": free_running_figures,
    "gradient_through_time": gradient_figures,
    "rescaled_gradient_through_time": rescaled_gradient_figures,
    "saturation": saturation_figures,
}
"""Figures of what `seqlab diagnose` measures, by name."""
_DATA = "rows"
"""The name by which charts of figures refer to their data."""
_ZOOMED = "zoomed"
"""Name of the layer whose scales a selection moves: those of all layers."""
_OF_ALL = ("$schema", "datasets", "config", "background", "params")
"""Keys that several charts have together, or that only a single one has."""


class _Inline(alt.TopLevelMixin):
    """Rendered as SVG by this process, unless another renderer of altair is enabled.

    Altair's default renderer loads its scripts from the network when the notebook is opened.
    """

    def _repr_mimebundle_(self, *args: Any, **kwargs: Any) -> Any:
        if alt.renderers.active != "default":
            return super()._repr_mimebundle_(*args, **kwargs)
        with alt.renderers.enable("svg"):
            return super()._repr_mimebundle_(*args, **kwargs)


class InlineChart(_Inline, alt.LayerChart):
    """A layered chart that shows itself."""


class InlineCharts(_Inline, alt.VConcatChart):
    """Charts one below the other that show themselves."""


def run_charts(
    runs: Sequence[RunFolder],
    names: Sequence[str],
    axis: str,
    *,
    allow_incomparable: bool = False,
) -> InlineChart | InlineCharts:
    """Curves of recorded numbers, a chart for each, and the analyses of `ANALYSES`, of all runs together.

    Args:
        runs: finished or not.
        names: as in the records, or of analyses; (): the loss.
        axis: step, epoch or seconds; of no meaning for analyses.
        allow_incomparable: whether runs that cannot be ranked with each other get charts of their own.

    Raises:
        UserError: nothing of a name was recorded, or not over that axis, or the runs cannot be ranked.
    """
    made = chapters([read_run(run) for run in runs], allow_incomparable=allow_incomparable)
    figures: list[Figure] = []
    for name in names or ("loss",):
        if name in ANALYSES:
            found = [
                part for chapter in made for figure in ANALYSES[name](chapter) for part in _parts(figure)
            ]
        else:
            found = [figure for chapter in made if (figure := recorded_figure(chapter, name))]
        if not found and name in ANALYSES:
            raise UserError(f"{name!r} must be measured before it is drawn. Nearest: `seqlab diagnose RUN`.")
        if not found:
            known = {known for chapter in made for run in chapter.runs for known, _ in run.recorded}
            raise unknown("recorded number", name, {*known, *ANALYSES})
        figures += found
    return inline_chart(figures, axis)


def inline_chart(figures: Sequence[Figure], axis: str) -> InlineChart | InlineCharts:
    """Figures over one of their axes, with their data; several with the title of each.

    Raises:
        UserError: a figure has no such axis.
    """
    titled = len(figures) > 1
    charts = [_chart(figure, axis, figure.name if titled else "") for figure in figures]
    if not titled:
        return InlineChart.from_dict(charts[0])
    parts = [_with_data(chart, f"{_DATA}{number}") for number, chart in enumerate(charts)]
    return InlineCharts.from_dict(
        {
            "vconcat": [part for part, _ in parts],
            "datasets": {name: rows for _, datasets in parts for name, rows in datasets.items()},
            # Of all charts alike but for the columns of legends: the fewest fit everywhere.
            "config": min((chart["config"] for chart in charts), key=lambda c: c["legend"]["columns"]),
            "background": charts[0]["background"],
            "resolve": {"scale": dict.fromkeys(("color", "shape", "strokeDash"), "independent")},
        }
    )


def _chart(figure: Figure, axis: str, title: str) -> dict[str, Any]:
    axis = "" if "" in figure.charts else axis
    if axis not in figure.charts:
        raise unknown("axis", axis, figure.charts)
    chart = fitted(figure.charts[axis], figure, title=title)
    # Altair would move the selection from its layer to the chart, and with it to all layers.
    first, *others = chart["layer"]
    layers = [{**_without(first, "params"), "name": _ZOOMED}, *others]
    params = [{**param, "views": [_ZOOMED]} for param in first.get("params", ())]
    return figure.complete({**chart, "layer": layers, "params": params}, figure.rows)


def _parts(figure: Figure) -> list[Figure]:
    """Each panel as a figure of its own."""
    if not figure.panels:
        return [figure]
    return [
        replace(figure, name=f"{figure.name}, {panel.title}", rows=figure.panel_rows(panel), panels=())
        for panel in figure.panels
    ]


def _with_data(chart: dict[str, Any], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A chart as one of several, which name their data apart and cannot be zoomed together."""
    return _renamed(_without(chart, *_OF_ALL), name), {name: chart["datasets"][_DATA]}


def _without(chart: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in chart.items() if key not in keys}


def _renamed(node: Any, name: str) -> Any:
    match node:
        case {"name": known} if known == _DATA and len(node) == 1:
            return {"name": name}
        case dict():
            return {key: _renamed(value, name) for key, value in node.items() if key != "name"}
        case list():
            return [_renamed(value, name) for value in node]
        case _:
            return node
