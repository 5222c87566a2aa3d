"""The output layer's products and its loss through the library. Legend: N targets, H features, V outputs."""

from __future__ import annotations

import ctypes

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqlab.nn.native.binding import Head, Library, Matrices, check
from seqlab.schema.errors import UserError


def multiply(
    library: Library,
    a: Float[Tensor, "M K"],
    b: Float[Tensor, "K N"],
    bias: Float[Tensor, " N"] | None = None,
) -> Float[Tensor, "M N"]:
    """The product a b + bias, all float32 on the CPU; a turned matrix is read as it lies in memory."""
    M, N, K = a.shape[0], b.shape[1], a.shape[1]
    a, a_turned = _dense(a)
    b, b_turned = _dense(b)
    bias = None if bias is None else bias.contiguous()
    c = torch.empty(M, N, dtype=torch.float32)
    matrices = Matrices(
        size=ctypes.sizeof(Matrices),
        threads=torch.get_num_threads(),
        M=M,
        N=N,
        K=K,
        a=a.data_ptr(),
        a_row=a.stride(0),
        a_turned=a_turned,
        b=b.data_ptr(),
        b_row=b.stride(0),
        b_turned=b_turned,
        bias=None if bias is None else bias.data_ptr(),
        c=c.data_ptr(),
    )
    check(library.calls.seqlab_product(matrices))
    return c


def cross_entropy_(
    library: Library, logits: Float[Tensor, "N V"], targets: Int[Tensor, " N"], smoothing: float
) -> Float[Tensor, ""]:
    """Summed nats in float64; the gradient with respect to the logits takes their place.

    The logits are dense float32 on the CPU.

    Raises:
        UserError: there is not one target from 0 to V - 1 for each row: native code would write elsewhere.
    """
    N, V = logits.shape
    check_targets(targets, N, V)
    targets = targets.contiguous()
    nats = torch.empty(N, dtype=torch.float64)
    threads = torch.get_num_threads()
    library.calls.seqlab_cross_entropy(
        N, V, logits.data_ptr(), targets.data_ptr(), smoothing, nats.data_ptr(), threads
    )
    return nats.sum()


def head_fits(library: Library, weight: Float[Tensor, "V H"]) -> bool:
    """Whether an output layer's weights stay in the caches, so that `head_loss` is the way to its loss."""
    return bool(library.calls.seqlab_head_fits(weight.shape[1], weight.shape[0]))


def head_loss(  # noqa: PLR0917 (as the loss by torch, and the library before)
    library: Library,
    features: Float[Tensor, "N H"],
    weight: Float[Tensor, "V H"],
    bias: Float[Tensor, " V"] | None,
    targets: Int[Tensor, " N"],
    smoothing: float,
    *,
    wanted: tuple[bool, bool, bool],
) -> tuple[Float[Tensor, ""], list[Tensor | None]]:
    """Summed nats in float64 of a small output layer, and the gradients of features, weight and bias.

    All of it float32 on the CPU. `wanted` says which gradients are; the others are None.

    Raises:
        UserError: shapes do not fit, or there is not one target from 0 to V - 1 for each row.
    """
    (N, H), V = features.shape, weight.shape[0]
    if weight.shape[1] != H:
        raise UserError(f"Features must be of shape (targets, {weight.shape[1]}). Got {(N, H)}.")
    check_targets(targets, N, V)
    features = features if features.stride(1) == 1 or H == 1 else features.contiguous()
    weight, targets = weight.contiguous(), targets.contiguous()
    bias = None if bias is None else bias.contiguous()
    nats = torch.empty(N, dtype=torch.float64)
    shapes = ((N, H), (V, H), (V,))
    gradients = [
        torch.empty(shape, dtype=torch.float32) if want else None
        for shape, want in zip(shapes, wanted, strict=True)
    ]
    dfeatures, dweight, dbias = (None if one is None else one.data_ptr() for one in gradients)
    head = Head(
        size=ctypes.sizeof(Head),
        threads=torch.get_num_threads(),
        N=N,
        H=H,
        V=V,
        features=features.data_ptr(),
        feature_row=features.stride(0),
        weight=weight.data_ptr(),
        bias=None if bias is None else bias.data_ptr(),
        targets=targets.data_ptr(),
        smoothing=smoothing,
        nats=nats.data_ptr(),
        dfeatures=dfeatures,
        dweight=dweight,
        dbias=dbias,
    )
    check(library.calls.seqlab_head_loss(head))
    return nats.sum(), gradients


def usable(library: Library) -> bool:
    """Whether a small product comes out right: a build that a machine cannot run is not used."""
    random = torch.Generator().manual_seed(0)
    a, b = (torch.randn(size, generator=random, dtype=torch.float32) for size in ((23, 37), (37, 41)))
    return torch.allclose(multiply(library, a, b).double(), a.double() @ b.double(), rtol=1e-4, atol=1e-4)


def _dense(matrix: Tensor) -> tuple[Tensor, bool]:
    """The matrix or its transpose, whichever has a dense last axis, and whether it is the transpose."""
    if matrix.stride(1) == 1:
        return matrix, False
    return (matrix.t(), True) if matrix.stride(0) == 1 else (matrix.contiguous(), False)


def check_targets(targets: Tensor, N: int, V: int) -> None:
    """Whether there is one output from 0 to V - 1 for each of N rows.

    Raises:
        UserError: there is not.
    """
    if targets.dtype != torch.int64 or tuple(targets.shape) != (N,):
        got = f"{targets.dtype} of shape {tuple(targets.shape)}"
        raise UserError(f"Targets must be torch.int64 of shape ({N},). Got {got}.")
    if not N:
        return
    least, most = (int(end) for end in targets.aminmax())
    if not 0 <= least <= most < V:
        wrong = next(target for target in targets.tolist() if not 0 <= target < V)
        raise UserError(f"Targets must be within 0 to {V - 1}. Got {wrong}.")
