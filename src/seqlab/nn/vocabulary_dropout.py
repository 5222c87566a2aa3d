"""Dropout of words of the vocabulary. Legend: B sequences, T steps, V words, E features."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.nn.dropout import Dropout


class VocabularyDropout(nn.Module):
    """Some tokens of the vocabulary have a vector of zeros, wherever they occur in a batch.

    y_t = x_t keep[token_t] / (1 - p), keep ~ Bernoulli(1 - p) for each token of the vocabulary. An output
    layer that is tied to the table reads all of it. Source: Gal and Ghahramani 2016; Merity et al. 2018,
    section 4.3. Its generator is that of a `Dropout`.

    Args:
        p: fraction of the vocabulary that is dropped.
        tokens: V.
    """

    def __init__(self, p: float, tokens: int):
        super().__init__()
        self.dropout, self._tokens = Dropout(p), tokens

    @property
    def active(self) -> bool:
        """Whether the next call changes its input."""
        return self.dropout.active

    def forward(self, x: Float[Tensor, "B T E"], tokens: Int[Tensor, "B T"]) -> Float[Tensor, "B T E"]:
        """The vectors of tokens, some of them zero and the others scaled up."""
        if not self.active:
            return x
        keep = self.dropout(x.new_ones(self._tokens, 1))
        return x * keep[tokens]
