"""`seqlab bench layers`: one recurrent layer, forward and backward, compared with torch's.

Legend: B batch, T time steps, E inputs, H units.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.bench.layer_shapes import SHAPES, TORCH_CLASSES, TORCH_LAYERS, Shape
from seqlab.bench.measure import (
    WARM_ROUNDS,
    Clock,
    Quartiles,
    interleaved,
    peak_probe,
    quartiles,
    ratios,
    seconds,
)
from seqlab.bench.result import Result, check_rounds, picked, result
from seqlab.experiment.numerics import numerics
from seqlab.nn.recurrent import RecurrentStack

SEED = 1
MIN_GFLOP = 1.0
"""Least operations per measurement: shorter passes are repeated, and their mean counts."""


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One cell at one shape.

    against: torch's layer. seqlab_seconds, torch_seconds: of one forward and backward pass. ratio: torch's
    over seqlab's, of each round. goal: see `Shape.goals`. gflop: see `Shape.gflop`. share_of_peak: seqlab's
    rate as a fraction of the machine's peak, of each round. goal_share: see `Shape.share`. peak: in GFLOP/s.
    """

    shape: str
    cell: str
    against: str
    seqlab_seconds: Quartiles
    torch_seconds: Quartiles
    ratio: Quartiles
    goal: float
    gflop: float
    share_of_peak: Quartiles
    goal_share: float | None
    peak: Quartiles


class TimedPass:
    """A layer's forward and backward pass, with all gradients.

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
        """Compute the gradients, which are kept in their tensors."""
        torch.autograd.backward(self._layer(self.x), self._dy)

    def reset(self) -> None:
        """Drop the gradients."""
        for leaf in self._leaves:
            leaf.grad = None

    def gradients(self) -> list[Tensor | None]:
        """Gradients of the inputs and the parameters."""
        return [leaf.grad for leaf in self._leaves]


def run(
    shapes: Sequence[Shape],
    cells: Sequence[str],
    *,
    rounds: int,
    threads: int | None,
    announce: Callable[[str], None],
) -> Result[LayerRow]:
    """Measure every cell at every shape, one after the other.

    Args:
        shapes: sizes.
        cells: keys of `TORCH_LAYERS`.
        rounds: measurements of each side.
        threads: of the numerical libraries; None is `default_threads`.
        announce: called with what is measured next.

    Raises:
        UserError: rounds or threads are not positive.
    """
    check_rounds(rounds)
    with numerics("cpu", threads):
        probe = peak_probe()
        rows: list[LayerRow] = []
        for shape in shapes:
            for cell in cells:
                announce(f"{shape.name}, {cell}, {rounds} rounds")
                rows.append(row(shape, cell, measure(shape, cell, rounds, probe)))
        return result(rows, peak=probe, rounds=rounds)


def measure(
    shape: Shape, cell: str, rounds: int, probe: Callable[[], float], clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of a pass of `torch` and `seqlab`, and the `peak`, of each round."""
    seqlab_pass, torch_pass = passes(shape, cell)
    # Timers and thread wake-ups would dominate a pass of some microseconds.
    repeats = math.ceil(MIN_GFLOP / shape.gflop(cell))
    measurements = {
        "torch": lambda: _mean_seconds(torch_pass, repeats, clock),
        "seqlab": lambda: _mean_seconds(seqlab_pass, repeats, clock),
        "peak": probe,
    }
    interleaved(measurements, WARM_ROUNDS)
    return interleaved(measurements, rounds)


def passes(shape: Shape, cell: str) -> tuple[TimedPass, TimedPass]:
    """Seqlab's layer and torch's with equal weights, inputs and gradients of the outputs."""
    random = torch.Generator().manual_seed(SEED)
    seqlab_layer = RecurrentStack(cell, shape.inputs, shape.hidden, generator=random)
    torch_layer = TORCH_CLASSES[TORCH_LAYERS[cell]](shape.inputs, shape.hidden, batch_first=True)
    # Where seqlab's cell has one bias, torch's second one is 0.
    biases = {"bias_hh_l0": torch.zeros(seqlab_layer.cell.gates * shape.hidden)}
    torch_layer.load_state_dict(biases | seqlab_layer.state_dict())
    lengths = torch.full((shape.batch,), shape.steps)
    x = torch.randn(shape.batch, shape.steps, shape.inputs, generator=random)
    dy = torch.randn(shape.batch, shape.steps, shape.hidden, generator=random)
    return (
        TimedPass(lambda x: seqlab_layer(x, lengths)[0], seqlab_layer.parameters(), x, dy),
        TimedPass(lambda x: torch_layer(x)[0], torch_layer.parameters(), x, dy),
    )


def row(shape: Shape, cell: str, taken: dict[str, list[float]]) -> LayerRow:
    """The measurements of a cell as medians and quartiles."""
    gflop, torch_layer = shape.gflop(cell), TORCH_LAYERS[cell]
    shares = [gflop / used / peak for used, peak in zip(taken["seqlab"], taken["peak"], strict=True)]
    return LayerRow(
        shape=shape.name,
        cell=cell,
        against=torch_layer,
        seqlab_seconds=quartiles(taken["seqlab"]),
        torch_seconds=quartiles(taken["torch"]),
        ratio=quartiles(ratios(taken["torch"], taken["seqlab"])),
        goal=shape.goals[torch_layer],
        gflop=gflop,
        share_of_peak=quartiles(shares),
        goal_share=shape.share,
        peak=quartiles(taken["peak"]),
    )


def shapes_named(names: Sequence[str]) -> list[Shape]:
    """The shapes with these names, each once; all shapes where there are no names.

    Raises:
        UserError: there is no shape with a name.
    """
    return picked("shape", names, SHAPES)


def cells_named(names: Sequence[str]) -> list[str]:
    """The cells with these names, each once; all that are measured where there are no names.

    Raises:
        UserError: no cell with a name is measured.
    """
    return picked("cell", names, {cell: cell for cell in TORCH_LAYERS})


def _mean_seconds(timed_pass: TimedPass, repeats: int, clock: Clock) -> float:
    """Mean seconds of some passes; the time to drop the gradients before each does not count."""
    total = 0.0
    for _ in range(repeats):
        timed_pass.reset()
        total += seconds(timed_pass, clock)
    return total / repeats
