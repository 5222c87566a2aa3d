"""Dropout that draws from its own generator."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqlab.nn.native.builds import library_for
from seqlab.nn.native.random_masks import dropped
from seqlab.nn.sizes import check_fraction
from seqlab.schema.errors import UserError

LEAST_ELEMENTS = 1 << 16
"""Fewer elements take less time than the call of the library, so torch drops them."""


class Dropout(nn.Module):
    """y = x * keep / (1 - p), keep ~ Bernoulli(1 - p) for each element; the identity in evaluation.

    The mask comes from `generator` alone, so that a run can save and restore it; see
    `bind_generator`. For many elements on a CPU `generator` draws a seed, and the native library draws the
    mask from it, in the backward pass again. Source: Srivastava et al. 2014.

    With `whole`, one keep for each vector along the last axis: of embedded tokens this is word dropout (Iyyer
    et al. 2015). The others are scaled by 1 / (1 - p), as Gal and Ghahramani (2016) scale embeddings; the
    mean of Iyyer et al. divides by the number of tokens that are kept, which is about the same.

    With `locked`, one keep for each feature of a sequence, at all of its steps: variational dropout (Gal and
    Ghahramani 2016).

    Args:
        p: fraction of elements set to zero, 0 <= p < 1.
        whole: whether the elements of a vector are dropped together.
        locked: whether the steps of a sequence, the last axis but one, have the same mask; not with `whole`.

    Raises:
        UserError: p is not within its range; or, in training, no generator is bound.
    """

    def __init__(self, p: float, *, whole: bool = False, locked: bool = False):
        super().__init__()
        check_fraction("Dropout", p)
        assert not (whole and locked), "a vector is dropped whole, or its features at all steps"
        self.p, self._whole, self._locked = p, whole, locked
        self.generator: torch.Generator | None = None

    @property
    def active(self) -> bool:
        """Whether the next call changes its input."""
        return self.training and self.p > 0

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """The input with some elements zero and the others scaled up."""
        if not self.active:
            return x
        each = not (self._whole or self._locked)
        if each and x.numel() >= LEAST_ELEMENTS and library_for(x) is not None:
            y = _SeededDropout.apply(x, self.p, self.draw_seed())
            assert isinstance(y, Tensor)
            return y
        # One random fill and two cheap passes in place; bernoulli_ takes three times as long on a CPU.
        mask = torch.rand(self._shape(x), generator=self._bound(), dtype=x.dtype, device=x.device)
        return x * mask.ge_(self.p).mul_(1 / (1 - self.p))

    def draw_seed(self) -> int:
        """The seed of the next mask that the native library draws; the generator is on the CPU."""
        return int(torch.empty((), dtype=torch.int64).random_(generator=self._bound()))

    def _bound(self) -> torch.Generator:
        if self.generator is None:
            raise UserError(
                "Dropout in training must have a generator: call bind_generator(model, generator). Got None."
            )
        return self.generator

    def extra_repr(self) -> str:
        """The fraction, as `print(model)` shows it."""
        return f"p={self.p}{', whole' * self._whole}{', locked' * self._locked}"

    def _shape(self, x: Tensor) -> tuple[int, ...]:
        """The shape of the mask."""
        if self._locked:
            return (*x.shape[:-2], 1, x.shape[-1])
        return (*x.shape[:-1], 1) if self._whole else x.shape


class _SeededDropout(torch.autograd.Function):
    """Dropout by the native library. Its gradient is itself, so it has derivatives of every order."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, share: float, seed: int) -> Tensor:
        ctx.share, ctx.seed = share, seed
        library = library_for(x)
        assert library is not None, "the caller asked for it"
        return dropped(library, x.contiguous(), share, seed)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        return _SeededDropout.apply(upstream[0], ctx.share, ctx.seed), None, None


def bind_generator(model: nn.Module, generator: torch.Generator) -> None:
    """Make every `Dropout` of a model draw from one generator (on the model's device)."""
    for module in model.modules():
        if isinstance(module, Dropout):
            module.generator = generator
