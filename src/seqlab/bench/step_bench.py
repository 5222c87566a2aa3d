"""`seqlab bench step`: whole training steps against other ways of doing the same."""

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
    Spread,
    in_own_process,
    interleaved,
    peak_probe,
    ratios,
    seconds,
    spread,
)
from seqlab.bench.own import SeqlabStep, first_weights
from seqlab.bench.result import Result, check_rounds, result
from seqlab.bench.workload import TrainingStep, Workload
from seqlab.data.batch import Batch
from seqlab.experiment.numerics import numerics
from seqlab.runs import environment

Side = Literal["seqlab", "theirs"]

MEMORY_STEPS = 3
"""Steps behind which the peak of memory is read."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Peak resident memory of a process that does nothing but take a few steps, Python and torch included."""

    seqlab_mib: float
    their_mib: float


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """One workload.

    seqlab_seconds, their_seconds: of one step. Their medians pass over the rare step in which seqlab brings
    all rows of a table up to date (one in `seqlab.experiment.row_wise.WINDOW`; 2 % of `imdb-linear`'s time).
    ratio: theirs over seqlab's, of each round.
    gflop: of the step's matrix products; share_of_peak: the rate seqlab does them at, as a fraction of the
    machine's peak (medians), which is in GFLOP/s.
    """

    workload: str
    about: str
    against: str
    goal: float
    seqlab_seconds: Spread
    their_seconds: Spread
    ratio: Spread
    gflop: float
    share_of_peak: float
    peak: Spread
    memory: Memory | None


def carry_out(
    works: Sequence[Workload],
    *,
    rounds: int,
    threads: int | None,
    memory: bool,
    working: Callable[[str], None],
) -> Result[StepRow]:
    """Measure workloads one after the other.

    Args:
        works: what to measure.
        rounds: steps timed on each side.
        threads: of the numerical libraries; None is all cores.
        memory: whether the peaks of memory are measured, too.
        working: told what is done from now on.

    Raises:
        UserError: rounds or threads are not positive.
    """
    check_rounds(rounds)
    with numerics("cpu", threads):
        used = torch.get_num_threads()
        # First, because a new process inherits the peak of the one that starts it.
        peaks: list[Memory | None] = [None] * len(works)
        if memory:
            working("Memory of each side")
            peaks = [_memory(work, used) for work in works]
        rows: list[StepRow] = []
        probe = peak_probe()
        for work, peak in zip(works, peaks, strict=True):
            working(f"{work.name}, {rounds} rounds")
            rows.append(row(work, measure(work, rounds, probe), peak))
        return result(rows, peak=probe, rounds=rounds)


def measure(
    work: Workload, rounds: int, probe: Callable[[], float], clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of `seqlab` and `theirs`, and the `peak`, round by round; first weights are equal."""
    ours = SeqlabStep(work)
    theirs = work.theirs(ours.model.state_dict())
    batches = work.batches()
    measurements = {
        "seqlab": _timed(ours, batches, clock),
        "theirs": _timed(theirs, batches, clock),
        "peak": probe,
    }
    interleaved(measurements, WARM_ROUNDS)
    return interleaved(measurements, rounds)


def row(work: Workload, taken: dict[str, list[float]], memory: Memory | None) -> StepRow:
    """What `measure` took, in medians and quartiles."""
    ours, peak = spread(taken["seqlab"]), spread(taken["peak"])
    return StepRow(
        workload=work.name,
        about=work.about,
        against=work.against,
        goal=work.goal,
        seqlab_seconds=ours,
        their_seconds=spread(taken["theirs"]),
        ratio=spread(ratios(taken["theirs"], taken["seqlab"])),
        gflop=work.gflop,
        share_of_peak=work.gflop / ours.median / peak.median,
        peak=peak,
        memory=memory,
    )


def peak_of_steps(side: Side, work: Workload, threads: int) -> float:
    """Peak resident memory of this process, MiB, behind a few steps of one side."""
    with numerics("cpu", threads):
        step: TrainingStep = SeqlabStep(work) if side == "seqlab" else work.theirs(first_weights(work))
        for batch in itertools.islice(work.batches(), MEMORY_STEPS):
            step(batch)
    return environment.peak_memory_mib()


def _memory(work: Workload, threads: int) -> Memory:
    return Memory(
        seqlab_mib=in_own_process(peak_of_steps, "seqlab", work, threads),
        their_mib=in_own_process(peak_of_steps, "theirs", work, threads),
    )


def _timed(step: TrainingStep, batches: Sequence[Batch], clock: Clock) -> Callable[[], float]:
    """A measurement that takes the next batch each time."""
    upcoming = itertools.cycle(batches)
    return lambda: seconds(partial(step, next(upcoming)), clock)
