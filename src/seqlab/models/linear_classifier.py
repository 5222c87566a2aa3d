"""A classifier without a recurrence: the linear baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.models.input_spec import InputSpec
from seqlab.models.model_config import ModelConfig, TokenDropout, Width
from seqlab.models.transfer import EMBEDDING, LANGUAGE_MODEL, Same, Transfer, everything

if TYPE_CHECKING:
    import torch

    from seqlab.models.model import SequenceModel


class LinearClassifierConfig(ModelConfig):
    """Embedding -> dropout -> Linear -> ReLU -> pooling -> dropout -> Linear: blind to order."""

    kind: Literal["linear-classifier"] = "linear-classifier"
    """Name of the model."""
    init_from: str | None = Field(default=None, min_length=1)
    """Name or path of a finished run whose weights training starts from: a `recurrent-lm`, whose embedding is
    taken, or such a classifier of the same labels; none: weights are drawn."""
    embedding_size: int = Field(default=300, ge=1)
    """Features of an embedded token."""
    embedding_std: float = Field(default=1.0, gt=0)
    """Standard deviation of the normal distribution the embedding is drawn from."""
    linear_size: int = Field(default=300, ge=1)
    """Features of the linear layer before pooling."""
    pooling: Literal["max", "mean"] = "max"
    """How the features of a text's tokens become those of the text."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share dropped of embedded tokens and of the pooled features."""
    token_dropout: TokenDropout = 0.0
    """Share of tokens that are dropped whole in training, all features of their vectors; the others are
    multiplied by 1 / (1 - share)."""

    @property
    @override
    def widths(self) -> tuple[Width, ...]:
        return (Width("linear_size"),)

    @property
    @override
    def transfer(self) -> Transfer | None:
        own = everything(*Same.of("linear_size"))
        return Transfer.of(self.init_from, {LANGUAGE_MODEL: EMBEDDING, self.kind: own})

    @override
    def build(self, spec: InputSpec, generator: torch.Generator) -> SequenceModel:
        from seqlab.models.classifier import SequenceClassifier
        from seqlab.nn.initial import linear, normal_embedding
        from seqlab.nn.pooling import pooling_over_time

        size = self.embedding_size
        return SequenceClassifier(
            normal_embedding(spec.vocabulary, size, std=self.embedding_std, generator=generator),
            None,
            linear(size, self.linear_size, generator=generator),
            pooling=pooling_over_time(self.pooling),
            dropout=self.dropout,
            token_dropout=self.token_dropout,
            embedding_dropout=self.dropout,
            head=linear(self.linear_size, spec.outputs, generator=generator),
        )
