"""Builds of the native library under test, and recurrent layers by their equations in float64.

Legend: B batch size, T steps, E inputs, H units, G gates.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seqlab.nn.cells import Weights
from seqlab.nn.embedding import Lookup
from seqlab.nn.native import binding, builds
from seqlab.nn.native.binding import BUILDS, Library
from seqlab.nn.native.recurrence import CELLS, Hidden, native_scan

Tensors = dict[str, Tensor]
GATES = {"elman": 1, "elman-concat": 1, "elman-relu": 1, "gru-reset-before": 3, "gru": 3, "lstm": 4}
ONE_BIAS = ("elman-concat", "gru-reset-before")
TOLERANCE = 2e-5
"""Largest error of a float32 result, as a fraction of its tensor's largest value."""
MIN_KINK_DISTANCE = 1e-5
"""Smallest distance of a ReLU's inputs from 0: closer ones may differ in sign between float32 and float64."""


def why_not(build: str) -> str | None:
    """Why a build is not available on this machine; None if it is."""
    if binding.path_of("portable") is None or binding.path_of(build) is None:
        return f"the {build} build is not installed: the package was installed without a C++ compiler"
    portable = binding.load("portable")
    level = 0 if portable is None else portable.calls.seqlab_level()
    if level < BUILDS[build]:
        return f"this processor does not run the {build} build: level {level}, required {BUILDS[build]}"
    return None


def opened(path: Path) -> Library:
    """A build that is not installed in the package."""
    calls = binding.open_library(path)
    assert calls is not None, f"{path} cannot be loaded"
    return Library(path.stem, calls)


def parameters(paths: list[str]) -> list[Library | object]:
    """Values of a test's argument `library`: the builds at these paths, or else all available ones."""
    if paths:
        return [opened(Path(path)) for path in paths]
    libraries = [binding.load(build) for build in BUILDS if build in builds.available_builds()]
    none = pytest.param(None, marks=pytest.mark.skip(reason=f"no build: {why_not('portable')}"))
    return list(libraries) or [none]


@contextmanager
def threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Case:
    """A layer in one direction. `ragged`: sequences have unequal lengths, some of them 0."""

    cell: str
    B: int
    T: int
    E: int
    H: int
    reverse: bool = False
    ragged: bool = False

    def lengths(self) -> Tensor | None:
        """The longest is neither first nor last; one of two or more sequences is empty."""
        if not self.ragged:
            return None
        return torch.tensor([(row + 1) * 7 % self.B * self.T // max(1, self.B - 1) for row in range(self.B)])

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all differentiable inputs, in the order of `native_scan`."""
        B, E, H, rows = self.B, self.E, self.H, GATES[self.cell] * self.H
        shapes: dict[str, tuple[int, ...]] = {"x": (B, self.T, E), "h0": (B, H)}
        if self.cell == "lstm":
            shapes["c0"] = (B, H)
        shapes |= {"weight_ih": (rows, E), "weight_hh": (rows, H), "bias_ih": (rows,)}
        return shapes if self.cell in ONE_BIAS else {**shapes, "bias_hh": (rows,)}

    def tensors(self, seed: int = 0) -> tuple[Tensors, Tensors]:
        """Inputs, and the gradients of the outputs; nothing is zero, not even padding."""
        generator = torch.Generator().manual_seed(seed)
        bound = self.H**-0.5

        def random(name: str, shape: tuple[int, ...]) -> Tensor:
            if name.startswith(("weight", "bias")):
                return torch.empty(shape, dtype=torch.float32).uniform_(-bound, bound, generator=generator)
            return torch.randn(shape, generator=generator, dtype=torch.float32)

        inputs = {name: random(name, shape) for name, shape in self.shapes().items()}
        outputs = {"y": (self.B, self.T, self.H), "hn": (self.B, self.H)}
        if self.cell == "lstm":
            outputs["cn"] = (self.B, self.H)
        return inputs, {name: random(name, shape) for name, shape in outputs.items()}


def _step(cell: str, x: Tensor, state: list[Tensor], w: Tensors) -> tuple[list[Tensor], Tensor]:
    """New states of one step, and a pre-activation, which is the ReLU's input in the cell `elman-relu`."""
    h, W, U, b = state[0], w["weight_ih"].chunk(GATES[cell]), w["weight_hh"].chunk(GATES[cell]), w["bias_ih"]
    sums = [x @ Wg.T + bg for Wg, bg in zip(W, b.chunk(len(W)), strict=True)]
    if cell == "elman-concat":
        both = torch.cat([w["weight_ih"], w["weight_hh"]], dim=1)
        return [torch.tanh(torch.cat([x, h], dim=1) @ both.T + w["bias_ih"])], sums[0]
    if cell == "gru-reset-before":
        r, z = (torch.sigmoid(sums[g] + h @ U[g].T) for g in (0, 1))
        n = torch.tanh(sums[2] + (r * h) @ U[2].T)
        return [(1 - z) * h + z * n], r
    recurrent = [h @ Ug.T + bg for Ug, bg in zip(U, w["bias_hh"].chunk(len(U)), strict=True)]
    if cell == "gru":
        r, z = (torch.sigmoid(sums[g] + recurrent[g]) for g in (0, 1))
        n = torch.tanh(sums[2] + r * recurrent[2])
        return [(1 - z) * n + z * h], r
    a = [s + u for s, u in zip(sums, recurrent, strict=True)]
    if cell == "lstm":
        c = torch.sigmoid(a[1]) * state[1] + torch.sigmoid(a[0]) * torch.tanh(a[2])
        return [torch.sigmoid(a[3]) * torch.tanh(c), c], a[0]
    return [torch.tanh(a[0]) if cell == "elman" else a[0].clamp(min=0)], a[0]


def exact(case: Case, inputs: Tensors, upstream: Tensors, lengths: Tensor | None) -> tuple[Tensors, float]:
    """Outputs and all gradients in float64, step by step; and the smallest distance of a ReLU's input from 0.

    Keys are y, hn, cn, `d` and a name for gradients, and dhidden for that of every h_t.
    """
    leaves = {name: tensor.double().requires_grad_() for name, tensor in inputs.items()}
    x, state = leaves["x"], [leaves[name] for name in ("h0", "c0") if name in leaves]
    lengths = torch.full((case.B,), case.T) if lengths is None else lengths
    hidden: list[Tensor] = [torch.empty(0)] * case.T
    kink = float("inf")
    for t in reversed(range(case.T)) if case.reverse else range(case.T):
        real = (t < lengths).unsqueeze(1)
        new, sums = _step(case.cell, x[:, t], state, leaves)
        state = [torch.where(real, n, old) for n, old in zip(new, state, strict=True)]
        hidden[t] = state[0]
        kink = min([kink, *sums.detach().abs()[real[:, 0]].flatten().tolist()])
    mask = (torch.arange(case.T) < lengths.unsqueeze(1)).unsqueeze(2)
    y = torch.stack(hidden, dim=1) * mask if case.T else x.new_zeros(case.B, 0, case.H)
    outputs = {"y": y, **dict(zip(("hn", "cn"), state, strict=False))}
    loss = sum((output * upstream[name].double()).sum() for name, output in outputs.items())
    assert isinstance(loss, Tensor)
    gradients = torch.autograd.grad(loss, [*leaves.values(), *hidden], materialize_grads=True)
    result = {name: tensor.detach() for name, tensor in outputs.items()}
    result |= {f"d{name}": gradient for name, gradient in zip(leaves, gradients, strict=False)}
    result["dhidden"] = torch.stack(gradients[len(leaves) :], dim=1) * mask if case.T else torch.zeros_like(y)
    return result, kink


@cache
def solved(case: Case) -> tuple[Tensors, Tensors, Tensors]:
    """Inputs, gradients of the outputs, and the exact results."""
    for seed in count():
        inputs, upstream = case.tensors(seed)
        results, kink = exact(case, inputs, upstream, case.lengths())
        if case.cell != "elman-relu" or kink > MIN_KINK_DISTANCE:
            return inputs, upstream, results
    raise AssertionError


def run(
    library: Library,
    case: Case,
    inputs: Mapping[str, Tensor],
    upstream: Mapping[str, Tensor],
    lengths: Tensor | None,
    *,
    number: int = 1,
    needed: Collection[str] | None = None,
    tokens: Tensor | None = None,
) -> Tensors:
    """What `exact` returns, by the library on `number` threads; gradients of all inputs or of `needed`."""
    assert case.cell in CELLS
    leaves = {name: t.detach().requires_grad_(needed is None or name in needed) for name, t in inputs.items()}
    hidden: list[Tensor] = []
    with threads(number):
        y, *final = scan(library, case, leaves, lengths, hidden.append, tokens)
        results = dict(zip(("y", "hn", "cn"), (y, *final), strict=False))
        differentiable = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
        if differentiable:
            outputs, dy = list(results.values()), [upstream[name] for name in results]
            gradients = torch.autograd.grad(outputs, list(differentiable.values()), dy)
            results |= {
                f"d{name}": gradient for name, gradient in zip(differentiable, gradients, strict=True)
            }
            (results["dhidden"],) = hidden
    return {name: tensor.detach() for name, tensor in results.items()}


def scan(  # noqa: PLR0917 (as every scan, after the library)
    library: Library,
    case: Case,
    inputs: Mapping[str, Tensor],
    lengths: Tensor | None,
    hidden: Hidden | None = None,
    tokens: Tensor | None = None,
) -> list[Tensor]:
    """The library's y and final states; with tokens, x is the table of their vectors."""
    state = tuple(inputs[name] for name in ("h0", "c0") if name in inputs)
    weights = Weights(*(inputs[name] for name in Weights._fields if name in inputs))
    x, reverse = inputs["x"] if tokens is None else Lookup(tokens, inputs["x"]), case.reverse
    y, final = native_scan(library, case.cell, x, lengths, state, weights, reverse=reverse, hidden=hidden)
    return [y, *final]


def agree(actual: Tensors, expected: Tensors, *, context: str = "") -> None:
    """Assert that every actual result is within `TOLERANCE`; exactly equal where all of a tensor is zero."""
    for name, tensor in actual.items():
        assert tensor.dtype == torch.float32, name
        assert tensor.shape == expected[name].shape, name
        if tensor.numel():
            error = (tensor.double() - expected[name]).abs().max().item()
            largest = expected[name].abs().max().item()
            assert error <= TOLERANCE * largest, f"{name} {context}: error {error:.2g}, largest {largest:.2g}"


def same_bits(first: Tensors, second: Tensors) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
