"""Linear maps and embeddings whose initial weights come from a given generator."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from seqlab.nn.embedding import Embedding
from seqlab.nn.sizes import check_sizes, require_numbers
from seqlab.schema.errors import UserError


def linear(
    inputs: int,
    outputs: int,
    *,
    generator: torch.Generator,
    bound: float | None = None,
    bias_bound: float | None = None,
) -> nn.Linear:
    """The map y = W x + b, with W from U(-bound, bound) and b from U(-bias_bound, bias_bound), in this order.

    Args:
        inputs: features of x.
        outputs: features of y.
        generator: source of the weights.
        bound: 1 / sqrt(inputs) when None, as in torch.
        bias_bound: `bound` when None; 0 starts the bias at zero.

    Raises:
        UserError: a size is less than 1.
    """
    _check_matrix({"inputs": inputs, "outputs": outputs})
    bound = 1 / math.sqrt(inputs) if bound is None else bound
    bias_bound = bound if bias_bound is None else bias_bound
    weight = torch.empty(outputs, inputs).uniform_(-bound, bound, generator=generator)
    bias = torch.empty(outputs).uniform_(-bias_bound, bias_bound, generator=generator)
    return _linear(nn.Parameter(weight), nn.Parameter(bias))


def linear_without_bias(inputs: int, outputs: int, *, bound: float, generator: torch.Generator) -> nn.Linear:
    """The map y = W x, with W from U(-bound, bound); both sizes are at least 1."""
    _check_matrix({"inputs": inputs, "outputs": outputs})
    weight = torch.empty(outputs, inputs).uniform_(-bound, bound, generator=generator)
    return _linear(nn.Parameter(weight), None)


def output_layer(
    inputs: int, outputs: int, *, bound: float, tied: Embedding | None, generator: torch.Generator
) -> nn.Linear:
    """A language model's head: W from U(-bound, bound), or tied to the weights of an embedding; b = 0.

    Raises:
        UserError: the embedding does not have one row for each output.
    """
    if tied is None:
        return linear(inputs, outputs, generator=generator, bound=bound, bias_bound=0.0)
    if tied.num_embeddings != outputs:
        raise UserError(
            "'tied' requires equal numbers of outputs and input tokens. "
            f"Got {outputs} outputs, {tied.num_embeddings} input tokens."
        )
    assert isinstance(tied.weight, nn.Parameter), "an embedding's table is a parameter"
    return _linear(tied.weight, nn.Parameter(torch.zeros(outputs)))


def uniform_embedding(tokens: int, size: int, *, bound: float, generator: torch.Generator) -> Embedding:
    """A table (tokens, size) drawn from U(-bound, bound); both sizes are at least 1."""
    _check_matrix({"tokens": tokens, "size": size})
    return _embedding(torch.empty(tokens, size).uniform_(-bound, bound, generator=generator))


def normal_embedding(tokens: int, size: int, *, std: float, generator: torch.Generator) -> Embedding:
    """A table (tokens, size) drawn from N(0, std^2); both sizes are at least 1."""
    _check_matrix({"tokens": tokens, "size": size})
    return _embedding(torch.empty(tokens, size).normal_(std=std, generator=generator))


def _check_matrix(sizes: Mapping[str, int]) -> None:
    check_sizes(sizes)
    require_numbers(math.prod(sizes.values()), sizes)


def _embedding(weight: torch.Tensor) -> Embedding:
    return Embedding(weight.shape[0], weight.shape[1], _weight=weight)


def _linear(weight: nn.Parameter, bias: nn.Parameter | None) -> nn.Linear:
    # On the meta device torch's own initialisation draws no numbers from the global generator.
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.weight = weight
    if bias is not None:
        layer.bias = bias
    return layer
