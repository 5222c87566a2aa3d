"""`seqlab bench layers`: one recurrent layer, forward and backward, against torch's own.

Legend: B rows, T steps, E inputs, H units, G gates.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqlab.bench.measure import (
    WARM_ROUNDS,
    Clock,
    Spread,
    interleaved,
    peak_probe,
    ratios,
    seconds,
    spread,
)
from seqlab.bench.result import Result, check_rounds, picked, result
from seqlab.experiment.numerics import numerics
from seqlab.nn.cells import CELLS
from seqlab.nn.recurrent import RecurrentStack

RNN, GRU, LSTM = "torch.nn.RNN", "torch.nn.GRU", "torch.nn.LSTM"
TORCH: Mapping[str, type[nn.RNN] | type[nn.GRU] | type[nn.LSTM]] = {RNN: nn.RNN, GRU: nn.GRU, LSTM: nn.LSTM}
RIVALS: Mapping[str, str] = {"elman": RNN, "gru": GRU, "gru-reset-before": GRU, "lstm": LSTM}
"""Torch's layer for each cell. Its GRU has the reset gate after the product, at as many operations."""

SEED = 1
PRODUCTS = 3
"""Of each weight matrix: one forward, one for its own gradient, one for that of what it is multiplied by."""
LEAST_GFLOP = 1.0
"""A measurement has as much to do: shorter passes are repeated, and their mean counts."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of a layer and its batch: B, T, E, H.

    goals: how many times as fast as torch's layers seqlab wants to be, on AMD processors with AVX-512.
    share: of the machine's peak that seqlab wants to reach, as a fraction; None where no share is wanted.
    """

    rows: int
    steps: int
    inputs: int
    hidden: int
    goals: Mapping[str, float]
    share: float | None

    @property
    def name(self) -> str:
        """The sizes, B x T x E x H."""
        return f"{self.rows}x{self.steps}x{self.inputs}x{self.hidden}"

    def gflop(self, cell: str) -> float:
        """Of the matrix products of one forward and backward pass, in 10^9 operations."""
        weights = CELLS[cell].gates * self.hidden * (self.inputs + self.hidden)
        return 2e-9 * PRODUCTS * weights * self.rows * self.steps


def _shape(sizes: tuple[int, int, int, int], goals: tuple[float, float, float], share: float | None) -> Shape:
    """A shape from B, T, E, H and the goals against GRU, RNN, LSTM."""
    rows, steps, inputs, hidden = sizes
    by_rival: dict[str, float] = dict(zip((GRU, RNN, LSTM), goals, strict=True))
    return Shape(rows=rows, steps=steps, inputs=inputs, hidden=hidden, goals=by_rival, share=share)


_ALL = (
    _shape((128, 200, 300, 300), (2.7, 2.5, 1.4), 0.65),
    _shape((20, 35, 650, 650), (3.2, 2.8, 1.15), 0.65),
    _shape((20, 35, 1500, 1500), (3.2, 3.2, 1.35), 0.60),
    _shape((64, 100, 128, 128), (3.0, 2.7, 1.1), 0.45),
    _shape((256, 40, 32, 16), (4.5, 3.5, 2.0), None),
    _shape((1, 1000, 256, 256), (10.0, 9.0, 1.4), None),
)
SHAPES: Mapping[str, Shape] = {shape.name: shape for shape in _ALL}


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One cell at one shape.

    against: torch's layer. seqlab_seconds, torch_seconds: of one forward and backward pass.
    ratio: torch's over seqlab's, of each round. goal: see `Shape.goals`.
    gflop: see `Shape.gflop`. share_of_peak: the rate seqlab does them at, as a fraction of the machine's
    peak, which is in GFLOP/s, of each round. goal_share: see `Shape.share`.
    """

    shape: str
    cell: str
    against: str
    seqlab_seconds: Spread
    torch_seconds: Spread
    ratio: Spread
    goal: float
    gflop: float
    share_of_peak: Spread
    goal_share: float | None
    peak: Spread


class LayerPass:
    """A layer's forward and backward pass, all gradients wanted.

    Args:
        layer: from inputs to outputs.
        parameters: of the layer.
        x: inputs.
        dy: gradient with respect to the outputs.
    """

    def __init__(
        self,
        layer: Callable[[Tensor], Tensor],
        parameters: Iterable[Tensor],
        x: Float[Tensor, "B T E"],
        dy: Float[Tensor, "B T H"],
    ):
        self.x = x.clone().requires_grad_()
        self._layer, self._dy, self._leaves = layer, dy, [self.x, *parameters]

    def __call__(self) -> None:
        """Leaves the gradients in their tensors."""
        torch.autograd.backward(self._layer(self.x), self._dy)

    def reset(self) -> None:
        """Forget the gradients."""
        for leaf in self._leaves:
            leaf.grad = None

    def gradients(self) -> list[Tensor | None]:
        """Of the inputs and the parameters."""
        return [leaf.grad for leaf in self._leaves]


def carry_out(
    shapes: Sequence[Shape],
    cells: Sequence[str],
    *,
    rounds: int,
    threads: int | None,
    working: Callable[[str], None],
) -> Result[LayerRow]:
    """Measure every cell at every shape, one after the other.

    Args:
        shapes: sizes.
        cells: keys of `RIVALS`.
        rounds: measurements of each side.
        threads: of the numerical libraries; None is all cores.
        working: told what is done from now on.

    Raises:
        UserError: rounds or threads are not positive.
    """
    check_rounds(rounds)
    with numerics("cpu", threads):
        probe = peak_probe()
        rows: list[LayerRow] = []
        for shape in shapes:
            for cell in cells:
                working(f"{shape.name}, {cell}, {rounds} rounds")
                rows.append(row(shape, cell, measure(shape, cell, rounds, probe)))
        return result(rows, peak=probe, rounds=rounds)


def measure(
    shape: Shape, cell: str, rounds: int, probe: Callable[[], float], clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of a pass of `torch` and `seqlab`, and the `peak`, round by round."""
    ours, theirs = passes(shape, cell)
    repeats = math.ceil(LEAST_GFLOP / shape.gflop(cell))
    measurements = {
        "torch": lambda: _mean_seconds(theirs, repeats, clock),
        "seqlab": lambda: _mean_seconds(ours, repeats, clock),
        "peak": probe,
    }
    interleaved(measurements, WARM_ROUNDS)
    return interleaved(measurements, rounds)


def passes(shape: Shape, cell: str) -> tuple[LayerPass, LayerPass]:
    """Seqlab's layer and torch's with equal weights, inputs and gradients of the outputs."""
    random = torch.Generator().manual_seed(SEED)
    ours = RecurrentStack(cell, shape.inputs, shape.hidden, generator=random)
    theirs = TORCH[RIVALS[cell]](shape.inputs, shape.hidden, batch_first=True)
    # Where seqlab's cell has one bias, torch's second one is 0.
    biases = {"bias_hh_l0": torch.zeros(ours.cell.gates * shape.hidden)}
    theirs.load_state_dict(biases | ours.state_dict())
    lengths = torch.full((shape.rows,), shape.steps)
    x = torch.randn(shape.rows, shape.steps, shape.inputs, generator=random)
    dy = torch.randn(shape.rows, shape.steps, shape.hidden, generator=random)
    return (
        LayerPass(lambda x: ours(x, lengths)[0], ours.parameters(), x, dy),
        LayerPass(lambda x: theirs(x)[0], theirs.parameters(), x, dy),
    )


def row(shape: Shape, cell: str, taken: dict[str, list[float]]) -> LayerRow:
    """What `measure` took, in medians and quartiles."""
    gflop, rival = shape.gflop(cell), RIVALS[cell]
    shares = [gflop / ours / peak for ours, peak in zip(taken["seqlab"], taken["peak"], strict=True)]
    return LayerRow(
        shape=shape.name,
        cell=cell,
        against=rival,
        seqlab_seconds=spread(taken["seqlab"]),
        torch_seconds=spread(taken["torch"]),
        ratio=spread(ratios(taken["torch"], taken["seqlab"])),
        goal=shape.goals[rival],
        gflop=gflop,
        share_of_peak=spread(shares),
        goal_share=shape.share,
        peak=spread(taken["peak"]),
    )


def shapes_named(names: Sequence[str]) -> list[Shape]:
    """The shapes of these names, each once; all of them where none is named.

    Raises:
        UserError: there is no shape of a name.
    """
    return picked("shape", names, SHAPES)


def cells_named(names: Sequence[str]) -> list[str]:
    """The cells of these names, each once; all that are measured where none is named.

    Raises:
        UserError: no cell of a name is measured.
    """
    return picked("cell", names, {cell: cell for cell in RIVALS})


def _mean_seconds(one_pass: LayerPass, repeats: int, clock: Clock) -> float:
    """Seconds of a pass, the mean of some; forgetting the gradients before each does not count."""
    total = 0.0
    for _ in range(repeats):
        one_pass.reset()
        total += seconds(one_pass, clock)
    return total / repeats
