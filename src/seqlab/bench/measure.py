"""Measuring time on a machine that others use, too: measurements take turns, and medians count.

A machine that is slower for a while is slower for everything that is measured in that round, so ratios within
a round vary less than seconds.
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
"""Rounds before those that count, because the first ones allocate memory that later ones reuse."""
SIZES = (384, 512, 768, 1024)
"""Sides of square float32 matrices: three of the smallest take 2 MiB, three of the largest 12 MiB."""
REPEATS = 3
"""Products per size: before the first one, the caches hold the data of other work."""


@dataclass(frozen=True)
class Quartiles:
    """Median and quartiles of measurements, in their unit."""

    lower: float
    median: float
    upper: float


def quartiles(values: Sequence[float]) -> Quartiles:
    """Quartiles, interpolated between neighbouring values.

    >>> quartiles([4.0, 1.0, 2.0])
    Quartiles(lower=1.5, median=2.0, upper=3.0)
    """
    lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    return Quartiles(lower, median, upper)


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """The ratio of two measurements in each round."""
    return [a / b for a, b in zip(numerators, denominators, strict=True)]


def seconds(function: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    """Seconds of one call."""
    began = clock()
    function()
    return clock() - began


def interleaved(measurements: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """The values of each measurement, one per round; a round takes every measurement once, in order."""
    taken: dict[str, list[float]] = {name: [] for name in measurements}
    for _ in range(rounds):
        for name, measure in measurements.items():
            taken[name].append(measure())
    return taken


class MultiplyAddPeak:
    """The rate of independent multiply-adds in a library's vectors, in GFLOP/s; takes about 2 ms."""

    of = "multiply-adds"

    def __init__(self, library: Library):
        self._probe = library.calls.seqlab_peak

    def __call__(self) -> float:
        """The current rate of all threads together."""
        return self._probe(torch.get_num_threads())


class MatrixPeak:
    """The best rate of `torch.mm` over a few sizes that fit in caches, in GFLOP/s."""

    of = "matrix products"

    def __init__(self, sizes: Sequence[int] = SIZES, clock: Clock = time.perf_counter):
        self._products = {n: partial(torch.mm, *torch.ones(2, n, n), out=torch.empty(n, n)) for n in sizes}
        self._clock = clock

    def __call__(self) -> float:
        """The current best rate."""
        return max(
            2e-9 * n**3 / seconds(product, self._clock)
            for n, product in self._products.items()
            for _ in range(REPEATS)
        )


Peak = MultiplyAddPeak | MatrixPeak


def peak_probe() -> Peak:
    """The measurement of the machine's peak: by the native library, or by torch where that is not used."""
    library = builds.active_library()
    return MatrixPeak() if library is None else MultiplyAddPeak(library)


def in_own_process(function: Callable[P, float], *args: P.args, **kwargs: P.kwargs) -> float:
    """The result of a module's function in a new process, which has done nothing else."""
    # Spawned, because a forked process would begin with the memory of its parent.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()
