"""The output layer of a language model by its settings; free of torch until it is built."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from seqlab.models.input_spec import InputSpec
from seqlab.schema.errors import UserError
from seqlab.schema.settings import inline_toml

if TYPE_CHECKING:
    import torch
    from torch import nn

    from seqlab.nn.embedding import Embedding

Cutoffs = tuple[Annotated[int, Field(ge=1)], ...]
Divisor = Annotated[int, Field(ge=1, le=1_000)]
DIVISOR = 4
"""As in Grave et al. 2017, and the default of torch."""


@dataclass(frozen=True, kw_only=True)
class OutputLayer:
    """A linear map to the vocabulary, its weights tied to the embedding or not, or an adaptive softmax.

    inputs: features that it maps. cutoffs, projection_divisor, tied: the settings of the model.
    """

    inputs: int
    cutoffs: Cutoffs
    projection_divisor: Divisor
    tied: bool

    @property
    def step(self) -> int:
        """Numbers of inputs of which all projections are whole fractions are multiples of it."""
        return self.projection_divisor ** len(self.cutoffs)

    @property
    def least_tokens(self) -> int:
        """Tokens of the smallest vocabulary."""
        return max(self.cutoffs, default=1) + 1

    def check(self) -> None:
        """Check the settings, as far as no data is needed.

        Raises:
            UserError: they do not fit each other.
        """
        if not self.cutoffs:
            if self.projection_divisor != DIVISOR:
                raise UserError(
                    f"'projection_divisor' must be {DIVISOR} without 'cutoffs', as nothing is projected. "
                    f"Got {self.projection_divisor}."
                )
            return
        if self.tied:
            raise UserError(
                "'tied' must be false where there are 'cutoffs', because the clusters' weights have other "
                "sizes than the embedding. Got true."
            )
        ascending = sorted(set(self.cutoffs))
        if list(self.cutoffs) != ascending:
            raise UserError(
                f"'cutoffs' must ascend. Got {inline_toml(self.cutoffs)}. Nearest: {inline_toml(ascending)}."
            )
        if self.step > self.inputs:
            raise UserError(
                "'projection_divisor' must leave every cluster a feature: it divides the hidden size, "
                f"{self.inputs}, {len(self.cutoffs)} times. Got {self.projection_divisor}. "
                f"Nearest: {self._divisor()}."
            )

    def build(
        self, spec: InputSpec, embedding: Embedding, *, bound: float, generator: torch.Generator
    ) -> nn.Module:
        """The layer, its weights drawn from U(-bound, bound).

        Raises:
            UserError: it does not fit the vocabulary.
        """
        from seqlab.nn.adaptive_softmax import AdaptiveSoftmax
        from seqlab.nn.initial import output_layer

        if not self.cutoffs:
            tied = embedding if self.tied else None
            return output_layer(self.inputs, spec.outputs, bound=bound, tied=tied, generator=generator)
        self._check_vocabulary(spec)
        return AdaptiveSoftmax(
            self.inputs,
            spec.outputs,
            self.cutoffs,
            divisor=self.projection_divisor,
            bound=bound,
            generator=generator,
        )

    def _check_vocabulary(self, spec: InputSpec) -> None:
        got = inline_toml(self.cutoffs)
        if not spec.frequent_first:
            raise UserError(
                "'model.cutoffs' must be empty unless the tokenizer orders its ids by frequency, because "
                f"clusters are ranges of ids. Got {got}. Nearest: a tokenizer of words, such as "
                "data.tokenizer.kind=unicode-words."
            )
        if self.cutoffs[-1] >= spec.outputs:
            fitting = [cutoff for cutoff in self.cutoffs if cutoff < spec.outputs]
            raise UserError(
                f"'model.cutoffs' must be less than {spec.outputs:,}, the number of tokens. Got {got}. "
                f"Nearest: {inline_toml(fitting)}."
            )

    def _divisor(self) -> int:
        """The largest divisor that leaves every cluster a feature."""
        return bisect_right(
            range(1, self.projection_divisor), self.inputs, key=lambda d: d ** len(self.cutoffs)
        )
