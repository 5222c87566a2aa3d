"""Dropout that draws from its own generator."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqlab.nn.sizes import check_fraction
from seqlab.schema.errors import UserError


class Dropout(nn.Module):
    """y = x * keep / (1 - p), keep ~ Bernoulli(1 - p) for each element; the identity in evaluation.

    The mask comes from `generator` alone, so that a run can save and restore it; see
    `bind_generator`. Source: Srivastava et al. 2014.

    With `whole`, one keep for each vector along the last axis: of embedded tokens this is word dropout (Iyyer
    et al. 2015). The others are scaled by 1 / (1 - p), as Gal and Ghahramani (2016) scale embeddings; the
    mean of Iyyer et al. divides by the number of tokens that are kept, which is about the same.

    Args:
        p: fraction of elements set to zero, 0 <= p < 1.
        whole: whether the elements of a vector are dropped together.

    Raises:
        UserError: p is not within its range; or, in training, no generator is bound.
    """

    def __init__(self, p: float, *, whole: bool = False):
        super().__init__()
        check_fraction("Dropout", p)
        self.p, self._whole = p, whole
        self.generator: torch.Generator | None = None

    @property
    def active(self) -> bool:
        """Whether the next call changes its input."""
        return self.training and self.p > 0

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """The input with some elements zero and the others scaled up."""
        if not self.active:
            return x
        if self.generator is None:
            raise UserError(
                "Dropout in training must have a generator: call bind_generator(model, generator). Got None."
            )
        # One random fill and two cheap passes in place; bernoulli_ takes three times as long on a CPU.
        shape = (*x.shape[:-1], 1) if self._whole else x.shape
        mask = torch.rand(shape, generator=self.generator, dtype=x.dtype, device=x.device)
        return x * mask.ge_(self.p).mul_(1 / (1 - self.p))

    def extra_repr(self) -> str:
        """The fraction, as `print(model)` shows it."""
        return f"p={self.p}{', whole' * self._whole}"


def bind_generator(model: nn.Module, generator: torch.Generator) -> None:
    """Make every `Dropout` of a model draw from one generator (on the model's device)."""
    for module in model.modules():
        if isinstance(module, Dropout):
            module.generator = generator
