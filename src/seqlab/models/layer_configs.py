"""Settings of the layers that a list of layers can have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.models.layer_config import LayerConfig, StepwiseLayerConfig
from seqlab.models.model_config import CellSetting
from seqlab.nn.implementation import Implementation

if TYPE_CHECKING:
    import torch

    from seqlab.nn.layer import Layer

Width = Annotated[int, Field(ge=1)]


class ConvolutionConfig(LayerConfig):
    """y_t = ReLU(W [x around t] + b), for each width; as many steps as before, with zeros around a text."""

    kind: Literal["convolution"] = "convolution"
    """Name of the layer."""
    filters: int = Field(default=200, ge=1)
    """Outputs of each width."""
    widths: tuple[Width, ...] = Field(default=(3,), min_length=1)
    """Steps that an output reads; the outputs of several widths are concatenated."""

    @property
    @override
    def reads(self) -> int:
        return max(self.widths)

    @override
    def steps_after(self, steps: int) -> int:
        return steps

    @override
    def build(self, inputs: int, generator: torch.Generator) -> Layer:
        from seqlab.nn.convolution import Convolution

        return Convolution(inputs, self.filters, self.widths, generator=generator)


class MaxPoolConfig(LayerConfig):
    """The maximum of each feature over windows of steps, side by side; the last window may be shorter."""

    kind: Literal["max-pool"] = "max-pool"
    """Name of the layer."""
    width: int = Field(default=2, ge=1)
    """Steps of a window."""

    @property
    @override
    def reads(self) -> int:
        return self.width

    @override
    def steps_after(self, steps: int) -> int:
        return -(-steps // self.width)

    @override
    def build(self, inputs: int, generator: torch.Generator) -> Layer:
        from seqlab.nn.max_pool import MaxPool

        return MaxPool(inputs, self.width)


class RecurrentConfig(StepwiseLayerConfig):
    """Recurrent layers of one cell, each of which reads the outputs of the one before."""

    recurrent: ClassVar[bool] = True
    free: ClassVar[tuple[str, ...]] = ("implementation", "dropout", "forget_bias")
    kind: Literal["recurrent"] = "recurrent"
    """Name of the layer."""
    cell: CellSetting = "lstm"
    """Equations of the recurrence; FILE.py:NAME is a cell of your own."""
    implementation: Implementation = "kernels"
    """What computes the recurrence; results are equal but for rounding."""
    hidden_size: int = Field(default=250, ge=1)
    """Units of a layer in one direction."""
    layers: int = Field(default=1, ge=1, le=1_000)
    """Recurrent layers."""
    bidirectional: bool = False
    """Whether each layer also reads from a text's last step to its first."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share dropped between the layers."""
    forget_bias: float = 0.0
    """Added at first to the bias of the gate that keeps the old state; 0 for cells without gates."""

    @override
    def build(self, inputs: int, generator: torch.Generator) -> Layer:
        from seqlab.nn.recurrent import RecurrentStack

        return RecurrentStack(
            self.cell,
            inputs,
            self.hidden_size,
            layers=self.layers,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            forget_bias=self.forget_bias,
            generator=generator,
            implementation=self.implementation,
        )


class TokenLinearConfig(StepwiseLayerConfig):
    """y_t = ReLU(W x_t + b), the same map of each step."""

    kind: Literal["linear"] = "linear"
    """Name of the layer."""
    size: int = Field(default=250, ge=1)
    """Features of a step after it."""

    @override
    def build(self, inputs: int, generator: torch.Generator) -> Layer:
        from seqlab.nn.token_linear import TokenLinear

        return TokenLinear(inputs, self.size, generator=generator)


class DropoutConfig(StepwiseLayerConfig):
    """Dropout of each feature of each step."""

    drops: ClassVar[bool] = True
    free: ClassVar[tuple[str, ...]] = ("rate",)
    kind: Literal["dropout"] = "dropout"
    """Name of the layer."""
    rate: float = Field(default=0.5, ge=0, lt=1)
    """Share dropped."""

    @override
    def build(self, inputs: int, generator: torch.Generator) -> Layer:
        from seqlab.nn.step_dropout import StepDropout

        return StepDropout(inputs, self.rate)


class TokenDropoutConfig(StepwiseLayerConfig):
    """Dropout of whole tokens, of all features of a step; the others are multiplied by 1 / (1 - rate)."""

    drops: ClassVar[bool] = True
    free: ClassVar[tuple[str, ...]] = ("rate",)
    kind: Literal["token-dropout"] = "token-dropout"
    """Name of the layer."""
    rate: float = Field(default=0.3, ge=0, lt=1)
    """Share of steps dropped."""

    @override
    def build(self, inputs: int, generator: torch.Generator) -> Layer:
        from seqlab.nn.step_dropout import StepDropout

        return StepDropout(inputs, self.rate, whole=True)
