"""Medians, ratios and rates by hand, on clocks that the test controls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import pytest

from seqlab.bench import measure
from seqlab.bench.measure import (
    MatrixPeak,
    Quartiles,
    in_own_process,
    interleaved,
    peak_probe,
    quartiles,
    ratios,
    seconds,
)
from seqlab.nn.native import builds
from seqlab.runs import environment


class Clock:
    """Advances only when the test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def work(self, durations: Sequence[float]) -> Callable[[], None]:
        """A function whose calls take these seconds, one after the other."""
        upcoming = iter(durations)

        def call() -> None:
            self.now += next(upcoming)

        return call


def test_seconds_are_those_of_the_call_alone() -> None:
    clock = Clock()
    work = clock.work([3.0, 0.5])
    assert seconds(work, clock) == 3.0
    clock.now += 10
    assert seconds(work, clock) == 0.5


def test_each_round_takes_every_measurement_in_turn() -> None:
    order: list[str] = []

    def measurement(name: str) -> Callable[[], float]:
        def take() -> float:
            order.append(name)
            return float(len(order))

        return take

    taken = interleaved({name: measurement(name) for name in "ABC"}, rounds=3)
    assert "".join(order) == "ABCABCABC"
    assert taken == {"A": [1, 4, 7], "B": [2, 5, 8], "C": [3, 6, 9]}


def test_the_ratio_is_the_median_over_rounds() -> None:
    clock = Clock()
    # In the third round the machine is slower, for both.
    first, second = clock.work([1.0, 2.0, 10.0]), clock.work([2.0, 6.0, 15.0])
    taken = interleaved({"A": lambda: seconds(first, clock), "B": lambda: seconds(second, clock)}, 3)
    assert ratios(taken["B"], taken["A"]) == [2.0, 3.0, 1.5]
    assert quartiles(ratios(taken["B"], taken["A"])) == Quartiles(1.75, 2.0, 2.5)
    assert quartiles(taken["A"]) == Quartiles(1.5, 2.0, 6.0)


def test_one_measurement_is_its_own_spread() -> None:
    assert quartiles([2.5]) == Quartiles(2.5, 2.5, 2.5)


def _readings(durations: Sequence[float]) -> Iterator[float]:
    for duration in durations:
        yield 0.0
        yield duration


def test_the_matrix_peak_is_the_best_rate_over_sizes_and_repeats() -> None:
    # 2 x 2 matrices take 16 operations, 4 x 4 take 128: at best 16 and 32 per second.
    readings = _readings([1.0, 2.0, 4.0, 8.0, 4.0, 16.0])
    assert measure.REPEATS == 3
    assert math.isclose(MatrixPeak((2, 4), clock=lambda: next(readings))(), 32e-9)
    assert next(readings, None) is None


def test_the_matrices_of_the_probe_fit_in_caches() -> None:
    assert all(3 * 4 * n * n <= 12 * 2**20 for n in measure.SIZES)


@pytest.mark.parametrize("kernels", builds.available_builds())
def test_the_peak_is_that_of_the_library_in_use(kernels: str) -> None:
    with builds.use_build(kernels):
        probe = peak_probe()
    assert probe.of == ("matrix products" if kernels == "reference" else "multiply-adds")
    if kernels != "reference":
        assert 0.1 < probe() < 100_000


@pytest.mark.slow
def test_memory_is_that_of_a_separate_process() -> None:
    mib = in_own_process(environment.peak_memory_mib)
    assert 10 < mib < 10_000
