"""Layers against torch's: equal work on both sides, and from measurements to a row."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from seqlab.bench import layer_bench as layers
from seqlab.bench.layer_bench import (
    RIVALS,
    SHAPES,
    Shape,
    carry_out,
    cells_named,
    measure,
    passes,
    row,
    shapes_named,
)
from seqlab.bench.measure import WARM_ROUNDS, Spread
from seqlab.nn.cells import CELLS
from seqlab.nn.native import builds
from seqlab.schema.errors import UserError

SMALL = replace(SHAPES["64x100x128x128"], rows=3, steps=7, inputs=5, hidden=6)
each = pytest.mark.parametrize("cell", RIVALS)
ALIKE = [cell for cell in RIVALS if cell != "gru-reset-before"]
"""Of which torch has the same equations."""


@pytest.mark.parametrize("kernels", ["reference", builds.build_name()])
@pytest.mark.parametrize("cell", ALIKE)
def test_both_sides_do_the_same(cell: str, kernels: str) -> None:
    """Equal gradients of inputs and weights tell of equal weights, inputs and gradients of the outputs."""
    ours, theirs = passes(SMALL, cell)
    with builds.use_build(kernels):
        ours()
    theirs()
    pairs = list(zip(ours.gradients(), theirs.gradients(), strict=True))
    assert len(pairs) == 5
    for found, expected in pairs:
        assert found is not None
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_reset_gate_before_has_as_many_operations() -> None:
    ours, theirs = passes(SMALL, "gru-reset-before")
    ours()
    theirs()
    gradients, torchs = ours.gradients(), theirs.gradients()
    assert all(gradient is not None for gradient in [*gradients, *torchs])
    shapes = [tuple(gradient.shape) for gradient in torchs if gradient is not None]
    # Torch has a second bias.
    assert [tuple(gradient.shape) for gradient in gradients if gradient is not None] == shapes[:-1]


@each
def test_gradients_do_not_pile_up(cell: str) -> None:
    one, _ = passes(SMALL, cell)
    one()
    first = one.x.grad
    one.reset()
    assert one.gradients() == [None] * len(one.gradients())
    one()
    assert one.x.grad is not first
    torch.testing.assert_close(one.x.grad, first)


@each
def test_every_round_measures_both_sides_and_the_peak(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that goes on by a second with each look at it."""
    monkeypatch.setattr(layers, "LEAST_GFLOP", 2.5 * SMALL.gflop(cell))
    ticks, probed, calls = itertools.count(), itertools.count(10), []
    call = layers.LayerPass.__call__
    monkeypatch.setattr(layers.LayerPass, "__call__", lambda self: calls.append(self) or call(self))
    taken = measure(SMALL, cell, 3, lambda: float(next(probed)), clock=lambda: float(next(ticks)))
    assert taken["seqlab"] == taken["torch"] == [1.0] * 3
    first = 10.0 + WARM_ROUNDS
    assert taken["peak"] == [first, first + 1, first + 2]
    # Three passes are the least that have so much to do; each side has its turn.
    theirs, ours = calls[0], calls[3]
    assert calls == ([theirs] * 3 + [ours] * 3) * (WARM_ROUNDS + 3)


def test_a_row_by_hand() -> None:
    gflop = 6e-9 * 3 * 7 * 4 * 6 * (5 + 6)
    taken = {"seqlab": [1.0, 2.0, 4.0], "torch": [2.0, 6.0, 4.0], "peak": [gflop, gflop, gflop / 4]}
    found = row(SMALL, "lstm", taken)
    assert (found.shape, found.cell, found.against) == ("3x7x5x6", "lstm", "torch.nn.LSTM")
    assert (found.goal, found.goal_share) == (1.1, 0.45)
    assert found.seqlab_seconds == Spread(1.5, 2.0, 3.0)
    assert found.torch_seconds == Spread(3.0, 4.0, 5.0)
    assert found.ratio == Spread(1.5, 2.0, 2.5)
    assert found.gflop == pytest.approx(gflop)
    # 1, 1/2 and 1: a round in which the machine was slower does not count against the layer.
    assert (found.share_of_peak.lower, found.share_of_peak.median) == pytest.approx((0.75, 1.0))


def test_every_cell_has_a_row_at_every_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "LEAST_GFLOP", 1e-12)
    told: list[str] = []
    shapes = [SMALL, replace(SMALL, rows=1)]
    found = carry_out(shapes, list(RIVALS), rounds=1, threads=1, working=told.append)
    rows = [(one.shape, one.cell) for one in found.rows]
    assert rows == [(shape, cell) for shape in ("3x7x5x6", "1x7x5x6") for cell in RIVALS]
    assert told[0] == "3x7x5x6, elman, 1 rounds"
    assert len(told) == 8
    assert (found.threads, found.rounds, found.kernels) == (1, 1, builds.build_name())
    assert found.torch == torch.__version__


def test_the_table_says_what_is_measured() -> None:
    assert {name: (shape.goals, shape.share) for name, shape in SHAPES.items()} == {
        "128x200x300x300": (_goals(2.7, 2.5, 1.4), 0.65),
        "20x35x650x650": (_goals(3.2, 2.8, 1.15), 0.65),
        "20x35x1500x1500": (_goals(3.2, 3.2, 1.35), 0.6),
        "64x100x128x128": (_goals(3.0, 2.7, 1.1), 0.45),
        "256x40x32x16": (_goals(4.5, 3.5, 2.0), None),
        "1x1000x256x256": (_goals(10.0, 9.0, 1.4), None),
    }
    assert set(RIVALS) == set(CELLS) - {"elman-relu"}
    assert {RIVALS[cell] for cell in ("gru-reset-before", "gru")} == {"torch.nn.GRU"}


def _goals(gru: float, rnn: float, lstm: float) -> dict[str, float]:
    return {"torch.nn.GRU": gru, "torch.nn.RNN": rnn, "torch.nn.LSTM": lstm}


@each
def test_operations_are_those_of_the_weights(cell: str) -> None:
    """Every weight matrix meets every token three times, two operations each."""
    ours, _ = passes(SMALL, cell)
    ours()
    weights = sum(g.numel() for g in ours.gradients()[1:] if g is not None and g.dim() == 2)
    assert SMALL.gflop(cell) == pytest.approx(6e-9 * 3 * 7 * weights)


def test_shapes_and_cells_by_name() -> None:
    assert shapes_named([]) == list(SHAPES.values())
    assert [shape.name for shape in shapes_named(["256x40x32x16", "256x40x32x16"])] == ["256x40x32x16"]
    assert cells_named([]) == list(RIVALS)
    assert cells_named(["lstm", "elman", "lstm"]) == ["lstm", "elman"]
    with pytest.raises(UserError, match=r"There is no shape '20x35x65x650'\. Nearest: '20x35x650x650'"):
        shapes_named(["20x35x65x650"])
    with pytest.raises(UserError, match=r"There is no cell 'lsmt'\. Nearest: 'lstm'"):
        cells_named(["lsmt"])


@pytest.mark.parametrize(
    ("rounds", "threads", "words"),
    [(0, None, "'rounds' must be at least 1. Got 0."), (1, 0, "'threads' must be at least 1. Got 0.")],
)
def test_numbers_that_cannot_be(rounds: int, threads: int | None, words: str) -> None:
    shapes: list[Shape] = []
    with pytest.raises(UserError, match=words):
        carry_out(shapes, [], rounds=rounds, threads=threads, working=print)
