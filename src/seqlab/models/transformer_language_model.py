"""A language model with Transformer layers."""

from __future__ import annotations

from math import lcm
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator
from typing_extensions import override

from seqlab.models.any_language_model import AnyLanguageModelConfig
from seqlab.models.input_spec import InputSpec
from seqlab.models.model_config import Width
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    import torch

    from seqlab.models.model import SequenceModel


def nearest_divisor(number: int, wanted: int) -> int:
    """The divisor of a number that is closest to another one; 1 where none is within 10,000 of it.

    >>> nearest_divisor(12, 5), nearest_divisor(12, 99), nearest_divisor(10**9 + 7, 16)
    (4, 12, 1)
    """
    wanted = min(wanted, number)
    near = (n for distance in range(10_000) for n in (wanted - distance, wanted + distance) if n > 0)
    return next((n for n in near if number % n == 0), 1)


class TransformerLanguageModelConfig(AnyLanguageModelConfig):
    """Embedding * sqrt(hidden) + sinusoids -> dropout -> pre-norm layers -> norm -> Linear.

    With `cutoffs` the last layer is an adaptive softmax.
    """

    kind: Literal["transformer-lm"] = "transformer-lm"
    """Name of the model."""
    hidden_size: int = Field(default=512, ge=1)
    """Features of a token, embedded or not."""
    layers: int = Field(default=6, ge=1, le=1_000)
    """Transformer layers."""
    heads: int = Field(default=16, ge=1)
    """Attention heads of a layer, a divisor of hidden_size."""
    feed_forward_size: int = Field(default=2048, ge=1)
    """Features inside a layer's feed-forward part."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share dropped of embedded tokens, of each branch of a layer and inside its feed-forward part."""
    attention_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share dropped of attention weights."""

    @property
    @override
    def widths(self) -> tuple[Width, ...]:
        return Width("hidden_size", step=lcm(self.heads, self.hidden_step)), Width("feed_forward_size")

    @model_validator(mode="after")
    def _heads_divide(self) -> TransformerLanguageModelConfig:
        if self.hidden_size % self.heads:
            hint = nearest_divisor(self.hidden_size, self.heads)
            raise UserError(
                f"'heads' must divide 'hidden_size'. Got heads {self.heads}, hidden_size {self.hidden_size}. "
                f"Nearest: heads={hint}."
            )
        return self

    @override
    def build(self, spec: InputSpec, generator: torch.Generator) -> SequenceModel:
        from seqlab.models.language_model import LanguageModel
        from seqlab.nn.initial import uniform_embedding
        from seqlab.nn.transformer_stack import TransformerStack

        size, bound = self.hidden_size, self.init_range
        embedding = uniform_embedding(spec.vocabulary, size, bound=bound, generator=generator)
        body = TransformerStack(
            size,
            self.heads,
            self.feed_forward_size,
            layers=self.layers,
            dropout=self.dropout,
            attention_dropout=self.attention_dropout,
            generator=generator,
        )
        head = self.head(spec, embedding, generator)
        # Dropout of inputs comes after the positions, inside the stack; none is applied before the head.
        return LanguageModel(embedding, body, head=head)
