"""A language model with recurrent layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator
from typing_extensions import override

from seqlab.models.any_language_model import AnyLanguageModelConfig
from seqlab.models.input_spec import InputSpec
from seqlab.models.model_config import CellSetting, Width
from seqlab.nn.implementation import Implementation
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    import torch

    from seqlab.models.model import SequenceModel


class RecurrentLanguageModelConfig(AnyLanguageModelConfig):
    """Embedding -> dropout -> recurrent layers -> dropout -> Linear to the vocabulary.

    With `cutoffs` the last layer is an adaptive softmax.
    """

    kind: Literal["recurrent-lm"] = "recurrent-lm"
    """Name of the model."""
    cell: CellSetting = "lstm"
    """Equations of the recurrence; a GRU's reset gate acts before or after its recurrent weights.
    FILE.py:NAME is a cell of your own."""
    implementation: Implementation = "kernels"
    """What computes the recurrence: the native kernels where they apply, torch's own functions, or the
    equations step by step, as for a cell of your own. Results are equal but for rounding; seconds are not."""
    embedding_size: int = Field(default=200, ge=1)
    """Features of an embedded token."""
    hidden_size: int = Field(default=650, ge=1)
    """Units of a recurrent layer."""
    layers: int = Field(default=2, ge=1, le=1_000)
    """Recurrent layers."""
    forget_bias: float = 0.0
    """Added at first to the bias of the gate that keeps the old state, the forget gate of an LSTM and the
    update gate of a GRU; with 1 or more memories last longer from the start. 0 for cells without gates."""
    sum_layers: bool = False
    """Whether the output layer reads the sum of all layers' outputs, in place of the last one's."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share dropped of embedded tokens, between recurrent layers and before the output."""
    tied: bool = False
    """Whether the output's weights are the embedding; needs embedding_size = hidden_size."""

    @property
    @override
    def widths(self) -> tuple[Width, ...]:
        if self.tied:
            return (Width("hidden_size", "embedding_size"),)
        return Width("hidden_size", step=self.hidden_step), Width("embedding_size")

    @model_validator(mode="after")
    def _tied_sizes(self) -> RecurrentLanguageModelConfig:
        if self.tied and self.embedding_size != self.hidden_size:
            raise UserError(
                "'tied' needs 'embedding_size' to be equal to 'hidden_size'. "
                f"Got {self.embedding_size} and {self.hidden_size}. "
                f"Nearest: embedding_size={self.hidden_size}."
            )
        return self

    @override
    def build(self, spec: InputSpec, generator: torch.Generator) -> SequenceModel:
        from seqlab.models.language_model import LanguageModel
        from seqlab.nn.initial import uniform_embedding
        from seqlab.nn.recurrent import RecurrentStack

        bound = self.init_range
        embedding = uniform_embedding(spec.vocabulary, self.embedding_size, bound=bound, generator=generator)
        body = RecurrentStack(
            self.cell,
            self.embedding_size,
            self.hidden_size,
            layers=self.layers,
            dropout=self.dropout,
            summed=self.sum_layers,
            forget_bias=self.forget_bias,
            generator=generator,
            implementation=self.implementation,
        )
        head = self.head(spec, embedding, generator)
        return LanguageModel(embedding, body, dropout=self.dropout, head=head)
