"""A chart that shows itself in a notebook, with or without a network."""

from __future__ import annotations

from typing import Any

import altair as alt
from typing_extensions import override

from seqlab.report.charts.figure import Figure


class InlineChart(alt.LayerChart):
    """A layered chart rendered as SVG by this process, unless another renderer of altair is enabled.

    Altair's default renderer loads its scripts from the network when the notebook is opened.
    """

    @override
    def _repr_mimebundle_(self, *args: Any, **kwargs: Any) -> Any:
        if alt.renderers.active != "default":
            return super()._repr_mimebundle_(*args, **kwargs)
        with alt.renderers.enable("svg"):
            return super()._repr_mimebundle_(*args, **kwargs)


def inline_chart(figure: Figure, axis: str) -> InlineChart:
    """A figure over one of its axes, with its data; a picture, so without the selections of a page."""
    chart = figure.complete(figure.charts[axis], figure.rows)
    layers = [{key: value for key, value in layer.items() if key != "params"} for layer in chart["layer"]]
    return InlineChart.from_dict({**chart, "layer": layers})
