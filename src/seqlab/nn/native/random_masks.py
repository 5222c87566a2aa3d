"""Dropout and the weights of attention with dropout, whose masks the native library draws.

Legend: B batch size, N heads, T steps.
"""

from __future__ import annotations

import ctypes

import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.nn.native.binding import AttentionArguments, DropoutArguments, Library, address, check


def dropped(library: Library, x: Float[Tensor, "*shape"], share: float, seed: int) -> Float[Tensor, "*shape"]:
    """Return x with a share of its elements zero, the others divided by 1 - share; `x` is contiguous.

    It is its own gradient: the gradient of x is `dropped` of the gradient of the result, with the same seed.
    """
    y = torch.empty_like(x)
    arguments = DropoutArguments(
        size=ctypes.sizeof(DropoutArguments),
        threads=torch.get_num_threads(),
        count=x.numel(),
        x=address(x),
        y=address(y),
        seed=seed,
        share=share,
    )
    check(library.calls.seqlab_dropout(arguments))
    return y


def attention_weights_(
    library: Library,
    weights: Float[Tensor, "B N T T"],
    dropped_weights: Float[Tensor, "B N T T"],
    *,
    scale: float,
    share: float,
    seed: int,
    backward: bool = False,
) -> None:
    """Overwrite scores with their causal softmax, and the second tensor with dropout of that.

    Args:
        library: computes it.
        weights: scores, overwritten with their softmax; in the backward pass the softmax. Contiguous.
        dropped_weights: overwritten; in the backward pass the gradient of the dropped weights, overwritten
            with that of the scores. Contiguous.
        scale: factor of the scores.
        share: fraction dropped.
        seed: of the mask.
        backward: whether it is the backward pass.
    """
    assert weights.shape == dropped_weights.shape, "both are of one shape"
    assert all(t.is_contiguous() for t in (weights, dropped_weights)), "the library reads whole arrays"
    T = weights.shape[-1]
    arguments = AttentionArguments(
        size=ctypes.sizeof(AttentionArguments),
        threads=torch.get_num_threads(),
        count=weights.shape[0] * weights.shape[1],
        T=T,
        backward=backward,
        weights=address(weights),
        dropped=address(dropped_weights),
        seed=seed,
        share=share,
        scale=scale,
    )
    check(library.calls.seqlab_attention_weights(arguments))
