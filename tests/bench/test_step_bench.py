"""Rows from measurements of training steps."""

from __future__ import annotations

import itertools

import pytest
from small_workloads import SMALL

from seqlab.bench import step_bench
from seqlab.bench.measure import WARM_ROUNDS, Quartiles
from seqlab.bench.step_bench import Memory, row, run
from seqlab.schema.errors import UserError

WORK = SMALL["imdb-linear"]


def test_a_row_by_hand() -> None:
    taken = {"seqlab": [1.0, 2.0, 4.0], "reference": [2.0, 6.0, 4.0], "peak": [10.0, 20.0, 40.0]}
    memory = Memory(seqlab_mib=100.0, reference_mib=200.0)
    found = row(WORK, taken, memory)
    assert (found.workload, found.against, found.goal) == ("imdb-linear", "plain PyTorch", 3.0)
    assert found.seqlab_seconds == Quartiles(1.5, 2.0, 3.0)
    assert found.reference_seconds == Quartiles(3.0, 4.0, 5.0)
    assert found.ratio == Quartiles(1.5, 2.0, 2.5)
    assert found.peak == Quartiles(15.0, 20.0, 30.0)
    # 15 tokens through 4 x 7 weights, 3 texts through 7 x 2.
    assert found.gflop == pytest.approx(6e-9 * (15 * 28 + 3 * 14))
    assert found.share_of_peak == pytest.approx(found.gflop / 2 / 20)
    assert found.memory is memory


def test_every_round_measures_both_sides_and_the_peak() -> None:
    ticks, probed = itertools.count(), itertools.count(10)
    taken = step_bench.measure(WORK, 3, lambda: float(next(probed)), clock=lambda: float(next(ticks)))
    assert taken["seqlab"] == taken["reference"] == [1.0] * 3
    first = 10.0 + WARM_ROUNDS
    assert taken["peak"] == [first, first + 1, first + 2]


@pytest.mark.parametrize(
    ("rounds", "threads", "words"),
    [
        (0, None, "'rounds' must be at least 1. Got 0."),
        (-2, None, "'rounds' must be at least 1. Got -2."),
        (1, 0, "'threads' must be at least 1. Got 0."),
    ],
)
def test_invalid_numbers_are_refused(rounds: int, threads: int | None, words: str) -> None:
    with pytest.raises(UserError, match=words):
        run([], rounds=rounds, threads=threads, memory=False, announce=print)
