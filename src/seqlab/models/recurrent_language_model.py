"""A language model with recurrent layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import override

from seqlab.models.any_language_model import AnyLanguageModelConfig
from seqlab.models.input_spec import InputSpec
from seqlab.models.model_config import CellSetting, OwnDropout, TokenDropout, Width
from seqlab.models.regularisation import Regularisation
from seqlab.nn.implementation import Implementation
from seqlab.nn.stack_options import StackOptions
from seqlab.schema.config import AddedLater
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from seqlab.models.model import SequenceModel

Penalty = Annotated[float, Field(ge=0), AddedLater()]
Switch = Annotated[bool, AddedLater()]


class RecurrentLanguageModelConfig(AnyLanguageModelConfig):
    """Embedding -> dropout -> recurrent layers -> dropout [-> projection] -> Linear to the vocabulary.

    With `cutoffs` the last layer is an adaptive softmax. What is dropped and penalised is so in training
    alone; `docs/language-models.md` has the options with their sources.
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
    input_dropout: OwnDropout = None
    """Share dropped of embedded tokens; none: `dropout`."""
    hidden_dropout: OwnDropout = None
    """Share dropped between recurrent layers; none: `dropout`."""
    output_dropout: OwnDropout = None
    """Share dropped before the output; none: `dropout`."""
    locked_dropout: Switch = False
    """Whether these drop the same features at all steps of a window: variational dropout (Gal and Ghahramani
    2016)."""
    embedding_dropout: TokenDropout = 0.0
    """Share of the vocabulary whose embedding is zero throughout a batch (Gal and Ghahramani 2016)."""
    weight_drop: TokenDropout = 0.0
    """Share dropped of the recurrent weights, the same ones at all steps of a batch (Merity et al. 2018)."""
    activation_penalty: Penalty = 0.0
    """Times the mean square of the last layer's outputs after dropout, added to the training objective, not
    to any reported loss (AR, Merity et al. 2017)."""
    temporal_penalty: Penalty = 0.0
    """Times the mean square of the change of the last layer's outputs from step to step, added likewise (TAR,
    Merity et al. 2017)."""
    layer_norm: Switch = False
    """Whether the outputs of each recurrent layer are normalised (Ba et al. 2016)."""
    residual: Switch = False
    """Whether the input of each recurrent layer is added to its output (He et al. 2016; Wu et al. 2016);
    needs embedding_size = hidden_size."""
    learned_initial_state: Switch = False
    """Whether the state before the first token is learned, not zeros. Where windows of a running text
    continue each other it matters for the first one alone."""
    tied: bool = False
    """Whether the output's weights are the embedding; needs embedding_size = hidden_size, or
    `tied_projection`."""
    tied_projection: Switch = False
    """Whether a linear map without bias makes the outputs of the last layer as wide as the embedding, which
    the output is tied to (Press and Wolf 2017)."""

    @property
    @override
    def widths(self) -> tuple[Width, ...]:
        if self.residual or (self.tied and not self.tied_projection):
            return (Width("hidden_size", "embedding_size", step=self.hidden_step),)
        return Width("hidden_size", step=self.hidden_step), Width("embedding_size")

    @model_validator(mode="after")
    def _sizes_fit(self) -> RecurrentLanguageModelConfig:
        if self.embedding_size == self.hidden_size:
            return self
        got = f"Got {self.embedding_size} and {self.hidden_size}. Nearest: embedding_size={self.hidden_size}"
        if self.tied and not self.tied_projection:
            raise UserError(
                f"'tied' needs 'embedding_size' to be equal to 'hidden_size'. {got}, or tied_projection=true."
            )
        if self.residual:
            raise UserError(f"'residual' needs 'embedding_size' to be equal to 'hidden_size'. {got}.")
        return self

    @model_validator(mode="after")
    def _options_act(self) -> RecurrentLanguageModelConfig:
        if self.tied_projection and not self.tied:
            raise UserError(
                "'tied_projection' must be false unless 'tied' is true, as other outputs read any width. "
                "Got true."
            )
        if self.hidden_dropout and self.layers == 1:
            raise UserError(
                "'hidden_dropout' must be none or 0 with one layer, because it acts between layers. "
                f"Got {self.hidden_dropout}."
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
            dropout=self._dropout_or(self.hidden_dropout),
            summed=self.sum_layers,
            forget_bias=self.forget_bias,
            options=self._stack_options,
            generator=generator,
            implementation=self.implementation,
        )
        projection = self._projection(generator)
        head = self.head(spec, embedding, generator)
        return LanguageModel(
            embedding, body, head=head, projection=projection, regularisation=self._regularisation
        )

    @property
    def _stack_options(self) -> StackOptions:
        return StackOptions(
            locked=self.locked_dropout,
            weight_drop=self.weight_drop,
            layer_norm=self.layer_norm,
            residual=self.residual,
            learned_start=self.learned_initial_state,
        )

    @property
    def _regularisation(self) -> Regularisation:
        return Regularisation(
            input_dropout=self._dropout_or(self.input_dropout),
            output_dropout=self._dropout_or(self.output_dropout),
            locked=self.locked_dropout,
            embedding_dropout=self.embedding_dropout,
            activation=self.activation_penalty,
            temporal=self.temporal_penalty,
        )

    def _dropout_or(self, own: float | None) -> float:
        return self.dropout if own is None else own

    def _projection(self, generator: torch.Generator) -> nn.Linear | None:
        """The map to the width of the embedding, drawn from U(-1/sqrt(hidden), 1/sqrt(hidden))."""
        from seqlab.nn.initial import linear_without_bias

        if not self.tied_projection:
            return None
        bound = self.hidden_size**-0.5
        return linear_without_bias(self.hidden_size, self.embedding_size, bound=bound, generator=generator)
