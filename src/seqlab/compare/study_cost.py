"""What the settings of a study cost."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from seqlab.compare.study import Group
from seqlab.runs import run_folder


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one run, medians over seeds: parameters, and seconds of training with its validations."""

    parameters: float
    seconds: float


def cost(group: Group) -> Cost:
    """Of the runs of a setting that came to an end.

    Raises:
        UserError: the folder of a run is damaged.
    """
    known = [
        run_folder.open_run(run_folder.root() / cell.run).summary()
        for cell in group.cells
        if cell.value is not None
    ]
    return Cost(
        parameters=statistics.median(one["parameters"] for one in known),
        seconds=statistics.median(one["cost"]["training_seconds"] for one in known),
    )
