"""Convolution over time, several widths side by side.

Legend: B sequences, T steps, S steps with the zeros around them, E inputs, F filters, w steps of a width,
H outputs (F for each width).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from typing_extensions import override

from seqlab.nn.embedding import Lookup, vectors_of
from seqlab.nn.layer import Pooling, StatelessLayer
from seqlab.nn.layer_inputs import check_inputs, ragged_lengths
from seqlab.nn.linear_max import max_of_steps
from seqlab.nn.padding import zero_padding
from seqlab.nn.sizes import check_sizes, require_numbers

KIND = "convolution"


class Convolution(StatelessLayer):
    """y_t = ReLU(b + sum over k < w of W[:, :, k] x_(t + k - (w - 1) // 2)), for each width, concatenated.

    Inputs before a sequence's first and after its last token are zeros, so a sequence keeps its length; of an
    even width one step more is ahead than before. Each width is a torch.nn.Conv1d with padding="same", whose
    parameters are named and drawn as torch does, U(-1/sqrt(w E), 1/sqrt(w E)).

    Args:
        inputs: E.
        filters: F, of each width.
        widths: steps that an output reads, in the order of the outputs.
        generator: source of the weights.

    Raises:
        UserError: a size is less than 1, or there is no width.
    """

    def __init__(self, inputs: int, filters: int, widths: Sequence[int], *, generator: torch.Generator):
        super().__init__()
        sizes = {"inputs": inputs, "filters": filters, "widths": len(widths)}
        check_sizes(sizes)
        for width in widths:
            check_sizes({"width": width})
        require_numbers(inputs * filters * sum(widths), sizes)
        self.inputs, self.filters, self.widths = inputs, filters, tuple(widths)
        self.convolutions = nn.ModuleList(_conv1d(inputs, filters, width, generator) for width in widths)

    @property
    @override
    def output_size(self) -> int:
        return self.filters * len(self.widths)

    @override
    def outputs(
        self, x: Float[Tensor, "B T E"] | Lookup, lengths: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B T H"], Int[Tensor, " B"]]:
        outputs = [_Convolve.apply(*operands) for operands in self._operands(x, lengths)]
        y = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)
        return torch.relu(y), lengths

    @override
    def maximum(self) -> Pooling | None:
        return MaxOfConvolution(self)

    def max_over_time(
        self, x: Float[Tensor, "B T E"] | Lookup, lengths: Int[Tensor, " B"]
    ) -> Float[Tensor, "B H"]:
        """The maximum of each output over a sequence's steps, as one operation; 0 for length 0.

        Only the step of the maximum gets a gradient, the first one of several, so the backward pass reads
        w input vectors for each output of a sequence, in place of all of them.
        """
        if not x.shape[1]:
            return self(x, lengths, need_state=False)[0].sum(1)  # nothing
        outputs = [_ConvolveMax.apply(*operands) for operands in self._operands(x, lengths)]
        # ReLU is monotonic, so the maximum may be taken before it.
        return torch.relu(torch.cat(outputs, dim=1))

    def _operands(
        self, x: Float[Tensor, "B T E"] | Lookup, lengths: Int[Tensor, " B"]
    ) -> Iterator[tuple[Tensor, Tensor, Tensor, _Steps]]:
        """What the operation of each width reads: inputs, weight, bias, and the wanted outputs."""
        spaced, before = self._spaced(x, lengths)
        for one in self.convolutions:
            assert isinstance(one, nn.Conv1d), "a width is a convolution"
            assert one.bias is not None, "it has biases"
            yield spaced, one.weight, one.bias, _Steps(before - _before(one.weight), x.shape[1], lengths)

    def _spaced(
        self, x: Float[Tensor, "B T E"] | Lookup, lengths: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B S E"], int]:
        """The inputs with zeros at padding and around each sequence, and how many are before it."""
        first = self.convolutions[0].weight
        assert isinstance(first, Tensor), "a convolution has weights"
        check_inputs(x, first.transpose(1, 2), KIND)
        ragged = ragged_lengths(lengths, x, KIND)
        vectors = vectors_of(x)
        clean = vectors if ragged is None else zero_padding(vectors, ragged)
        widest = max(self.widths)
        before = (widest - 1) // 2
        return functional.pad(clean, (0, 0, before, widest - 1 - before)), before


class MaxOfConvolution(nn.Module):
    """The maximum over time of a convolution's outputs, as one operation.

    Args:
        convolution: the layer whose outputs are pooled.
    """

    def __init__(self, convolution: Convolution):
        super().__init__()
        self.convolution = convolution

    def forward(
        self, x: Float[Tensor, "B T E"], linear: nn.Linear | None, lengths: Int[Tensor, " B"]
    ) -> Float[Tensor, "B H"]:
        """The maximum of each of the convolution's outputs."""
        assert linear is None, "the convolution is the last layer before the maximum"
        return self.convolution.max_over_time(x, lengths)


class _Steps(NamedTuple):
    """Which outputs are wanted: `each` of a sequence, whose first one reads `skipped` steps further."""

    skipped: int
    each: int
    lengths: Int[Tensor, " B"]


def _before(weight: Float[Tensor, "F E w"]) -> int:
    """Steps before its own that an output reads."""
    return (weight.shape[2] - 1) // 2


def _conv1d(inputs: int, filters: int, width: int, generator: torch.Generator) -> nn.Conv1d:
    bound = 1 / math.sqrt(width * inputs)
    # On the meta device torch's own initialisation draws no numbers from the global generator.
    layer = nn.Conv1d(inputs, filters, width, padding="same", device="meta")
    layer.weight = nn.Parameter(
        torch.empty(filters, inputs, width).uniform_(-bound, bound, generator=generator)
    )
    layer.bias = nn.Parameter(torch.empty(filters).uniform_(-bound, bound, generator=generator))
    return layer


def _products(
    spaced: Float[Tensor, "B S E"], weight: Float[Tensor, "F E w"], bias: Tensor, steps: _Steps
) -> Float[Tensor, "B T F"]:
    """The convolution as w products of all sequences at once, each with the inputs one step further.

    The rows in which a sequence ends and the next one begins are computed, too, and not returned.
    """
    B, S, E = spaced.shape
    rows, skipped = spaced.reshape(B * S, E), steps.skipped
    N = max(0, B * S - skipped - weight.shape[2] + 1)
    y = spaced.new_empty(B * S, weight.shape[0])
    for k in range(weight.shape[2]):
        inputs, matrix = rows[skipped + k : skipped + k + N], weight[:, :, k].t()
        _ = torch.addmm(bias, inputs, matrix, out=y[:N]) if k == 0 else y[:N].addmm_(inputs, matrix)
    return y.view(B, S, -1)[:, : steps.each]


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, spaced: Tensor, weight: Tensor, bias: Tensor, steps: _Steps) -> Tensor:
        ctx.save_for_backward(spaced, weight)
        ctx.skipped = steps.skipped
        return _products(spaced, weight, bias, steps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        spaced, weight = ctx.saved_tensors
        B, S, E = spaced.shape
        # With zeros in the rows between sequences the gradients are again products of all sequences at once.
        g = functional.pad(upstream[0], (0, 0, 0, S - upstream[0].shape[1])).view(B * S, -1)
        rows, skipped, w = spaced.reshape(B * S, E), ctx.skipped, weight.shape[2]
        N = max(0, B * S - skipped - w + 1)
        dspaced = torch.zeros_like(rows) if ctx.needs_input_grad[0] else None
        dweight = torch.empty_like(weight)
        for k in range(w):
            part = slice(skipped + k, skipped + k + N)
            dweight[:, :, k] = g[:N].t() @ rows[part]
            if dspaced is not None:
                dspaced[part].addmm_(g[:N], weight[:, :, k])
        return None if dspaced is None else dspaced.view(B, S, E), dweight, g.sum(0), None


class _ConvolveMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, spaced: Tensor, weight: Tensor, bias: Tensor, steps: _Steps) -> Tensor:
        y = _products(spaced, weight, bias, steps)
        values, indices, empty = max_of_steps(y, steps.lengths)
        ctx.save_for_backward(spaced, weight, indices, empty)
        ctx.skipped = steps.skipped
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        spaced, weight, indices, empty = ctx.saved_tensors
        B, S, E = spaced.shape
        g = upstream[0].masked_fill(empty, 0.0)
        rows = spaced.reshape(B * S, E)
        # From the step within a sequence to the index among all rows.
        first = indices + S * torch.arange(B, device=indices.device).unsqueeze(1) + ctx.skipped
        dspaced = torch.zeros_like(rows) if ctx.needs_input_grad[0] else None
        dweight = torch.empty_like(weight)
        for k in range(weight.shape[2]):
            at = first + k
            dweight[:, :, k] = torch.einsum("bf,bfe->fe", g, rows[at])
            if dspaced is not None:
                # A row can be read by several filters' maxima, so gradients are added, not assigned.
                per_filter = (g.unsqueeze(2) * weight[:, :, k]).flatten(0, 1)
                dspaced.index_add_(0, at.flatten(), per_filter)
        shaped = None if dspaced is None else dspaced.view(B, S, E)
        return shaped, dweight, g.sum(0), None
