"""From measurements to a row."""

from __future__ import annotations

import itertools
from functools import partial

import pytest
from small_workloads import SMALL

from seqlab.bench import step
from seqlab.bench.measure import MatrixPeak, Spread
from seqlab.bench.step import Memory, carry_out, row
from seqlab.schema.errors import UserError

WORK = SMALL["imdb-linear"]


def test_a_row_by_hand() -> None:
    taken = {"seqlab": [1.0, 2.0, 4.0], "theirs": [2.0, 6.0, 4.0], "peak": [10.0, 20.0, 40.0]}
    memory = Memory(seqlab_mib=100.0, their_mib=200.0)
    found = row(WORK, taken, memory)
    assert (found.workload, found.against, found.goal) == ("imdb-linear", "plain PyTorch", 3.0)
    assert found.seqlab_seconds == Spread(1.5, 2.0, 3.0)
    assert found.their_seconds == Spread(3.0, 4.0, 5.0)
    assert found.ratio == Spread(1.5, 2.0, 2.5)
    assert found.matrix_peak == Spread(15.0, 20.0, 30.0)
    # 15 tokens through 4 x 7 weights, 3 texts through 7 x 2.
    assert found.gflop == pytest.approx(6e-9 * (15 * 28 + 3 * 14))
    assert found.share_of_peak == pytest.approx(found.gflop / 2 / 20)
    assert found.memory is memory


def test_every_round_measures_both_sides_and_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "MatrixPeak", partial(MatrixPeak, (4, 8)))
    ticks = itertools.count()
    taken = step.measure(WORK, rounds=3, clock=lambda: float(next(ticks)))
    assert taken["seqlab"] == taken["theirs"] == [1.0] * 3
    # All products take one second each, so the largest has the best rate.
    assert taken["peak"] == pytest.approx([2e-9 * 8**3] * 3)


@pytest.mark.parametrize(
    ("rounds", "threads", "words"),
    [
        (0, None, "'rounds' must be at least 1. Got 0."),
        (-2, None, "'rounds' must be at least 1. Got -2."),
        (1, 0, "'threads' must be at least 1. Got 0."),
    ],
)
def test_numbers_that_cannot_be(rounds: int, threads: int | None, words: str) -> None:
    with pytest.raises(UserError, match=words):
        carry_out([], rounds=rounds, threads=threads, memory=False, working=print)
