"""Optimizers: how gradients move the parameters.

Legend of the equations: g gradient, θ parameter, λ weight decay, η the learning rate of this step
(the base rate times the schedule's factor), t the number of steps including this one.

torch's fused kernels are used where they exist: they read and write each parameter and its moments once
a step, where the default goes over them several times.
"""

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

    from seqlab.experiment.row_wise import RowWiseSgd
    from seqlab.nn.embedding import Embedding

_FUSED_DEVICES = ("cpu", "cuda")


class OptimizerConfig(Config, ABC):
    """Settings of an optimizer. Subclasses stand in this file, with one line in `kinds.py`."""

    kind: str
    """Name of the optimizer."""
    learning_rate: float = Field(gt=0.0)
    """Base learning rate per optimizer step; the schedule multiplies it."""

    def row_wise(self, table: Embedding) -> RowWiseSgd | str:
        """What moves only those rows of an embedding table that a batch used, or why nothing does."""
        return f"{self.kind} moves every row in every step"

    @abstractmethod
    def build(self, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer of these parameters, at the base learning rate.

        The loop sets each step's rate in `param_groups[0]["lr"]`.

        Args:
            parameters: at least one; those without a gradient in a step stay as they are in it.
        """


class SgdConfig(OptimizerConfig):
    """Stochastic gradient descent with momentum μ (Polyak 1964; Nesterov as in Sutskever et al. 2013).

    d = g + λθ; b = μb + d, from b = 0; θ = θ - ηb, with `nesterov` θ = θ - η(d + μb).
    """

    kind: Literal["sgd"] = "sgd"
    """Name of the optimizer."""
    momentum: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Fraction μ of the running sum of gradients kept from step to step; 0 is plain descent."""
    nesterov: bool = False
    """Look one step of momentum ahead; needs momentum above 0."""
    weight_decay: float = Field(default=0.0, ge=0.0)
    """λ, the fraction of each parameter added to its gradient (an L2 penalty of λ/2 |θ|²)."""

    rows: Literal["auto", "dense"] = "auto"
    """How a large embedding table is moved: `auto` reads and writes only the rows a batch used, with the
    same result to rounding, where nothing else uses the table; `dense` all rows in every step."""

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> SgdConfig:
        if self.nesterov and self.momentum == 0.0:
            raise UserError(
                f"'momentum' must be above 0 where 'nesterov' is true. Got {self.momentum!r}. Nearest: 0.9."
            )
        return self

    @override
    def row_wise(self, table: Embedding) -> RowWiseSgd | str:
        from seqlab.experiment.row_wise import RowWiseSgd

        return RowWiseSgd(table, self) if self.rows == "auto" else "training.optimizer.rows is dense"

    def build(self, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Torch's SGD; see `OptimizerConfig.build`."""
        import torch

        optimizer = torch.optim.SGD(
            parameters,
            lr=self.learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            fused=_fused(parameters),
        )
        if self.momentum > 0.0:
            # Fused steps need every buffer or none: without zeros at the start, a parameter that gets
            # its first gradient later than another would be an error.
            for parameter in parameters:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return optimizer


class AdamFamily(OptimizerConfig, ABC):
    """What Adam and its variants share."""

    learning_rate: float = Field(default=1e-3, gt=0.0)
    """Base learning rate per optimizer step; the schedule multiplies it."""
    beta1: float = Field(default=0.9, ge=0.0, lt=1.0)
    """Fraction β₁ of the running mean of gradients kept from step to step."""
    beta2: float = Field(default=0.999, ge=0.0, lt=1.0)
    """Fraction β₂ of the running mean of squared gradients kept from step to step."""
    epsilon: float = Field(default=1e-8, gt=0.0)
    """ε, added to the root of the mean square; in the gradients' unit."""
    weight_decay: float = Field(default=0.0, ge=0.0)
    """λ; see the equations."""

    def build(self, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Torch's own; see `OptimizerConfig.build`."""
        return self._kind()(
            parameters,
            lr=self.learning_rate,
            betas=(self.beta1, self.beta2),
            eps=self.epsilon,
            weight_decay=self.weight_decay,
            fused=_fused(parameters),
        )

    @abstractmethod
    def _kind(self) -> type[torch.optim.Adam]:
        """Torch's class."""


class AdamConfig(AdamFamily):
    """Adam (Kingma and Ba 2015), with bias correction; weight decay is part of the gradient.

    d = g + λθ; m = β₁m + (1-β₁)d; v = β₂v + (1-β₂)d²; θ = θ - η (m/(1-β₁ᵗ)) / (√(v/(1-β₂ᵗ)) + ε).
    """

    kind: Literal["adam"] = "adam"
    """Name of the optimizer."""
    weight_decay: float = Field(default=0.0, ge=0.0)
    """λ, the fraction of each parameter added to its gradient (an L2 penalty of λ/2 |θ|²)."""

    def _kind(self) -> type[torch.optim.Adam]:
        import torch

        return torch.optim.Adam


class AdamWConfig(AdamFamily):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): the decay bypasses m and v.

    θ = θ - ηλθ, then Adam's step with d = g.
    """

    kind: Literal["adamw"] = "adamw"
    """Name of the optimizer."""
    weight_decay: float = Field(default=0.01, ge=0.0)
    """λ, the fraction of each parameter taken off it per unit of learning rate."""

    def _kind(self) -> type[torch.optim.Adam]:
        import torch

        return torch.optim.AdamW


def _fused(parameters: Sequence[torch.nn.Parameter]) -> bool:
    return all(p.device.type in _FUSED_DEVICES and p.is_floating_point() for p in parameters)
