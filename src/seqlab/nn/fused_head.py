"""The last linear map and cross-entropy as one operation. Legend: N targets, H features, V outputs."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqlab.nn.matmul import TORCH, Matmul
from seqlab.nn.native.binding import Library
from seqlab.nn.native.builds import library
from seqlab.nn.native.output import check_targets, cross_entropy_, head_fits, head_loss

MOST_LOGITS = 1 << 26
"""Logits in memory at once (256 MiB of float32); more targets are done in several parts."""


def linear_cross_entropy(
    features: Float[Tensor, "N H"],
    weight: Float[Tensor, "V H"],
    bias: Float[Tensor, " V"] | None,
    targets: Int[Tensor, " N"],
    *,
    label_smoothing: float = 0.0,
    matmul: Matmul = TORCH,
) -> Float[Tensor, ""]:
    """Summed cross-entropy, in nats, of the logits z = features weightᵀ + bias.

    Each target y pays lse(z) - (1 - s) z[y] - s mean(z), with smoothing s. The gradients are computed on
    the way: with p = softmax(z), dz = p - s / V - (1 - s) onehot(y) takes the place of z in memory, and
    dz weight, dzᵀ features and the column sums of dz are all that is kept. The sum over targets is taken
    in float64. On a CPU a layer so small that its weights stay in the caches is one call of the native
    library, whatever `matmul` says.

    Args:
        features: inputs of the map.
        weight: rows of it, one an output; may be an embedding's table, too.
        bias: added to the logits.
        targets: the right output of each row.
        label_smoothing: s, share of the probability spread over all outputs.
        matmul: how matrices are multiplied.

    Raises:
        UserError: there is not one target within 0 to V - 1 for each row (looked at on a CPU alone, because
            other devices would have to wait).
        RuntimeError: in a second backward pass, or one that is itself to be differentiated.
    """
    total = _LinearCrossEntropy.apply(features, weight, bias, targets, label_smoothing, matmul)
    assert isinstance(total, Tensor)
    return total


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 (torch hands over by position)
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        smoothing: float,
        matmul: Matmul,
    ) -> Tensor:
        needs_x, needs_weight, needs_bias = wanted = ctx.needs_input_grad[:3]
        native = _native(features, weight, bias)
        if native is not None and head_fits(native, weight):
            total, ctx.gradients = head_loss(
                native, features, weight, bias, targets, smoothing, wanted=wanted
            )
            return total.to(features.dtype)
        nats = torch.zeros((), dtype=torch.float64, device=features.device)
        dx: list[Tensor] = []
        dweight = dbias = None
        rows = max(1, MOST_LOGITS // weight.shape[0])
        for x, y in zip(features.split(rows), targets.split(rows), strict=True):
            part, dz = _residual(matmul.forward(x, weight, bias), y, smoothing)
            nats += part
            if needs_x:
                dx.append(matmul.inputs(dz, weight))
            if needs_weight:
                dweight = _added(dweight, matmul.weights(dz, x))
            if needs_bias:
                dbias = _added(dbias, dz.sum(0))
        ctx.gradients = (None if not dx else dx[0] if len(dx) == 1 else torch.cat(dx), dweight, dbias)
        return nats.to(features.dtype)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "The fused loss has first derivatives only. For a second one take "
                "torch.nn.functional.cross_entropy of the model's logits."
            )
        if ctx.gradients is None:
            raise RuntimeError("The fused loss keeps its gradients for one backward pass. Got a second one.")
        gradients, ctx.gradients = ctx.gradients, None
        (factor,) = upstream
        # Training goes back from the sum itself, and a pass over all gradients is saved.
        if factor.device.type != "cpu" or factor.item() != 1:
            gradients = tuple(None if one is None else one.mul_(factor) for one in gradients)
        return (*gradients, None, None, None)


def _native(*tensors: Tensor | None) -> Library | None:
    """The native library, where these are numbers it can take."""
    alike = all(t is None or (t.dtype == torch.float32 and t.device.type == "cpu") for t in tensors)
    return library() if alike else None


def _residual(
    logits: Float[Tensor, "N V"], targets: Int[Tensor, " N"], smoothing: float
) -> tuple[Float[Tensor, ""], Float[Tensor, "N V"]]:
    """Summed nats in float64, and the gradient with respect to the logits, in their place."""
    if (native := _native(logits)) is not None:
        return cross_entropy_(native, logits, targets, smoothing), logits
    if targets.device.type == "cpu":
        check_targets(targets, *logits.shape)
    targets = targets.unsqueeze(1)
    paid = (1 - smoothing) * logits.gather(1, targets).squeeze(1).double()
    if smoothing:
        paid += smoothing * logits.sum(1, dtype=torch.float64) / logits.shape[1]
    highest = logits.amax(1)
    # A row stays in the cache between its passes; on other devices rows are not done one by one.
    here = logits if logits.device.type == "cpu" else torch.empty_like(logits)
    p = torch.softmax(logits, 1, out=here)
    # The largest probability is 1 / sum exp(z - highest), never so small that its logarithm is lost.
    lse = highest.double() - p.amax(1).double().log()
    if smoothing:
        p.sub_(smoothing / p.shape[1])
    p.scatter_add_(1, targets, p.new_full(targets.shape, smoothing - 1))
    return (lse - paid).sum(), p


def _added(total: Tensor | None, part: Tensor) -> Tensor:
    return part if total is None else total.add_(part)
