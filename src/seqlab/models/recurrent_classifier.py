"""A classifier with recurrent layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator
from typing_extensions import override

from seqlab.models.input_spec import InputSpec
from seqlab.models.model_config import CellSetting, ModelConfig, Width
from seqlab.nn.implementation import Implementation
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    import torch

    from seqlab.models.model import SequenceModel
    from seqlab.nn.embedding import Embedding, Fixed

MOST_ONE_HOT = 5_000
"""Tokens that are read as one-hot vectors, at most: their table has 100 MB then."""


class RecurrentClassifierConfig(ModelConfig):
    """Embedding -> dropout -> recurrent layers [-> Linear -> ReLU] -> pooling -> dropout -> Linear."""

    kind: Literal["recurrent-classifier"] = "recurrent-classifier"
    """Name of the model."""
    cell: CellSetting = "lstm"
    """Equations of the recurrence; a GRU's reset gate acts before or after its recurrent weights.
    FILE.py:NAME is a cell of your own."""
    implementation: Implementation = "kernels"
    """What computes the recurrence: the native kernels where they apply, torch's own functions, or the
    equations step by step, as for a cell of your own. Results are equal but for rounding; seconds are not."""
    embedding: Literal["learned", "one-hot", "numbers"] = "learned"
    """What a token is read as: a learned vector, a one-hot one, or the numbers that it is (tokenizer
    `numbers`)."""
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
    """How the features of a text's tokens become those of the text."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share dropped of embedded tokens, between recurrent layers and of the pooled features."""

    @property
    @override
    def widths(self) -> tuple[Width, ...]:
        return (Width("hidden_size"), *([Width("linear_size")] if self.linear_size else []))

    @model_validator(mode="after")
    def _last_reads_all(self) -> RecurrentClassifierConfig:
        if self.bidirectional and self.pooling == "last":
            raise UserError(
                "'pooling' must be 'max' or 'mean' when 'bidirectional' is true, because at a text's last "
                "token the backward direction has read only that token. Got 'last'. Nearest: 'max'."
            )
        return self

    @override
    def build(self, spec: InputSpec, generator: torch.Generator) -> SequenceModel:
        from seqlab.models.classifier import SequenceClassifier
        from seqlab.nn.initial import linear
        from seqlab.nn.recurrent import RecurrentStack

        embedding = self._embedding(spec, generator)
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
            pooling=self.pooling,
            dropout=self.dropout,
            head=linear(between or features, spec.outputs, generator=generator),
        )

    def _embedding(self, spec: InputSpec, generator: torch.Generator) -> Embedding | Fixed:
        import torch

        from seqlab.nn.embedding import Fixed
        from seqlab.nn.initial import normal_embedding

        match self.embedding:
            case "learned":
                size, std = self.embedding_size, self.embedding_std
                return normal_embedding(spec.vocabulary, size, std=std, generator=generator)
            case "one-hot":
                _check_one_hot(spec.vocabulary)
                return Fixed(torch.eye(spec.vocabulary))
            case "numbers":
                if spec.numbers is None:
                    raise UserError(
                        "'model.embedding' must be 'learned' or 'one-hot' where tokens are no numbers. "
                        "Got 'numbers'. Nearest: data.tokenizer.kind='numbers'."
                    )
                return Fixed(torch.tensor(spec.numbers, dtype=torch.float32))


def _check_one_hot(vocabulary: int) -> None:
    if vocabulary > MOST_ONE_HOT:
        raise UserError(
            f"'model.embedding' must be 'learned' for more than {MOST_ONE_HOT:,} tokens, because each "
            f"one-hot vector has as many elements. Got 'one-hot' for {vocabulary:,}."
        )
