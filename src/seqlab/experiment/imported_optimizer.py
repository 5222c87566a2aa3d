"""An optimizer of the user's own, tried on small weights before anything is trained with it."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.experiment.optimizers import OptimizerConfig, check_no_closure, restore_state
from seqlab.schema import own_code
from seqlab.schema.code_settings import CodeText, NamesCode
from seqlab.schema.own_arguments import call_arguments
from seqlab.schema.own_code import OwnCode, OwnCodeError

if TYPE_CHECKING:
    import torch

    Make = Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]

_STEPS, _RATE = 4, 0.01
"""Steps of the trial, and their learning rate."""


class ImportedOptimizerConfig(OptimizerConfig):
    """Any torch.optim.Optimizer that takes one step per gradient."""

    kind: Literal["import"] = "import"
    """Name of the optimizer."""
    path: Annotated[CodeText, NamesCode()]
    """FILE.py:NAME of a class that is called with the parameters and `lr`, as those of torch.optim are, or of
    a function that returns such an optimizer."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the class or function."""

    @override
    def build(self, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        code = own_code.load(self.path)
        make = functools.partial(self._made, code)
        _try(code, make)
        return make(parameters)

    def _made(self, code: OwnCode, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        import torch

        if "lr" in self.arguments:
            raise OwnCodeError(
                "'training.optimizer.arguments' must not contain 'lr'. Nearest: "
                "training.optimizer.learning_rate."
            )
        arguments = call_arguments(
            code,
            self.arguments,
            key="training.optimizer.arguments",
            offered={"lr": self.learning_rate},
            first=("the parameters",),
        )
        with code.errors("it was made"):
            built = code.value(parameters, **arguments)
        if not isinstance(built, torch.optim.Optimizer):
            raise OwnCodeError(f"{code.label} must give a torch.optim.Optimizer. Got {type(built).__name__}.")
        _check_groups(code, built, parameters)
        check_no_closure(built)
        step = built.step

        @functools.wraps(step)
        def reported() -> None:
            missing = any(weight.grad is None for weight in parameters)
            detail = " with a weight whose gradient is None" if missing else ""
            with code.errors(f"it took a step{detail}"):
                step()

        built.step = reported  # pyright: ignore[reportAttributeAccessIssue]
        return built


def _check_groups(
    code: OwnCode, built: torch.optim.Optimizer, parameters: Sequence[torch.nn.Parameter]
) -> None:
    """Check that an optimizer moves the parameters that it was given, all of them and no others."""
    with code.errors("its groups of parameters were read"):
        moved = {id(parameter) for group in built.param_groups for parameter in group["params"]}
    if moved != {id(parameter) for parameter in parameters}:
        raise OwnCodeError(
            f"{code.label} must move the parameters that it is given, in one group or in several. "
            f"Got {len(parameters)}, of which it has {len(moved & set(map(id, parameters)))}; call "
            "super().__init__(params, defaults) with all of them."
        )


def _try(code: OwnCode, make: Make) -> None:
    """Check what the training loop and checkpoints rely on.

    Raises:
        OwnCodeError: weights do not move, those without a gradient do, the learning rate of the step does
            not count, an optimizer with a restored state moves them in another way, or the state changes its
            structure from step to step.
    """
    with code.errors("it was tried on small weights"):
        _try_steps(code, make)


def _try_steps(code: OwnCode, make: Make) -> None:
    import torch

    start, whole = _moved(make, 0), _moved(make, _STEPS)
    if all(map(torch.equal, start, whole)):
        raise OwnCodeError(f"{code.label} must move weights that have a gradient. Got the same ones.")
    if not torch.equal(start[-1], whole[-1]):
        raise OwnCodeError(f"{code.label} must not move weights whose gradient is None. Got other ones.")
    if all(map(torch.equal, whole, _moved(make, _STEPS, rate=_RATE / 2))):
        raise OwnCodeError(
            f"{code.label} must use the learning rate group['lr'] of each group, which the schedule "
            "sets before each step. Got the same weights with half of it."
        )
    if not all(map(torch.equal, whole, _moved(make, _STEPS, interrupted=_STEPS // 2))):
        raise OwnCodeError(
            f"{code.label} must keep everything that it remembers between steps in self.state or "
            "self.param_groups, which checkpoints hold. Got other weights after its state was restored."
        )
    _check_structure(code, make)


def _check_structure(code: OwnCode, make: Make) -> None:
    """Check that a state has the structure of the one after the first step, as restoring it requires."""
    import torch

    from seqlab.experiment.state_check import check_optimizer, state_after_a_step

    with torch.random.fork_rng(devices=[]):
        optimizer = make([torch.nn.Parameter(torch.ones(3, device="cpu"))])
        first = copy.deepcopy(state_after_a_step(optimizer))
        later = [copy.deepcopy(state_after_a_step(optimizer)) for _ in range(_STEPS)][-1]
    try:
        check_optimizer(first, later)
    except ValueError as error:
        raise OwnCodeError(
            f"{code.label} must keep the keys, types and shapes of its state from step to step. Got: {error}"
        ) from None


def _moved(
    make: Make, steps: int, *, rate: float = _RATE, interrupted: int | None = None
) -> list[torch.Tensor]:
    """Three small weights after some steps; the last one has no gradient.

    Args:
        make: the optimizer.
        steps: how many.
        rate: learning rate of each step.
        interrupted: step before which the optimizer is replaced by one with the restored state.
    """
    import torch

    from seqlab.experiment import state_tree

    draws = torch.Generator().manual_seed(0)
    weights = [
        torch.nn.Parameter(torch.randn(shape, generator=draws, device="cpu"))
        for shape in ((4, 3), (3,), (2,))
    ]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        optimizer = make(weights)
        for step in range(steps):
            if step == interrupted:
                tensors: dict[str, torch.Tensor] = {}
                packed = state_tree.pack(optimizer.state_dict(), "optimizer", tensors)
                optimizer = make(weights)
                restore_state(optimizer, state_tree.unpack(packed, copy.deepcopy(tensors)))
            for group in optimizer.param_groups:
                group["lr"] = rate
            for weight in weights[:-1]:
                weight.grad = torch.randn(weight.shape, generator=draws, device="cpu")
            optimizer.step()
    return [weight.detach().clone() for weight in weights]
