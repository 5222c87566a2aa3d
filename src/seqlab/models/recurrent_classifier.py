"""A classifier with recurrent layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.models.embeddings import EmbeddingName, build_embedding
from seqlab.models.input_spec import InputSpec
from seqlab.models.model_config import CellSetting, ModelConfig, TokenDropout, Width
from seqlab.models.transfer import LANGUAGE_MODEL, Same, Transfer, everything, recurrent_layers
from seqlab.nn.implementation import Implementation

if TYPE_CHECKING:
    import torch

    from seqlab.models.model import SequenceModel


class RecurrentClassifierConfig(ModelConfig):
    """Embedding -> dropout -> recurrent layers [-> Linear -> ReLU] -> pooling -> dropout -> Linear."""

    kind: Literal["recurrent-classifier"] = "recurrent-classifier"
    """Name of the model."""
    init_from: str | None = Field(default=None, min_length=1)
    """Name or path of a finished run whose weights training starts from: a `recurrent-lm` of the same
    embedding and recurrent layers, or such a classifier of the same labels; none: weights are drawn."""
    cell: CellSetting = "lstm"
    """Equations of the recurrence; a GRU's reset gate acts before or after its recurrent weights.
    FILE.py:NAME is a cell of your own."""
    implementation: Implementation = "kernels"
    """What computes the recurrence: the native kernels where they apply, torch's own functions, or the
    equations step by step, as for a cell of your own. Results are equal but for rounding; seconds are not."""
    embedding: EmbeddingName = "learned"
    """What a token is read as: a learned vector, a one-hot one, the numbers that it is (tokenizer
    `numbers`), or its id as one number, which is an order that words do not have."""
    embedding_size: int = Field(default=300, ge=1)
    """Features of a learned vector."""
    embedding_std: float = Field(default=1.0, gt=0)
    """Standard deviation of the normal distribution that learned vectors are drawn from."""
    hidden_size: int = Field(default=300, ge=1)
    """Units of a recurrent layer in one direction."""
    layers: int = Field(default=1, ge=1, le=1_000)
    """Recurrent layers."""
    forget_bias: float = 0.0
    """Added at first to the bias of the gate that keeps the old state, the forget gate of an LSTM and the
    update gate of a GRU; with 1 or more memories last longer from the start. 0 for cells without gates."""
    bidirectional: bool = False
    """Whether each layer also reads from a text's last token to its first."""
    linear_size: int = Field(default=300, ge=0)
    """Features of the linear layer before pooling; 0: there is none, nor a ReLU."""
    pooling: Literal["max", "mean", "last"] = "max"
    """How the features of a text's tokens become those of the text; `last` of two directions is what each of
    them read last."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share dropped of embedded tokens, between recurrent layers and of the pooled features."""
    token_dropout: TokenDropout = 0.0
    """Share of tokens that are dropped whole in training, all features of their vectors; the others are
    multiplied by 1 / (1 - share)."""

    @property
    @override
    def widths(self) -> tuple[Width, ...]:
        return (Width("hidden_size"), *([Width("linear_size")] if self.linear_size else []))

    @property
    @override
    def transfer(self) -> Transfer | None:
        own = Same.of("cell", "hidden_size", "layers", "bidirectional", "linear_size")
        return Transfer.of(self.init_from, {LANGUAGE_MODEL: recurrent_layers(), self.kind: everything(*own)})

    @override
    def build(self, spec: InputSpec, generator: torch.Generator) -> SequenceModel:
        from seqlab.models.classifier import SequenceClassifier
        from seqlab.nn.initial import linear
        from seqlab.nn.pooling import pooling_over_time
        from seqlab.nn.recurrent import RecurrentStack

        size, std = self.embedding_size, self.embedding_std
        embedding = build_embedding(self.embedding, spec, size=size, std=std, generator=generator)
        body = RecurrentStack(
            self.cell,
            embedding.embedding_dim,
            self.hidden_size,
            layers=self.layers,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            forget_bias=self.forget_bias,
            generator=generator,
            implementation=self.implementation,
        )
        features, between = body.output_size, self.linear_size
        return SequenceClassifier(
            embedding,
            body,
            linear(features, between, generator=generator) if between else None,
            pooling=pooling_over_time(self.pooling, bidirectional=self.bidirectional),
            dropout=self.dropout,
            token_dropout=self.token_dropout,
            embedding_dropout=self.dropout,
            head=linear(between or features, spec.outputs, generator=generator),
        )
