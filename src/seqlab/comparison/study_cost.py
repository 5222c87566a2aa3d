"""The cost of a study's settings."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from seqlab.comparison.study import Group


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of one run, medians over seeds: parameters, seconds of training with its validations, peak memory.

    Memory is the peak of the process, in MiB, which may have trained other runs before.
    """

    parameters: float
    seconds: float
    memory_mib: float


def cost(group: Group) -> Cost | None:
    """The cost of a setting's finished runs; None where none is finished.

    A run that failed late may have values of earlier epochs, but no cost.

    Raises:
        UserError: the folder of a run is damaged.
    """
    known = [run.summary for run in group.runs if run.summary is not None]
    if not known:
        return None
    return Cost(
        parameters=statistics.median(summary["parameters"] for summary in known),
        seconds=statistics.median(summary["cost"]["training_seconds"] for summary in known),
        memory_mib=statistics.median(summary["cost"]["peak_memory_mib"] for summary in known),
    )
