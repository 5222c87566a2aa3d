"""`seqlab bench busy`: training on one thread and on several, alone and beside other work."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from seqlab.bench.burner import Burners, burners
from seqlab.bench.measure import WARM_ROUNDS, Clock, Quartiles, interleaved, quartiles, ratios
from seqlab.bench.result import Result, check_rounds, result
from seqlab.bench.seqlab_step import SeqlabStep
from seqlab.bench.workload import TrainingStep, Workload
from seqlab.data.batch import Batch
from seqlab.experiment.numerics import numerics
from seqlab.schema.errors import UserError

GOAL = 0.9
"""Least speed on several threads that seqlab aims at, as a ratio to that on one, whatever runs beside it."""
MEASURED_SECONDS = 0.5
"""Least time of a measurement: a system gives processors to programs for several milliseconds at a time."""


@dataclass(frozen=True, kw_only=True)
class BusyRow:
    """One workload; speeds are in tokens per second.

    idle_one, idle_several: on one thread and on several, without the burners. busy_one, busy_several: beside
    them. idle_ratio, busy_ratio: several threads over one, of each round. goal: of both ratios.
    """

    workload: str
    about: str
    idle_one: Quartiles
    idle_several: Quartiles
    busy_one: Quartiles
    busy_several: Quartiles
    idle_ratio: Quartiles
    busy_ratio: Quartiles
    goal: float


def run(
    works: Sequence[Workload],
    *,
    burner_count: int,
    rounds: int,
    threads: int,
    announce: Callable[[str], None],
) -> Result[BusyRow]:
    """Measure workloads one after the other.

    Args:
        works: the workloads; only seqlab's side is measured.
        burner_count: processes that keep a processor busy each.
        rounds: measurements of each speed.
        threads: the number that is compared with one.
        announce: called with what is measured next.

    Raises:
        UserError: rounds or burners are not positive, or threads are not at least 2.
    """
    check_rounds(rounds)
    for name, number, least in (("burners", burner_count, 1), ("threads", threads, 2)):
        if number < least:
            raise UserError(f"'{name}' must be at least {least}. Got {number}. Nearest: {least}.")
    with burners(burner_count) as switch, numerics("cpu", threads):
        rows: list[BusyRow] = []
        for work in works:
            announce(f"{work.name}, {rounds} rounds")
            rows.append(row(work, measure(work, rounds, threads, switch)))
        return result(rows, peak=None, rounds=rounds)


def measure(
    work: Workload, rounds: int, threads: int, switch: Burners, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Tokens per second of each round: `idle_one`, `idle_several`, `busy_one` and `busy_several`.

    Every speed is of the same network, with the matmul backend for the current number of threads.
    """
    step, batches = SeqlabStep(work), itertools.cycle(work.batches())

    def speed(number: int, busy: bool) -> float:
        switch.switch(on=busy)
        with numerics("cpu", number):
            return _tokens_per_second(step, batches, clock)

    measurements = {
        f"{state}_{name}": partial(speed, number, state == "busy")
        for state in ("idle", "busy")
        for name, number in (("one", 1), ("several", threads))
    }
    interleaved(measurements, WARM_ROUNDS)
    try:
        return interleaved(measurements, rounds)
    finally:
        switch.switch(on=False)


def row(work: Workload, taken: dict[str, list[float]]) -> BusyRow:
    """The measurements of a workload as medians and quartiles."""
    return BusyRow(
        workload=work.name,
        about=work.about,
        **{name: quartiles(values) for name, values in taken.items()},
        idle_ratio=quartiles(ratios(taken["idle_several"], taken["idle_one"])),
        busy_ratio=quartiles(ratios(taken["busy_several"], taken["busy_one"])),
        goal=GOAL,
    )


def _tokens_per_second(step: TrainingStep, batches: itertools.cycle[Batch], clock: Clock) -> float:
    """Speed of the steps that `MEASURED_SECONDS` have time for, after one that does not count."""
    step(next(batches))
    tokens, began = 0, clock()
    while (passed := clock() - began) < MEASURED_SECONDS:
        batch = next(batches)
        step(batch)
        tokens += int(batch.inputs.lengths.sum())
    return tokens / passed
