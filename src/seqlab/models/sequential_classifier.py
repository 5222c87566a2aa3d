"""A classifier made of any layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import override

from seqlab.models.embeddings import EmbeddingName, build_embedding
from seqlab.models.input_spec import InputSpec
from seqlab.models.layer_config import LayerConfig
from seqlab.models.layer_kinds import LAYERS
from seqlab.models.model_config import ModelConfig, Width
from seqlab.models.transfer import (
    EMBEDDING,
    LANGUAGE_MODEL,
    Same,
    Taken,
    Transfer,
    everything,
    recurrent_layers,
)
from seqlab.schema.errors import UserError
from seqlab.schema.registry import ByKind

if TYPE_CHECKING:
    import torch
    from torch import nn

    from seqlab.models.model import SequenceModel
    from seqlab.nn.layer import Layer
    from seqlab.nn.pooling import Pooling

Size = Annotated[int, Field(ge=1)]
PoolingName = Literal["max", "mean", "last", "attention", "flatten"]


class SequentialClassifierConfig(ModelConfig):
    """Embedding -> layers, in any order that fits -> pooling -> dropout [-> dense layers] -> Linear.

    The layers are a list of tables, `[[model.layers]]` in a file.
    """

    kind: Literal["sequential-classifier"] = "sequential-classifier"
    """Name of the model."""
    init_from: str | None = Field(default=None, min_length=1)
    """Name or path of a finished run whose weights training starts from: a `recurrent-lm`, whose embedding is
    taken and, where the list of layers begins with recurrent ones, its layers, or such a classifier of the
    same layers and labels; none: weights are drawn."""
    embedding: EmbeddingName = "learned"
    """What a token is read as: a learned vector, a one-hot one, the numbers that it is (tokenizer
    `numbers`), or its id as one number, which is an order that words do not have."""
    embedding_size: int = Field(default=100, ge=1)
    """Features of a learned vector."""
    embedding_std: float = Field(default=1.0, gt=0)
    """Standard deviation of the normal distribution that learned vectors are drawn from."""
    layers: Annotated[tuple[LayerConfig, ...], ByKind(LAYERS)] = ()
    """The layers in order (`seqlab list layers`); none: the embedded tokens are pooled as they are."""
    pooling: PoolingName = "max"
    """How the features of a text's steps become those of the text: maximum, mean, those of the last step, a
    mean weighted by attention, or all of them one after the other, in a window of fixed size."""
    window: int | None = Field(default=None, ge=1)
    """Tokens that the model reads, the last ones of a longer text; needed by the pooling `flatten`, which has
    weights for each of them, with zeros in front of a shorter text. none: all tokens."""
    attention_size: int = Field(default=100, ge=1)
    """Rows of the map in front of the weights of the pooling `attention`."""
    dense_sizes: tuple[Size, ...] = ()
    """Features of linear layers after pooling, each with ReLU."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share dropped of the pooled features, and of those of each dense layer."""
    one_logit: bool = False
    """Whether two labels have one logit, that of the second, in place of one for each; the loss then is the
    binary cross-entropy."""

    @property
    @override
    def widths(self) -> tuple[Width, ...]:
        return ()

    @property
    @override
    def transfer(self) -> Transfer | None:
        own = everything(*self._weight_settings())
        return Transfer.of(self.init_from, {LANGUAGE_MODEL: self._of_language_model(), self.kind: own})

    def _of_language_model(self) -> Taken:
        """Its recurrent layers, too, where the list begins with such, after layers that drop something."""
        first = next((i for i, layer in enumerate(self.layers) if not layer.drops), None)
        if first is None or not self.layers[first].recurrent:
            return EMBEDDING
        return recurrent_layers(f"body.layers.{first}.", f"layers.{first}.")

    def _weight_settings(self) -> tuple[Same, ...]:
        """The settings that all weights depend on, with that of a layer which only the run has."""
        named = [(i, layer, name) for i, layer in enumerate(self.layers) for name in type(layer).model_fields]
        layers = [f"layers.{i}.{name}" for i, layer, name in named if name not in layer.free]
        further = f"layers.{len(self.layers)}.kind"
        return Same.of(*layers, further, "pooling", "dense_sizes", "one_logit")

    @model_validator(mode="after")
    def _flatten_has_a_window(self) -> SequentialClassifierConfig:
        if self.pooling == "flatten" and self.window is None:
            raise UserError(
                "'window' must be given where 'pooling' is 'flatten': the tokens that the model reads. "
                "Got none. Nearest: window=500 with data.max_length=500 data.keep=last."
            )
        return self

    @model_validator(mode="after")
    def _last_directions_are_pooled(self) -> SequentialClassifierConfig:
        below = [getattr(layer, "bidirectional", False) for layer in self.layers[:-1]]
        if self.pooling == "last" and any(below):
            raise UserError(
                f"'layers.{below.index(True)}' must not be bidirectional where 'pooling' is 'last', unless "
                "it is the last layer: its backward direction has read only one step at a text's last one. "
                "Got true. Nearest: pooling=max."
            )
        return self

    @override
    def build(self, spec: InputSpec, generator: torch.Generator) -> SequenceModel:
        from seqlab.models.classifier import SequenceClassifier
        from seqlab.nn.chain import Chain

        steps = self._steps(spec)
        size, std = self.embedding_size, self.embedding_std
        embedding = build_embedding(self.embedding, spec, size=size, std=std, generator=generator)
        layers: list[Layer] = []
        for layer in self.layers:
            size = layers[-1].output_size if layers else embedding.embedding_dim
            layers.append(layer.build(size, generator))
        size = layers[-1].output_size if layers else embedding.embedding_dim
        pooling, rest, features = self._pooling(layers, size, steps, generator)
        dense, head = self._dense(features, spec, generator)
        return SequenceClassifier(
            embedding,
            Chain(rest) if rest else None,
            None,
            pooling=pooling,
            dense=dense,
            dropout=self.dropout,
            head=head,
            window=self.window,
        )

    def _steps(self, spec: InputSpec) -> int | None:
        """The most steps that are pooled; None where there is no limit."""
        longest = spec.max_length
        if longest is not None and self.window is not None and self.window > longest:
            raise UserError(
                f"'model.window' must be at most {longest}, the tokens that a text can have "
                f"(data.max_length). Got {self.window}. Nearest: {longest}."
            )
        steps = self.window or longest
        for i, layer in enumerate(self.layers):
            if steps is not None and layer.reads > steps:
                raise UserError(
                    f"'model.layers.{i}' must read at most {steps} steps, as many as reach it. "
                    f"Got {layer.kind} of {layer.reads}. Nearest: {steps}."
                )
            steps = None if steps is None else layer.steps_after(steps)
        return steps

    def _pooling(
        self, layers: Sequence[Layer], size: int, steps: int | None, generator: torch.Generator
    ) -> tuple[Pooling, Sequence[Layer], int]:
        """The pooling, the layers before it, and the features of a pooled text."""
        from seqlab.nn.pooling import AttentionPooling, FlattenedWindow, pooling_over_time

        if self.pooling == "attention":
            return AttentionPooling(size, self.attention_size, generator=generator), layers, size
        if self.pooling == "flatten":
            assert steps is not None, "there is a window"
            # Dense layers skip the zeros in front, which the head does not.
            flatten = FlattenedWindow(steps, size, whole=not self.dense_sizes)
            return flatten, layers, flatten.output_size
        maximum = layers[-1].maximum() if layers and self.pooling == "max" else None
        if maximum is not None:
            return maximum, layers[:-1], size
        both = bool(layers) and layers[-1].bidirectional
        return pooling_over_time(self.pooling, bidirectional=both), layers, size

    def _dense(
        self, features: int, spec: InputSpec, generator: torch.Generator
    ) -> tuple[list[nn.Linear], nn.Module]:
        from seqlab.nn.initial import linear
        from seqlab.nn.one_logit import OneLogit

        sizes = (features, *self.dense_sizes)
        dense = [linear(a, b, generator=generator) for a, b in pairwise(sizes)]
        if not self.one_logit:
            return dense, linear(sizes[-1], spec.outputs, generator=generator)
        if spec.outputs != 2:
            raise UserError(
                f"'model.one_logit' must be false unless there are two labels. Got true for {spec.outputs}."
            )
        return dense, OneLogit(linear(sizes[-1], 1, generator=generator))
