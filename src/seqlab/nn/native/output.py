"""The output layer's products and its loss through the native library.

Legend: N targets, H features, V outputs.
"""

from __future__ import annotations

import ctypes

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqlab.nn.native.binding import HeadArguments, Library, MatmulArguments, address, check
from seqlab.schema.errors import UserError


def multiply(
    library: Library,
    a: Float[Tensor, "M K"],
    b: Float[Tensor, "K N"],
    bias: Float[Tensor, " N"] | None = None,
) -> Float[Tensor, "M N"]:
    """The product a b + bias, all float32 on the CPU. A transposed view is read without a copy.

    Raises:
        UserError: shapes do not fit. The library would read other memory.
    """
    M, N, K = a.shape[0], b.shape[1], a.shape[1]
    if b.shape[0] != K or (bias is not None and tuple(bias.shape) != (N,)):
        got = [tuple(tensor.shape) for tensor in (a, b, bias) if tensor is not None]
        raise UserError(f"Matrices must be of shapes (M, K) and (K, N), a bias (N,). Got {got}.")
    a, a_transposed = _stored(a)
    b, b_transposed = _stored(b)
    bias = None if bias is None else bias.contiguous()
    c = torch.empty(M, N, dtype=torch.float32)
    arguments = MatmulArguments(
        size=ctypes.sizeof(MatmulArguments),
        threads=torch.get_num_threads(),
        M=M,
        N=N,
        K=K,
        a=address(a),
        a_row=a.stride(0),
        a_transposed=a_transposed,
        b=address(b),
        b_row=b.stride(0),
        b_transposed=b_transposed,
        bias=address(bias),
        c=address(c),
    )
    check(library.calls.seqlab_product(arguments))
    return c


def cross_entropy_(
    library: Library, logits: Float[Tensor, "N V"], targets: Int[Tensor, " N"], smoothing: float
) -> Float[Tensor, ""]:
    """Summed nats in float64; overwrites the logits with the gradient with respect to them.

    The logits are contiguous float32 on the CPU.

    Raises:
        UserError: there is not one target from 0 to V - 1 for each row. The library would write to another
            address.
    """
    N, V = logits.shape
    check_targets(targets, N, V)
    targets = targets.contiguous()
    nats = torch.empty(N, dtype=torch.float64)
    library.calls.seqlab_cross_entropy(
        N, V, address(logits), address(targets), smoothing, address(nats), torch.get_num_threads()
    )
    return nats.sum()


def head_fits(library: Library, weight: Float[Tensor, "V H"]) -> bool:
    """Whether an output layer's weights fit into the caches, so that `head_loss` is faster."""
    return bool(library.calls.seqlab_head_fits(weight.shape[1], weight.shape[0]))


def head_loss(  # noqa: PLR0917 (as the loss by torch, after the library)
    library: Library,
    features: Float[Tensor, "N H"],
    weight: Float[Tensor, "V H"],
    bias: Float[Tensor, " V"] | None,
    targets: Int[Tensor, " N"],
    smoothing: float,
    *,
    needed: tuple[bool, bool, bool],
) -> tuple[Float[Tensor, ""], list[Tensor | None]]:
    """Summed nats in float64 of a small output layer, and the gradients of features, weight and bias.

    All tensors are float32 on the CPU. Gradients that are not `needed` are not computed, and None.

    Raises:
        UserError: there is not one target from 0 to V - 1 for each row.
    """
    (N, H), V = features.shape, weight.shape[0]
    check_targets(targets, N, V)
    features = features if features.stride(1) == 1 or H == 1 else features.contiguous()
    weight, targets = weight.contiguous(), targets.contiguous()
    bias = None if bias is None else bias.contiguous()
    nats = torch.empty(N, dtype=torch.float64)
    gradients = [
        # Not `empty_like`: the library writes contiguous gradients, whatever the strides of the features.
        torch.empty(shape, dtype=torch.float32) if need else None
        for shape, need in zip(((N, H), (V, H), (V,)), needed, strict=True)
    ]
    dfeatures, dweight, dbias = (address(gradient) for gradient in gradients)
    arguments = HeadArguments(
        size=ctypes.sizeof(HeadArguments),
        threads=torch.get_num_threads(),
        N=N,
        H=H,
        V=V,
        features=address(features),
        feature_row=features.stride(0),
        weight=address(weight),
        bias=address(bias),
        targets=address(targets),
        smoothing=smoothing,
        nats=address(nats),
        dfeatures=dfeatures,
        dweight=dweight,
        dbias=dbias,
    )
    check(library.calls.seqlab_head_loss(arguments))
    return nats.sum(), gradients


def multiplies_correctly(library: Library) -> bool:
    """Whether a small product is right: a build that computes wrong numbers on this machine is not used."""
    random = torch.Generator().manual_seed(0)
    a, b = (torch.randn(size, generator=random, dtype=torch.float32) for size in ((23, 37), (37, 41)))
    return torch.allclose(multiply(library, a, b).double(), a.double() @ b.double(), rtol=1e-4, atol=1e-4)


def _stored(matrix: Tensor) -> tuple[Tensor, bool]:
    """The matrix or its transpose, whichever has a contiguous last axis, and whether it is the transpose."""
    if matrix.stride(1) == 1:
        return matrix, False
    return (matrix.t(), True) if matrix.stride(0) == 1 else (matrix.contiguous(), False)


def check_targets(targets: Tensor, N: int, V: int) -> None:
    """Check that there is one output from 0 to V - 1 for each of N rows.

    Raises:
        UserError: there is not.
    """
    if not isinstance(targets, Tensor):
        raise UserError(f"Targets must be torch.int64 of shape ({N},). Got {type(targets).__name__}.")
    if targets.dtype != torch.int64 or tuple(targets.shape) != (N,):
        got = f"{targets.dtype} of shape {tuple(targets.shape)}"
        raise UserError(f"Targets must be torch.int64 of shape ({N},). Got {got}.")
    if not N:
        return
    # One fast pass; the search for the wrong target is slow, and only for the message.
    smallest, largest = (int(extreme) for extreme in targets.aminmax())
    if not 0 <= smallest <= largest < V:
        wrong = next(target for target in targets.tolist() if not 0 <= target < V)
        raise UserError(f"Targets must be within 0 to {V - 1}. Got {wrong}.")
