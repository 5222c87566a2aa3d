"""Random search (Bergstra and Bengio 2012)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from typing_extensions import override

from seqlab.schema.metric_spec import MetricSpec
from seqlab.studies.axis import Axis
from seqlab.studies.drawn_search import DrawnSearchConfig, Pruner
from seqlab.studies.search_trial import SearchTrial


class RandomConfig(DrawnSearchConfig):
    """Independent draws from the axes (Bergstra and Bengio 2012)."""

    kind: Literal["random"] = "random"
    """Name of the search."""

    @override
    def draw(
        self,
        axes: Sequence[Axis],
        monitor: MetricSpec,
        history: Sequence[SearchTrial],
        *,
        random: np.random.Generator,
        attempt: int,
    ) -> dict[str, Any]:
        return {axis.key: axis.draw(random) for axis in axes}

    @override
    def pruner(self) -> Pruner | None:
        return None
