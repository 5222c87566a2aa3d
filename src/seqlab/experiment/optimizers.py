"""Optimizers: how gradients move the parameters.

Legend of the equations: g gradient, θ parameter, λ weight decay, η the learning rate of this step
(the base rate times the schedule's factor), t the number of steps including this one.

A config can build any `torch.optim.Optimizer`, except one whose `step` needs a closure. torch's fused kernels
are used where they exist: they read and write each parameter and its moments once per step, where the
default implementation makes several passes over them.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

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
    """Settings of an optimizer. A subclass is registered by one line in `OPTIMIZERS`."""

    kind: str
    """Name of the optimizer."""
    learning_rate: float = Field(gt=0.0)
    """Base learning rate per optimizer step; the schedule multiplies it."""

    def row_wise(self, table: Embedding) -> RowWiseSgd | str:
        """An updater of only those rows of an embedding table that a batch used, or the reason for none."""
        return f"{self.kind} moves every row in every step"

    @abstractmethod
    def build(self, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer of these parameters, at the base learning rate.

        Before each step the loop sets `lr` of every parameter group to the rate of the step. The optimizer's
        state must consist of tensors, numbers, texts, lists, tuples and dicts: checkpoints hold nothing else.

        Args:
            parameters: at least one; a parameter without a gradient must not move.
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
    """Evaluate the gradient one step of momentum ahead; needs momentum above 0."""
    weight_decay: float = Field(default=0.0, ge=0.0)
    """λ, the fraction of each parameter added to its gradient (an L2 penalty of λ/2 |θ|²)."""

    rows: Literal["auto", "dense"] = "auto"
    """How a large embedding table is updated: `auto` reads and writes only the rows a batch used, with the
    same result up to rounding, if nothing else uses the table; `dense` updates all rows in every step."""

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

        if self.rows == "dense":
            return "training.optimizer.rows is dense"
        return RowWiseSgd(
            table, momentum=self.momentum, nesterov=self.nesterov, weight_decay=self.weight_decay
        )

    @override
    def build(self, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
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
            # A fused step needs all buffers or none: without zeros at the start, a parameter that gets its
            # first gradient later than another would raise an error.
            for parameter in parameters:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return optimizer


class AdamFamily(OptimizerConfig, ABC):
    """Settings that Adam and its variants share."""

    learning_rate: float = Field(default=1e-3, gt=0.0)
    """Base learning rate per optimizer step; the schedule multiplies it."""
    beta1: float = Field(default=0.9, ge=0.0, lt=1.0)
    """Fraction β₁ of the running mean of gradients kept from step to step."""
    beta2: float = Field(default=0.999, ge=0.0, lt=1.0)
    """Fraction β₂ of the running mean of squared gradients kept from step to step."""
    epsilon: float = Field(default=1e-8, gt=0.0)
    """ε, added to the root of the mean square; in the gradients' unit."""
    weight_decay: float = Field(default=0.0, ge=0.0)
    """λ, the fraction of each parameter added to its gradient (an L2 penalty of λ/2 |θ|²)."""

    def _arguments(self) -> dict[str, Any]:
        """The shared settings under torch's names."""
        betas = (self.beta1, self.beta2)
        return {
            "lr": self.learning_rate,
            "betas": betas,
            "eps": self.epsilon,
            "weight_decay": self.weight_decay,
        }


class AdamConfig(AdamFamily):
    """Adam (Kingma and Ba 2015), with bias correction; weight decay is part of the gradient.

    d = g + λθ; m = β₁m + (1-β₁)d; v = β₂v + (1-β₂)d²; θ = θ - η (m/(1-β₁ᵗ)) / (√(v/(1-β₂ᵗ)) + ε).
    """

    kind: Literal["adam"] = "adam"
    """Name of the optimizer."""

    @override
    def build(self, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        import torch

        return torch.optim.Adam(parameters, **self._arguments(), fused=_fused(parameters))


class AdamWConfig(AdamFamily):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): the decay bypasses m and v.

    θ = θ - ηλθ, then Adam's step with d = g.
    """

    kind: Literal["adamw"] = "adamw"
    """Name of the optimizer."""
    weight_decay: float = Field(default=0.01, ge=0.0)
    """λ, the fraction of each parameter subtracted from it per unit of learning rate."""

    @override
    def build(self, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        import torch

        return torch.optim.AdamW(parameters, **self._arguments(), fused=_fused(parameters))


class NAdamConfig(AdamFamily):
    """Adam with Nesterov momentum (Dozat 2016), in torch's form; weight decay is part of the gradient.

    d, m and v are Adam's; with the momentum decay ψ, μ(t) = β₁ (1 - 0.96^(tψ) / 2) and M(t) = μ(1) ⋯ μ(t);
    θ = θ - η (μ(t+1) m / (1 - M(t+1)) + (1 - μ(t)) d / (1 - M(t))) / (√(v/(1-β₂ᵗ)) + ε).
    """

    kind: Literal["nadam"] = "nadam"
    """Name of the optimizer."""
    learning_rate: float = Field(default=2e-3, gt=0.0)
    """Base learning rate per optimizer step; the schedule multiplies it."""
    momentum_decay: float = Field(default=4e-3, ge=0.0)
    """ψ, how fast μ rises from β₁/2 to β₁; 0 keeps it at β₁/2."""

    @override
    def build(self, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        import torch

        return torch.optim.NAdam(parameters, **self._arguments(), momentum_decay=self.momentum_decay)


class RmspropConfig(OptimizerConfig):
    """RMSprop (Hinton 2012), with momentum μ; weight decay is part of the gradient.

    d = g + λθ; v = αv + (1-α)d²; b = μb + d / (√v + ε); θ = θ - ηb.
    """

    kind: Literal["rmsprop"] = "rmsprop"
    """Name of the optimizer."""
    learning_rate: float = Field(default=1e-2, gt=0.0)
    """Base learning rate per optimizer step; the schedule multiplies it."""
    alpha: float = Field(default=0.99, ge=0.0, lt=1.0)
    """Fraction of the running mean of squared gradients kept from step to step."""
    epsilon: float = Field(default=1e-8, gt=0.0)
    """ε, added to the root of the mean square; in the gradients' unit."""
    momentum: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Fraction μ of the running sum of steps kept from step to step."""
    weight_decay: float = Field(default=0.0, ge=0.0)
    """λ, the fraction of each parameter added to its gradient (an L2 penalty of λ/2 |θ|²)."""

    @override
    def build(self, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        import torch

        return torch.optim.RMSprop(
            parameters,
            lr=self.learning_rate,
            alpha=self.alpha,
            eps=self.epsilon,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )


def _fused(parameters: Sequence[torch.nn.Parameter]) -> bool:
    return all(p.device.type in _FUSED_DEVICES and p.is_floating_point() for p in parameters)


def check_no_closure(optimizer: torch.optim.Optimizer) -> None:
    """Refuse an optimizer that evaluates the loss several times per step, as LBFGS does.

    Raises:
        UserError: its `step` needs a closure.
    """
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise UserError(
            "'training.optimizer' must take one step per gradient, without a closure. "
            f"Got {type(optimizer).__name__}. Nearest: adam."
        )


def restore_state(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Give an optimizer the state that `state_dict` of an equal one returned, bit for bit."""
    optimizer.load_state_dict(saved)
    # torch casts state to the type of its parameter, which rounds float64 and spoils texts: set it as saved.
    numbers = (number for group in saved["param_groups"] for number in group["params"])
    parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
    keys: dict[Any, Any] = dict(zip(numbers, parameters, strict=True))
    for key, entries in saved["state"].items():
        optimizer.state[keys.get(key, key)] = entries
