"""An output layer for large vocabularies. Legend: N targets, H features, V outputs, K clusters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from seqlab.nn.fused_head import CrossEntropyHead, linear_cross_entropy
from seqlab.nn.initial import linear, linear_without_bias
from seqlab.nn.matmul import TORCH, Matmul
from seqlab.nn.native.output import check_targets
from seqlab.schema.errors import UserError


class AdaptiveSoftmax(CrossEntropyHead):
    """Probabilities of outputs in clusters, the frequent ones first; Grave et al. 2017.

    With cutoffs c_1 < ... < c_K, c_(K+1) = V and features h:

        a = softmax(W h + b), of c_1 + K entries
        p(v) = a[v]                                            for v < c_1
        p(v) = a[c_1 + k - 1] softmax(W_k P_k h)[v - c_k]      for c_k <= v < c_(k+1)

    The last K entries of a are the probabilities of the clusters. P_k projects to H / d^k features. A target
    before c_1 costs the first softmax alone, any other one that of its cluster besides, so a loss is cheap
    where outputs are ordered by frequency.

    Parameters have the names and shapes of `torch.nn.AdaptiveLogSoftmaxWithLoss` with `head_bias=True`.

    Args:
        inputs: H.
        outputs: V.
        cutoffs: c_1 to c_K, at least one.
        divisor: d.
        bound: weights are drawn from U(-bound, bound); b is 0.
        generator: source of the weights.

    Raises:
        UserError: cutoffs do not ascend within 1 to V - 1, or a projection has no features.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        cutoffs: Sequence[int],
        *,
        divisor: int,
        bound: float,
        generator: torch.Generator,
    ):
        super().__init__()
        bounds = (0, *cutoffs, outputs)
        if not cutoffs or any(low >= high for low, high in pairwise(bounds)):
            raise UserError(f"Cutoffs must ascend within 1 to {outputs - 1}. Got {list(cutoffs)}.")
        self.in_features, self.outputs, self.cutoffs = inputs, outputs, tuple(cutoffs)
        entries = cutoffs[0] + len(cutoffs)
        self.head = linear(inputs, entries, generator=generator, bound=bound, bias_bound=0.0)
        self.tail = nn.ModuleList()
        for k, (low, high) in enumerate(pairwise(bounds[1:]), start=1):
            features = inputs // divisor**k
            projection = linear_without_bias(inputs, features, bound=bound, generator=generator)
            output = linear_without_bias(features, high - low, bound=bound, generator=generator)
            self.tail.append(nn.Sequential(projection, output))

    def forward(self, features: Float[Tensor, "*N H"]) -> Float[Tensor, "*N V"]:
        """The log-probability of every output; as logits they have the same softmax."""
        first = functional.log_softmax(self.head(features), dim=-1)
        parts = [first[..., : self.cutoffs[0]]]
        for entry, tail in enumerate(self.tail, start=self.cutoffs[0]):
            parts.append(first[..., entry : entry + 1] + functional.log_softmax(tail(features), dim=-1))
        return torch.cat(parts, dim=-1)

    @override
    def cross_entropy(
        self,
        features: Float[Tensor, "N H"],
        targets: Int[Tensor, " N"],
        *,
        label_smoothing: float = 0.0,
        matmul: Matmul = TORCH,
    ) -> Float[Tensor, ""]:
        if label_smoothing:
            # Every output has a share of every target, so no cluster can be left out.
            return functional.cross_entropy(
                self(features), targets, reduction="sum", label_smoothing=label_smoothing
            )
        entries = self._entries(features, targets)
        total = linear_cross_entropy(features, self.head.weight, self.head.bias, entries, matmul=matmul)
        for projection, output, rows, within in self._clusters(targets):
            projected = projection(features.index_select(0, rows))
            total = total + linear_cross_entropy(projected, output.weight, None, within, matmul=matmul)
        return total

    @override
    def nats(self, features: Float[Tensor, "N H"], targets: Int[Tensor, " N"]) -> Float[Tensor, " N"]:
        entries = self._entries(features, targets)
        total = functional.cross_entropy(self.head(features), entries, reduction="none")
        for projection, output, rows, within in self._clusters(targets):
            logits = output(projection(features.index_select(0, rows)))
            total = total.index_add(0, rows, functional.cross_entropy(logits, within, reduction="none"))
        return total

    def _entries(self, features: Float[Tensor, "N H"], targets: Int[Tensor, " N"]) -> Int[Tensor, " N"]:
        """The entry of the first softmax for each target: its own, or that of its cluster."""
        if targets.device.type == "cpu":
            check_targets(targets, len(features), self.outputs)
        cluster = torch.bucketize(targets, targets.new_tensor(self.cutoffs), right=True)
        return torch.where(cluster == 0, targets, self.cutoffs[0] - 1 + cluster)

    def _clusters(self, targets: Int[Tensor, " N"]) -> Iterator[tuple[nn.Linear, nn.Linear, Tensor, Tensor]]:
        """Of each cluster its layers, the rows of its targets, and these targets counted within it.

        A cluster without targets has no rows, and its weights have the gradient 0.
        """
        for tail, (low, high) in zip(self.tail, pairwise((*self.cutoffs, self.outputs)), strict=True):
            assert isinstance(tail, nn.Sequential)
            projection, output = tail
            assert isinstance(projection, nn.Linear)
            assert isinstance(output, nn.Linear)
            rows = ((targets >= low) & (targets < high)).nonzero().squeeze(1)
            yield projection, output, rows, targets.index_select(0, rows) - low
