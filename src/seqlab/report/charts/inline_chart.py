"""A chart that shows itself in a notebook, with a network or without."""

from __future__ import annotations

from typing import Any

import altair as alt

from seqlab.report.charts.chart_style import Figure


class InlineChart(alt.LayerChart):
    """A layered chart drawn as SVG by this process, as long as nobody enabled a renderer of altair's.

    Altair's own default loads its scripts from the network when the notebook is looked at.
    """

    def _repr_mimebundle_(self, *args: Any, **kwargs: Any) -> Any:
        if alt.renderers.active != "default":
            return super()._repr_mimebundle_(*args, **kwargs)
        with alt.renderers.enable("svg"):
            return super()._repr_mimebundle_(*args, **kwargs)


def inline(figure: Figure, axis: str) -> InlineChart:
    """A figure over one of its axes, its numbers inside."""
    whole = {**figure.charts[axis], "datasets": {"rows": list(figure.rows)}, "background": "white"}
    return InlineChart.from_dict(whole)
