"""A kind of optimizer for tests: any class of `torch.optim` with its default options, or the one below."""

from __future__ import annotations

from typing import Any, Literal, cast

import pytest
import torch
from pydantic import Field
from typing_extensions import override

from seqlab.experiment.optimizers import OptimizerConfig
from seqlab.experiment.training_kinds import OPTIMIZERS


class NestedState(torch.optim.Optimizer):
    """SGD along the mean of the last two gradients, whose state is of every type that a checkpoint may hold.

    Each part of the state acts on the step, so a part that a checkpoint loses or rounds changes the weights.
    """

    def __init__(self, parameters: list[torch.nn.Parameter], lr: float):
        super().__init__(parameters, {"lr": lr, "steps": 0, "betas": (0.5, 0.25)})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        for group in self.param_groups:
            group["steps"] += 1
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group, self.state[parameter])

    def _move(self, parameter: torch.nn.Parameter, group: dict[str, Any], state: dict[str, Any]) -> None:
        if not state:
            state["gradients"] = []
            state["scale"] = {"double": torch.tensor(1 / 3, dtype=torch.float64), "mode": "mean"}
            state["count"] = torch.tensor(2**24 + 1)
            state["alias"] = state["count"]
            state["expanded"] = torch.zeros(()).expand(3)
            state["bounds"] = (float("-inf"), None, True)
        assert state["bounds"] == (float("-inf"), None, True)
        assert state["scale"]["mode"] == "mean"
        assert state["alias"] is state["count"]
        assert state["expanded"].tolist() == [0, 0, 0]
        assert state["count"].item() == 2**24 + group["steps"]
        state["count"] += 1
        state["gradients"] = [*state["gradients"], parameter.grad.clone()][-2:]  # pyright: ignore
        mean = torch.stack(state["gradients"]).mean(dim=0) * state["scale"]["double"]
        state["scale"]["double"] = state["scale"]["double"] * (1 + 1e-9)
        parameter.add_(mean.to(parameter.dtype), alpha=-group["lr"] * group["betas"][0] / group["steps"])


class AnyOptimizerConfig(OptimizerConfig):
    """An optimizer class by its name."""

    kind: Literal["any"] = "any"
    """Name of the optimizer."""
    learning_rate: float = Field(default=0.01, gt=0.0)
    """Base learning rate."""
    name: str
    """Name of the class."""

    @override
    def build(self, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        cls = NestedState if self.name == NestedState.__name__ else getattr(torch.optim, self.name)
        return cls(parameters, lr=self.learning_rate)


def register(patch: pytest.MonkeyPatch) -> None:
    """Make `any` an optimizer for as long as the patch holds."""
    table = cast("dict[str, tuple[str, str]]", OPTIMIZERS.table)
    patch.setitem(table, "any", ("any_optimizer:AnyOptimizerConfig", "a class by its name"))
