"""Settings that language models share, those of the output layer; free of torch until it is built."""

from __future__ import annotations

from abc import ABC
from bisect import bisect_right
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator
from typing_extensions import override

from seqlab.models.input_spec import InputSpec
from seqlab.models.model_config import ModelConfig
from seqlab.schema.errors import UserError
from seqlab.schema.settings import inline_toml

if TYPE_CHECKING:
    import torch
    from torch import nn

    from seqlab.nn.embedding import Embedding

DIVISOR = 4
"""As in Grave et al. 2017, and the default of torch."""


class AnyLanguageModelConfig(ModelConfig, ABC):
    """Settings of a language model.

    Its output layer is a linear map to the vocabulary, its weights tied to the embedding or not, or, with
    `cutoffs`, an adaptive softmax.
    """

    hidden_size: int = Field(ge=1)
    """Features that the output layer reads."""
    tied: bool = False
    """Whether the output's weights are the embedding."""
    cutoffs: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """First id of each cluster of rare tokens, for an adaptive softmax: a cluster is computed only for the
    targets in it. Ids must be in the order of frequency. Empty: a linear layer to all tokens."""
    projection_divisor: int = Field(default=DIVISOR, ge=1, le=1_000)
    """A cluster has this many times fewer features than the one before it, the first one fewer than the
    hidden size."""
    init_range: float = Field(default=0.1, gt=0)
    """Embedding and output weights are drawn from U(-init_range, init_range)."""

    @property
    def hidden_step(self) -> int:
        """Hidden sizes of which all projections are whole fractions are multiples of it."""
        return self.projection_divisor ** len(self.cutoffs)

    @property
    @override
    def least_tokens(self) -> int:
        return max(self.cutoffs, default=1) + 1

    @model_validator(mode="after")
    def _output_fits(self) -> AnyLanguageModelConfig:
        self._check_output()
        return self

    def _check_output(self) -> None:
        """Check the settings of the output layer, as far as no data is needed."""
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
        if self.hidden_step > self.hidden_size:
            raise UserError(
                "'projection_divisor' must leave every cluster a feature: it divides the hidden size, "
                f"{self.hidden_size}, {len(self.cutoffs)} times. Got {self.projection_divisor}. "
                f"Nearest: {self._divisor()}."
            )

    def head(self, spec: InputSpec, embedding: Embedding, generator: torch.Generator) -> nn.Module:
        """The output layer, its weights drawn from U(-init_range, init_range).

        Raises:
            UserError: it does not fit the vocabulary.
        """
        from seqlab.nn.adaptive_softmax import AdaptiveSoftmax
        from seqlab.nn.initial import output_layer

        size, bound = self.hidden_size, self.init_range
        if not self.cutoffs:
            tied = embedding if self.tied else None
            size = size if tied is None else tied.embedding_dim
            return output_layer(size, spec.outputs, bound=bound, tied=tied, generator=generator)
        self._check_vocabulary(spec)
        return AdaptiveSoftmax(
            size,
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
            range(1, self.projection_divisor), self.hidden_size, key=lambda d: d ** len(self.cutoffs)
        )
