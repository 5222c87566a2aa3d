"""Layers compared with torch's: equal work on both sides, and rows from measurements."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from seqlab.bench import layer_bench
from seqlab.bench.layer_bench import (
    SHAPES,
    TORCH_LAYERS,
    Shape,
    cells_named,
    measure,
    passes,
    row,
    run,
    shapes_named,
)
from seqlab.bench.measure import WARM_ROUNDS, Quartiles
from seqlab.nn.cells import CELLS
from seqlab.nn.native import builds
from seqlab.schema.errors import UserError

SMALL = replace(SHAPES["64x100x128x128"], batch=3, steps=7, inputs=5, hidden=6)
each = pytest.mark.parametrize("cell", TORCH_LAYERS)
SAME_EQUATIONS = [cell for cell in TORCH_LAYERS if cell != "gru-reset-before"]
"""Cells that torch has with the same equations."""


@pytest.mark.parametrize("kernels", ["reference", builds.build_name()])
@pytest.mark.parametrize("cell", SAME_EQUATIONS)
def test_both_sides_compute_the_same(cell: str, kernels: str) -> None:
    """Equal gradients of inputs and weights imply equal weights, inputs and gradients of the outputs."""
    seqlab_pass, torch_pass = passes(SMALL, cell)
    with builds.use_build(kernels):
        seqlab_pass()
    torch_pass()
    pairs = list(zip(seqlab_pass.gradients(), torch_pass.gradients(), strict=True))
    assert len(pairs) == 5
    for found, expected in pairs:
        assert found is not None
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_reset_gate_before_the_product_has_the_same_number_of_operations() -> None:
    seqlab_pass, torch_pass = passes(SMALL, "gru-reset-before")
    seqlab_pass()
    torch_pass()
    gradients, torch_gradients = seqlab_pass.gradients(), torch_pass.gradients()
    assert all(gradient is not None for gradient in [*gradients, *torch_gradients])
    shapes = [tuple(gradient.shape) for gradient in torch_gradients if gradient is not None]
    # Torch has a second bias.
    assert [tuple(gradient.shape) for gradient in gradients if gradient is not None] == shapes[:-1]


@each
def test_gradients_do_not_accumulate(cell: str) -> None:
    timed, _ = passes(SMALL, cell)
    timed()
    first = timed.x.grad
    timed.reset()
    assert timed.gradients() == [None] * len(timed.gradients())
    timed()
    assert timed.x.grad is not first
    torch.testing.assert_close(timed.x.grad, first)


@each
def test_every_round_measures_both_sides_and_the_peak(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that advances by one second with each reading."""
    monkeypatch.setattr(layer_bench, "MIN_GFLOP", 2.5 * SMALL.gflop(cell))
    ticks, probed, calls = itertools.count(), itertools.count(10), []
    call = layer_bench.TimedPass.__call__
    monkeypatch.setattr(layer_bench.TimedPass, "__call__", lambda self: calls.append(self) or call(self))
    taken = measure(SMALL, cell, 3, lambda: float(next(probed)), clock=lambda: float(next(ticks)))
    assert taken["seqlab"] == taken["torch"] == [1.0] * 3
    first = 10.0 + WARM_ROUNDS
    assert taken["peak"] == [first, first + 1, first + 2]
    # Three passes are the least with this number of operations; the sides take turns.
    torch_pass, seqlab_pass = calls[0], calls[3]
    assert calls == ([torch_pass] * 3 + [seqlab_pass] * 3) * (WARM_ROUNDS + 3)


def test_a_row_by_hand() -> None:
    gflop = 6e-9 * 3 * 7 * 4 * 6 * (5 + 6)
    taken = {"seqlab": [1.0, 2.0, 4.0], "torch": [2.0, 6.0, 4.0], "peak": [gflop, gflop, gflop / 4]}
    found = row(SMALL, "lstm", taken)
    assert (found.shape, found.cell, found.against) == ("3x7x5x6", "lstm", "torch.nn.LSTM")
    assert (found.goal, found.goal_share) == (1.1, 0.45)
    assert found.seqlab_seconds == Quartiles(1.5, 2.0, 3.0)
    assert found.torch_seconds == Quartiles(3.0, 4.0, 5.0)
    assert found.ratio == Quartiles(1.5, 2.0, 2.5)
    assert found.gflop == pytest.approx(gflop)
    # 1, 1/2 and 1: a round in which the machine was slower does not lower the share.
    assert (found.share_of_peak.lower, found.share_of_peak.median) == pytest.approx((0.75, 1.0))


def test_every_cell_has_a_row_at_every_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_bench, "MIN_GFLOP", 1e-12)
    announced: list[str] = []
    shapes = [SMALL, replace(SMALL, batch=1)]
    measured = run(shapes, list(TORCH_LAYERS), rounds=1, threads=1, announce=announced.append)
    rows = [(row.shape, row.cell) for row in measured.rows]
    assert rows == [(shape, cell) for shape in ("3x7x5x6", "1x7x5x6") for cell in TORCH_LAYERS]
    assert announced[0] == "3x7x5x6, elman, 1 rounds"
    assert len(announced) == 8
    assert (measured.threads, measured.rounds, measured.kernels) == (1, 1, builds.build_name())
    assert measured.torch == torch.__version__


def test_the_table_of_shapes_has_these_goals() -> None:
    assert {name: (shape.goals, shape.share) for name, shape in SHAPES.items()} == {
        "128x200x300x300": (_goals(2.7, 2.5, 1.4), 0.65),
        "20x35x650x650": (_goals(3.2, 2.8, 1.15), 0.65),
        "20x35x1500x1500": (_goals(3.2, 3.2, 1.35), 0.6),
        "64x100x128x128": (_goals(3.0, 2.7, 1.1), 0.45),
        "256x40x32x16": (_goals(4.5, 3.5, 2.0), None),
        "1x1000x256x256": (_goals(10.0, 9.0, 1.4), None),
    }
    assert set(TORCH_LAYERS) == set(CELLS) - {"elman-concat", "elman-relu"}
    assert {TORCH_LAYERS[cell] for cell in ("gru-reset-before", "gru")} == {"torch.nn.GRU"}


def _goals(gru: float, rnn: float, lstm: float) -> dict[str, float]:
    return {"torch.nn.GRU": gru, "torch.nn.RNN": rnn, "torch.nn.LSTM": lstm}


@each
def test_operations_are_those_of_the_weights(cell: str) -> None:
    """Every weight matrix meets every token three times, two operations each."""
    seqlab_pass, _ = passes(SMALL, cell)
    seqlab_pass()
    weights = sum(g.numel() for g in seqlab_pass.gradients()[1:] if g is not None and g.dim() == 2)
    assert SMALL.gflop(cell) == pytest.approx(6e-9 * 3 * 7 * weights)


def test_shapes_and_cells_by_name() -> None:
    assert shapes_named([]) == list(SHAPES.values())
    assert [shape.name for shape in shapes_named(["256x40x32x16", "256x40x32x16"])] == ["256x40x32x16"]
    assert cells_named([]) == list(TORCH_LAYERS)
    assert cells_named(["lstm", "elman", "lstm"]) == ["lstm", "elman"]
    with pytest.raises(UserError, match=r"There is no shape '20x35x65x650'\. Nearest: '20x35x650x650'"):
        shapes_named(["20x35x65x650"])
    with pytest.raises(UserError, match=r"There is no cell 'lsmt'\. Nearest: 'lstm'"):
        cells_named(["lsmt"])


@pytest.mark.parametrize(
    ("rounds", "threads", "words"),
    [(0, None, "'rounds' must be at least 1. Got 0."), (1, 0, "'threads' must be at least 1. Got 0.")],
)
def test_invalid_numbers_are_refused(rounds: int, threads: int | None, words: str) -> None:
    shapes: list[Shape] = []
    with pytest.raises(UserError, match=words):
        run(shapes, [], rounds=rounds, threads=threads, announce=print)
