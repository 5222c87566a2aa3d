"""Measuring on a machine that others use: in turn, again and again, judged by medians.

A machine that slows down for a while slows down everything that is measured in that round, so ratios
within a round hold better than seconds do.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec

import numpy as np
import torch

from seqlab.nn.native import builds
from seqlab.nn.native.binding import Library

Clock = Callable[[], float]
P = ParamSpec("P")

WARM_ROUNDS = 2
"""Rounds before those that count: the first ones allocate what later ones find."""
SIZES = (384, 512, 768, 1024)
"""Sides of square matrices, float32: three of the smallest have 2 MiB together, of the largest 12 MiB."""
REPEATS = 3
"""Products a size: the first one finds caches full of what ran before."""


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of what was measured, in its unit."""

    lower: float
    median: float
    upper: float


def spread(values: Sequence[float]) -> Spread:
    """Quartiles, interpolated between neighbours.

    >>> spread([4.0, 1.0, 2.0])
    Spread(lower=1.5, median=2.0, upper=3.0)
    """
    lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    return Spread(lower, median, upper)


def ratios(theirs: Sequence[float], ours: Sequence[float]) -> list[float]:
    """How many times as long theirs took, round by round."""
    return [their / our for their, our in zip(theirs, ours, strict=True)]


def seconds(work: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    """Seconds that one call takes."""
    began = clock()
    work()
    return clock() - began


def interleaved(measurements: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What was measured in each round; a round takes every measurement once, in their order."""
    taken: dict[str, list[float]] = {name: [] for name in measurements}
    for _ in range(rounds):
        for name, measure in measurements.items():
            taken[name].append(measure())
    return taken


class MultiplyAddPeak:
    """The rate of independent multiply-adds in a library's vectors, in GFLOP/s; takes some 2 ms."""

    of = "multiply-adds"

    def __init__(self, library: Library):
        self._probe = library.calls.seqlab_peak

    def __call__(self) -> float:
        """The rate now, of all threads together."""
        return self._probe(torch.get_num_threads())


class MatrixPeak:
    """The best rate of `torch.mm` over a few sizes that caches hold, in GFLOP/s."""

    of = "matrix products"

    def __init__(self, sizes: Sequence[int] = SIZES, clock: Clock = time.perf_counter):
        self._products = {n: partial(torch.mm, *torch.ones(2, n, n), out=torch.empty(n, n)) for n in sizes}
        self._clock = clock

    def __call__(self) -> float:
        """The best rate now."""
        return max(
            2e-9 * n**3 / seconds(product, self._clock)
            for n, product in self._products.items()
            for _ in range(REPEATS)
        )


Peak = MultiplyAddPeak | MatrixPeak


def peak_probe() -> Peak:
    """What the machine is asked for its peak: the native library, torch's products where it is not used."""
    library = builds.active_library()
    return MatrixPeak() if library is None else MultiplyAddPeak(library)


def in_own_process(function: Callable[P, float], *args: P.args, **kwargs: P.kwargs) -> float:
    """What a module's function returns in a new process, where nothing else has happened."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()
