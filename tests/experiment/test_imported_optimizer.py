"""Optimizers of the user's own: equal to their equations, and refused where a run would be wrong."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import own_optimizers
import pytest
import torch

from seqlab.experiment.optimizers import OptimizerConfig
from seqlab.experiment.training_kinds import OPTIMIZERS
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError

FILE = Path(own_optimizers.__file__)


def config(name: str, **arguments: Any) -> OptimizerConfig:
    table = {"kind": "import", "path": f"{FILE}:{name}", "learning_rate": 0.1, "arguments": arguments}
    return parse(OPTIMIZERS["import"], table)


def test_steps_are_those_of_the_equations() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = config("SignMomentum", beta=0.75).build([weight])
    expected, average = [1.0, -2.0], [0.0, 0.0]
    for step, gradient in enumerate(([1.0, -1.0], [-9.0, 1.0], [0.5, 0.25]), start=1):
        weight.grad = torch.tensor(gradient)
        optimizer.step()
        average = [0.75 * a + 0.25 * g for a, g in zip(average, gradient, strict=True)]
        expected = [
            w - 0.1 / math.sqrt(step) * math.copysign(1, a) for w, a in zip(expected, average, strict=True)
        ]
        torch.testing.assert_close(weight.detach(), torch.tensor(expected))


def test_a_function_may_return_an_optimizer_of_torch() -> None:
    built = config("momentum", amount=0.5).build([torch.nn.Parameter(torch.zeros(2))])
    assert type(built) is torch.optim.SGD
    assert built.param_groups[0]["momentum"] == 0.5
    assert built.param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("CountsOutside", {}, "must keep everything that it remembers between steps in self.state"),
        ("Grows", {}, r"from step to step. Got: 'optimizer.state.0.past' must be tensor \(1, 3\) float32"),
        ("FixedRate", {}, r"must use the learning rate group\['lr'\]"),
        ("Still", {}, "must move weights that have a gradient"),
        ("NoneMoves", {}, "must not move weights whose gradient is None"),
        (
            "Fails",
            {},
            r"own_optimizers.py:\d+ failed while it took a step with a weight whose gradient is None: Run",
        ),
        ("Closure", {}, "must take one step per gradient, without a closure"),
        ("NoRate", {}, "must be given its argument 'speed': training.optimizer.arguments.speed=VALUE"),
        ("first_only", {}, r"must move the parameters that it is given.* Got 3, of which it has 1; call"),
        ("others", {}, r"must move the parameters that it is given.* Got 3, of which it has 0; call"),
        ("NotBegun", {}, "failed while its groups of parameters were read: AttributeError"),
        ("NoState", {}, "failed while it was tried on small weights: AttributeError"),
        ("EndsTheProgram", {}, r"own_optimizers.py:\d+ failed while .*: SystemExit: 0"),
        ("OtherType", {}, "failed while it was tried on small weights: RuntimeError"),
        ("no_optimizer", {}, "must give a torch.optim.Optimizer. Got list"),
        ("momentum", {}, "must be given its argument 'amount'"),
        ("momentum", {"amont": 0.5}, "no argument 'amont' of own_optimizers.py:momentum. Nearest: 'amount'"),
        ("SignMomentum", {"lr": 0.5}, "must not contain 'lr'. Nearest: training.optimizer.learning_rate"),
        ("SignMomentums", {}, "Nearest: 'SignMomentum'"),
    ],
)
def test_what_a_run_cannot_use_is_refused(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        config(name, **arguments).build([torch.nn.Parameter(torch.zeros(2))])
