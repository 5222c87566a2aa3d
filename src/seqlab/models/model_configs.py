"""Settings of the models, free of torch until one is built."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator
from typing_extensions import override

from seqlab.schema.config import Config
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    import torch

    from seqlab.models.model import SequenceModel

Numbers = Sequence[Sequence[float]]
"""Of each token, as many numbers."""
MOST_ONE_HOT = 5_000
"""Tokens that are read as one-hot vectors, at most: their table has 100 MB then."""
CellName = Literal["elman", "elman-relu", "gru-reset-before", "gru", "lstm"]


class Width:
    """A size of a model: the settings that have it, all of them a multiple of `step`."""

    def __init__(self, *keys: str, step: int = 1):
        self.keys, self.step = keys, step


class ModelConfig(Config, ABC):
    """Settings of a model. Subclasses stand here or in the model's own file."""

    kind: str
    """Name of the model."""

    @property
    @abstractmethod
    def widths(self) -> tuple[Width, ...]:
        """The sizes that make the model larger or smaller, coarse ones first."""

    def at(self, width: Width, size: int) -> ModelConfig:
        """The same model with another size of one of its `widths`."""
        return self.model_validate({**dict(self), **dict.fromkeys(width.keys, size)})

    @abstractmethod
    def build(
        self, *, vocabulary: int, outputs: int, generator: torch.Generator, numbers: Numbers | None = None
    ) -> SequenceModel:
        """The model with weights drawn from the generator.

        Its dropouts have no generator yet: see `seqlab.nn.dropout.bind_generator`.

        Args:
            vocabulary: number of input tokens.
            outputs: number of classes, or of tokens that can be predicted; 1 for a number.
            generator: source of every initial weight.
            numbers: what each token is as numbers; None where tokens are none.

        Raises:
            UserError: the model reads numbers, and there are none.
        """


class RecurrentClassifierConfig(ModelConfig):
    """Embedding -> dropout -> recurrent layers [-> Linear -> ReLU] -> pooling -> dropout -> Linear."""

    kind: Literal["recurrent-classifier"] = "recurrent-classifier"
    """Name of the model."""
    cell: CellName = "lstm"
    """Equations of the recurrence; a GRU's reset gate acts before or after its recurrent weights."""
    embedding: Literal["learned", "one-hot", "numbers"] = "learned"
    """What a token is read as: a learned vector, a one-hot one, or the numbers that it is (tokenizer
    `numbers`)."""
    embedding_size: int = Field(default=300, ge=1)
    """Features of a learned vector."""
    embedding_std: float = Field(default=1.0, gt=0)
    """Standard deviation of the normal distribution that learned vectors are drawn from."""
    hidden_size: int = Field(default=300, ge=1)
    """Units of a recurrent layer in one direction."""
    layers: int = Field(default=1, ge=1)
    """Recurrent layers."""
    forget_bias: float = 0.0
    """Added at first to the bias of the gate that keeps the old state, an LSTM's forget gate and a GRU's
    update gate; with 1 or more memories last longer from the start. 0 for cells without gates."""
    bidirectional: bool = False
    """Whether each layer also reads from a text's last token to its first."""
    linear_size: int = Field(default=300, ge=0)
    """Features of the linear layer before pooling; 0: there is none, nor a ReLU."""
    pooling: Literal["max", "mean", "last"] = "max"
    """How the features of a text's tokens become those of the text."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share dropped of embedded tokens, between recurrent layers and of the pooled features."""

    @property
    def widths(self) -> tuple[Width, ...]:
        """The units of a layer, then those of the linear one, where there is one."""
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
    def build(
        self, *, vocabulary: int, outputs: int, generator: torch.Generator, numbers: Numbers | None = None
    ) -> SequenceModel:
        from seqlab.models.sequence_classifier import recurrent_classifier

        if self.embedding == "numbers" and numbers is None:
            raise UserError(
                "'model.embedding' must be 'learned' or 'one-hot' where tokens are no numbers. "
                "Got 'numbers'. Nearest: data.tokenizer.kind='numbers'."
            )
        if self.embedding == "one-hot" and vocabulary > MOST_ONE_HOT:
            raise UserError(
                f"'model.embedding' must be 'learned' for more than {MOST_ONE_HOT:,} tokens, of which each "
                f"one-hot vector has as many places. Got 'one-hot' for {vocabulary:,}."
            )
        return recurrent_classifier(
            self, vocabulary=vocabulary, outputs=outputs, generator=generator, numbers=numbers
        )


class LinearClassifierConfig(ModelConfig):
    """Embedding -> dropout -> Linear -> ReLU -> pooling -> dropout -> Linear: blind to order."""

    kind: Literal["linear-classifier"] = "linear-classifier"
    """Name of the model."""
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

    @property
    def widths(self) -> tuple[Width, ...]:
        """The features of the linear layer."""
        return (Width("linear_size"),)

    @override
    def build(
        self, *, vocabulary: int, outputs: int, generator: torch.Generator, numbers: Numbers | None = None
    ) -> SequenceModel:
        from seqlab.models.sequence_classifier import linear_classifier

        return linear_classifier(self, vocabulary=vocabulary, outputs=outputs, generator=generator)


class RecurrentLanguageModelConfig(ModelConfig):
    """Embedding -> dropout -> recurrent layers -> dropout -> Linear to the vocabulary."""

    kind: Literal["recurrent-lm"] = "recurrent-lm"
    """Name of the model."""
    cell: CellName = "lstm"
    """Equations of the recurrence; a GRU's reset gate acts before or after its recurrent weights."""
    embedding_size: int = Field(default=200, ge=1)
    """Features of an embedded token."""
    hidden_size: int = Field(default=650, ge=1)
    """Units of a recurrent layer."""
    layers: int = Field(default=2, ge=1)
    """Recurrent layers."""
    forget_bias: float = 0.0
    """Added at first to the bias of the gate that keeps the old state, an LSTM's forget gate and a GRU's
    update gate; with 1 or more memories last longer from the start. 0 for cells without gates."""
    sum_layers: bool = False
    """Whether the output layer reads the sum of all layers' outputs, in place of the last one's."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share dropped of embedded tokens, between recurrent layers and before the output."""
    tied: bool = False
    """Whether the output's weights are the embedding; needs embedding_size = hidden_size."""
    init_range: float = Field(default=0.1, gt=0)
    """Embedding and output weights are drawn from U(-init_range, init_range)."""

    @property
    def widths(self) -> tuple[Width, ...]:
        """The units of a layer, then those of the embedding; where they are tied, both at once."""
        if self.tied:
            return (Width("hidden_size", "embedding_size"),)
        return Width("hidden_size"), Width("embedding_size")

    @model_validator(mode="after")
    def _tied_sizes(self) -> RecurrentLanguageModelConfig:
        if self.tied and self.embedding_size != self.hidden_size:
            raise UserError(
                "'tied' needs 'embedding_size' to be equal to 'hidden_size'. "
                f"Got {self.embedding_size} and {self.hidden_size}. "
                f"Nearest: embedding_size = {self.hidden_size}."
            )
        return self

    @override
    def build(
        self, *, vocabulary: int, outputs: int, generator: torch.Generator, numbers: Numbers | None = None
    ) -> SequenceModel:
        from seqlab.models.recurrent_language_model import RecurrentLanguageModel

        return RecurrentLanguageModel(self, vocabulary=vocabulary, outputs=outputs, generator=generator)


class TransformerLanguageModelConfig(ModelConfig):
    """Embedding * sqrt(hidden) + sinusoids -> dropout -> pre-norm layers -> norm -> Linear."""

    kind: Literal["transformer-lm"] = "transformer-lm"
    """Name of the model."""
    hidden_size: int = Field(default=512, ge=1)
    """Features of a token, embedded or not."""
    layers: int = Field(default=6, ge=1)
    """Transformer layers."""
    heads: int = Field(default=16, ge=1)
    """Attention heads of a layer, a divisor of hidden_size."""
    feed_forward_size: int = Field(default=2048, ge=1)
    """Features inside a layer's feed-forward part."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share dropped of embedded tokens, of each branch of a layer and inside its feed-forward part."""
    attention_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share dropped of attention weights; more than 0 leaves torch's fused attention, which is slower."""
    tied: bool = False
    """Whether the output's weights are the embedding."""
    init_range: float = Field(default=0.1, gt=0)
    """Embedding and output weights are drawn from U(-init_range, init_range)."""

    @property
    def widths(self) -> tuple[Width, ...]:
        """The features of a token in steps of the heads, then those of the feed-forward part."""
        return Width("hidden_size", step=self.heads), Width("feed_forward_size")

    @model_validator(mode="after")
    def _heads_divide(self) -> TransformerLanguageModelConfig:
        if self.hidden_size % self.heads:
            divisors = [n for n in range(1, self.hidden_size + 1) if self.hidden_size % n == 0]
            hint = min(divisors, key=lambda n: abs(n - self.heads))
            raise UserError(
                f"'heads' must divide 'hidden_size'. Got heads {self.heads}, hidden_size {self.hidden_size}. "
                f"Nearest: heads = {hint}."
            )
        return self

    @override
    def build(
        self, *, vocabulary: int, outputs: int, generator: torch.Generator, numbers: Numbers | None = None
    ) -> SequenceModel:
        from seqlab.models.transformer_language_model import TransformerLanguageModel

        return TransformerLanguageModel(self, vocabulary=vocabulary, outputs=outputs, generator=generator)
