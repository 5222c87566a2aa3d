"""`seqlab bench step`: whole training steps of seqlab, compared with those of other code."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from seqlab.bench.measure import (
    WARM_ROUNDS,
    Clock,
    Quartiles,
    in_own_process,
    interleaved,
    peak_probe,
    quartiles,
    ratios,
    seconds,
)
from seqlab.bench.result import Result, check_rounds, result
from seqlab.bench.seqlab_step import SeqlabStep, initial_weights
from seqlab.bench.workload import TrainingStep, Workload
from seqlab.data.batch import Batch
from seqlab.experiment.numerics import numerics
from seqlab.runs import environment

Side = Literal["seqlab", "reference"]

MEMORY_STEPS = 3
"""Steps after which the peak of memory is read."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Peak resident memory of a process that only takes a few steps, including Python and torch."""

    seqlab_mib: float
    reference_mib: float


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """One workload.

    seqlab_seconds, reference_seconds: of one step. Medians leave out the rare step in which seqlab brings all
    rows of a table up to date (one in `seqlab.experiment.row_wise.WINDOW`; 2 % of `imdb-linear`'s time).
    ratio: the reference's over seqlab's, of each round. gflop: of the step's matrix products.
    share_of_peak: seqlab's rate of them, as a fraction of the machine's peak (medians), which is in GFLOP/s.
    """

    workload: str
    about: str
    against: str
    goal: float
    seqlab_seconds: Quartiles
    reference_seconds: Quartiles
    ratio: Quartiles
    gflop: float
    share_of_peak: float
    peak: Quartiles
    memory: Memory | None


def run(
    works: Sequence[Workload],
    *,
    rounds: int,
    threads: int | None,
    memory: bool,
    announce: Callable[[str], None],
) -> Result[StepRow]:
    """Measure workloads one after the other.

    Args:
        works: the workloads.
        rounds: steps timed on each side.
        threads: of the numerical libraries; None is `default_threads`.
        memory: whether peaks of memory are measured, too.
        announce: called with what is measured next.

    Raises:
        UserError: rounds or threads are not positive.
    """
    check_rounds(rounds)
    with numerics("cpu", threads):
        used = torch.get_num_threads()
        # Measured first, because a new process inherits the peak of the one that starts it.
        peaks: list[Memory | None] = [None] * len(works)
        if memory:
            announce("Memory of each side")
            peaks = [_memory(work, used) for work in works]
        rows: list[StepRow] = []
        probe = peak_probe()
        for work, peak in zip(works, peaks, strict=True):
            announce(f"{work.name}, {rounds} rounds")
            rows.append(row(work, measure(work, rounds, probe), peak))
        return result(rows, peak=probe, rounds=rounds)


def measure(
    work: Workload, rounds: int, probe: Callable[[], float], clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of `seqlab` and `reference`, and the `peak`, of each round; initial weights are equal."""
    seqlab = SeqlabStep(work)
    reference = work.reference_step(seqlab.model.state_dict())
    batches = work.batches()
    measurements = {
        "seqlab": _timed(seqlab, batches, clock),
        "reference": _timed(reference, batches, clock),
        "peak": probe,
    }
    # Sides alternate within each round, so that a slower moment of the machine affects both.
    interleaved(measurements, WARM_ROUNDS)
    return interleaved(measurements, rounds)


def row(work: Workload, taken: dict[str, list[float]], memory: Memory | None) -> StepRow:
    """The measurements of a workload as medians and quartiles."""
    seqlab, peak = quartiles(taken["seqlab"]), quartiles(taken["peak"])
    return StepRow(
        workload=work.name,
        about=work.about,
        against=work.against,
        goal=work.goal,
        seqlab_seconds=seqlab,
        reference_seconds=quartiles(taken["reference"]),
        ratio=quartiles(ratios(taken["reference"], taken["seqlab"])),
        gflop=work.gflop,
        share_of_peak=work.gflop / seqlab.median / peak.median,
        peak=peak,
        memory=memory,
    )


def peak_of_steps(side: Side, work: Workload, threads: int) -> float:
    """Peak resident memory of this process, in MiB, after a few steps of one side."""
    with numerics("cpu", threads):
        step: TrainingStep
        step = SeqlabStep(work) if side == "seqlab" else work.reference_step(initial_weights(work))
        for batch in itertools.islice(work.batches(), MEMORY_STEPS):
            step(batch)
    return environment.peak_memory_mib()


def _memory(work: Workload, threads: int) -> Memory:
    return Memory(
        seqlab_mib=in_own_process(peak_of_steps, "seqlab", work, threads),
        reference_mib=in_own_process(peak_of_steps, "reference", work, threads),
    )


def _timed(step: TrainingStep, batches: Sequence[Batch], clock: Clock) -> Callable[[], float]:
    """A measurement of one step, with the next batch each time."""
    upcoming = itertools.cycle(batches)
    return lambda: seconds(partial(step, next(upcoming)), clock)
