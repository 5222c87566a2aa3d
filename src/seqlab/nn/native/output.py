"""The output layer's products and its loss through the library. Legend: N targets, V outputs."""

from __future__ import annotations

import ctypes

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqlab.nn.native.binding import Library, Matrices, check
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
    if targets.dtype != torch.int64 or tuple(targets.shape) != (N,):
        got = f"{targets.dtype} of shape {tuple(targets.shape)}"
        raise UserError(f"Targets must be torch.int64 of shape ({N},). Got {got}.")
    if N and not 0 <= int(targets.min()) <= int(targets.max()) < V:
        wrong = next(target for target in targets.tolist() if not 0 <= target < V)
        raise UserError(f"Targets must be within 0 to {V - 1}. Got {wrong}.")
    targets = targets.contiguous()
    nats = torch.empty(N, dtype=torch.float64)
    threads = torch.get_num_threads()
    library.calls.seqlab_cross_entropy(
        N, V, logits.data_ptr(), targets.data_ptr(), smoothing, nats.data_ptr(), threads
    )
    return nats.sum()


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
