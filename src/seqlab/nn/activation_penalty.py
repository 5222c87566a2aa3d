"""Penalties on the outputs of the last layer. Legend: B sequences, T steps, H features."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from seqlab.data.sequences import length_mask


@dataclass(frozen=True)
class ActivationPenalty:
    """What activation regularisation (AR) and temporal activation regularisation (TAR) add to an objective.

    AR = activation * mean(d_t^2),  TAR = temporal * mean((h_t - h_(t-1))^2), with h_t the outputs of the last
    layer and d_t the same after dropout. Means are over the features of all tokens, and of all pairs of
    successive tokens of the batch, as in the authors' program; the paper writes a norm. Source: Merity et al.
    2017, "Revisiting activation regularization for language RNNs"; Merity et al. 2018, section 4.6.
    """

    activation: float = 0.0
    temporal: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.activation or self.temporal)

    def __call__(
        self,
        outputs: Float[Tensor, "B T H"],
        dropped: Float[Tensor, "B T H"],
        lengths: Int[Tensor, " B"],
    ) -> Float[Tensor, ""]:
        """The penalty, in the unit of a mean loss.

        Args:
            outputs: h, zero at padding.
            dropped: d, zero at padding.
            lengths: tokens of each sequence.
        """
        total = outputs.new_zeros(())
        if self.activation:
            total = total + self.activation * _mean(dropped, lengths)
        if self.temporal:
            pairs = (lengths - 1).clamp(min=0)
            changes = outputs[:, 1:] - outputs[:, :-1]
            real = length_mask(pairs, changes.shape[1]).unsqueeze(2)
            total = total + self.temporal * _mean(changes * real, pairs)
        return total


def _mean(x: Float[Tensor, "B T H"], lengths: Int[Tensor, " B"]) -> Float[Tensor, ""]:
    """The mean square of the real steps; 0 without any."""
    return x.square().sum() / (lengths.sum().clamp(min=1) * x.shape[2])
