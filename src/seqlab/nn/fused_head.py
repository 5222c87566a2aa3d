"""The last linear map and cross-entropy as one operation. Legend: N targets, H features, V outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.nn.layer_inputs import check_axes
from seqlab.nn.matmul import TORCH, Matmul
from seqlab.nn.native.builds import library_for
from seqlab.nn.native.output import check_targets, cross_entropy_, head_fits, head_loss
from seqlab.schema.errors import UserError

MOST_LOGITS = 1 << 26
"""Logits in memory at once (256 MiB of float32); more targets are processed in several chunks."""


class CrossEntropyHead(nn.Module, ABC):
    """A head that computes the loss of targets without the logits of all outputs."""

    @abstractmethod
    def cross_entropy(
        self,
        features: Float[Tensor, "N H"],
        targets: Int[Tensor, " N"],
        *,
        label_smoothing: float = 0.0,
        matmul: Matmul = TORCH,
    ) -> Float[Tensor, ""]:
        """Summed loss of the targets, in nats; see `linear_cross_entropy`."""

    @abstractmethod
    def nats(self, features: Float[Tensor, "N H"], targets: Int[Tensor, " N"]) -> Float[Tensor, " N"]:
        """-log of the probability of each target."""


def fused_loss(head: nn.Module) -> Callable[..., Tensor] | None:
    """What computes the loss of a head in one operation with it; None where the head gives logits alone.

    It is called with the keywords of `CrossEntropyHead.cross_entropy`.
    """
    if isinstance(head, CrossEntropyHead):
        return head.cross_entropy
    # The class itself: a subclass may compute something else.
    if type(head) is nn.Linear:
        return partial(linear_cross_entropy, weight=head.weight, bias=head.bias)
    return None


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

    The loss of a target y is lse(z) - (1 - s) z[y] - s mean(z), with label smoothing s. The gradients are
    computed in the forward pass: with p = softmax(z), dz = p - s / V - (1 - s) onehot(y) overwrites z, and
    only dz weight, dzᵀ features and the column sums of dz are kept, never the (N, V) logits. The sum over
    targets is in float64. On a CPU a layer whose weights fit into the caches is one call of the native
    library, whatever `matmul` is.

    Args:
        features: inputs of the map.
        weight: of the map, one row per output; may also be the table of an embedding.
        bias: added to the logits.
        targets: the correct output for each row of the features.
        label_smoothing: s, the fraction of the probability that is spread over all outputs.
        matmul: the implementation of the matrix products.

    Raises:
        UserError: features do not fit the weights, or there is not one target within 0 to V - 1 for each row.
            Targets are checked on a CPU only; on another device the check would have to wait for it.
        RuntimeError: in a second backward pass, or in one that is itself to be differentiated.
    """
    V, H = weight.shape
    check_axes("features", features, ("targets", str(H)), "fused loss")
    if features.shape[1] != H:
        raise UserError(f"Features must be of shape (targets, {H}). Got {tuple(features.shape)}.")
    if features.dtype != weight.dtype or features.device != weight.device:
        raise UserError(
            f"Features must be {weight.dtype} on {weight.device}, as the weights are. "
            f"Got {features.dtype} on {features.device}."
        )
    if bias is not None and len(bias) != V:
        raise UserError(f"A bias must be of shape ({V},). Got {tuple(bias.shape)}.")
    total = _LinearCrossEntropy.apply(features, weight, bias, targets, label_smoothing, matmul)
    assert isinstance(total, Tensor)
    return total


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 (torch passes arguments by position)
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        smoothing: float,
        matmul: Matmul,
    ) -> Tensor:
        needed = ctx.needs_input_grad[:3]
        library = library_for(features, weight, bias)
        if library is not None and head_fits(library, weight):
            total, ctx.gradients = head_loss(
                library, features, weight, bias, targets, smoothing, needed=needed
            )
            return total.to(features.dtype)
        nats = torch.zeros((), dtype=torch.float64, device=features.device)
        dx: list[Tensor] = []
        dweight = dbias = None
        rows = max(1, MOST_LOGITS // weight.shape[0])
        for x, y in zip(features.split(rows), targets.split(rows), strict=True):
            chunk_nats, dz = _residual(matmul.forward(x, weight, bias), y, smoothing)
            nats += chunk_nats
            if needed[0]:
                dx.append(matmul.inputs(dz, weight))
            if needed[1]:
                dweight = _accumulate(dweight, matmul.weights(dz, x))
            if needed[2]:
                dbias = _accumulate(dbias, dz.sum(0))
        # Kept on ctx, not by save_for_backward: `backward` scales them in place and then releases them.
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
        # Training usually calls backward on the sum itself, whose factor is 1: a pass over all gradients is
        # saved. On other devices reading the factor would wait for them.
        if factor.device.type != "cpu" or factor.item() != 1:
            gradients = tuple(None if gradient is None else gradient.mul_(factor) for gradient in gradients)
        return (*gradients, None, None, None)


def _residual(
    logits: Float[Tensor, "N V"], targets: Int[Tensor, " N"], smoothing: float
) -> tuple[Float[Tensor, ""], Float[Tensor, "N V"]]:
    """Summed nats in float64, and the gradient with respect to the logits, which overwrites them."""
    if (library := library_for(logits)) is not None:
        return cross_entropy_(library, logits, targets, smoothing), logits
    if targets.device.type == "cpu":
        check_targets(targets, *logits.shape)
    targets = targets.unsqueeze(1)
    expected_logit = (1 - smoothing) * logits.gather(1, targets).squeeze(1).double()
    if smoothing:
        expected_logit += smoothing * logits.sum(1, dtype=torch.float64) / logits.shape[1]
    highest = logits.amax(1)
    # On a CPU softmax processes row by row, so it can overwrite its input, and a row stays in the cache.
    # Other devices process rows in parallel and in several passes, which makes no such promise.
    out = logits if logits.device.type == "cpu" else torch.empty_like(logits)
    p = torch.softmax(logits, 1, out=out)
    # The loss must not be the logarithm of the target's probability, which can underflow to 0. The largest
    # probability cannot: it is 1 / sum exp(z - highest), at least 1 / V.
    lse = highest.double() - p.amax(1).double().log()
    if smoothing:
        p.sub_(smoothing / p.shape[1])
    p.scatter_add_(1, targets, p.new_full(targets.shape, smoothing - 1))
    return (lse - expected_logit).sum(), p


def _accumulate(total: Tensor | None, term: Tensor) -> Tensor:
    return term if total is None else total.add_(term)
