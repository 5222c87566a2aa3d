"""Optimizers against their update equations, written out in float64 numpy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from seqlab.experiment.optimizers import AdamConfig, AdamWConfig, OptimizerConfig, SgdConfig
from seqlab.experiment.training_kinds import OPTIMIZERS
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError

Array = NDArray[np.float64]
Update = Callable[[Array, Array, float], Array]

STEPS = 60
SHAPES = [(7, 5), (3,), (1, 4, 2)]


def sgd(config: SgdConfig) -> Update:
    momentum: list[Array] = []

    def update(theta: Array, gradient: Array, rate: float) -> Array:
        direction = gradient + config.weight_decay * theta
        momentum[:] = [direction + (config.momentum * momentum[0] if momentum else 0.0)]
        ahead = direction + config.momentum * momentum[0]
        return theta - rate * (ahead if config.nesterov else momentum[0])

    return update


def adam(config: AdamConfig | AdamWConfig, *, decoupled: bool) -> Update:
    directions: list[Array] = []

    def weighted(power: int, beta: float) -> Array:
        # The moments as the sums they stand for, not by their recurrence.
        newest_first = reversed(directions)
        total = sum((1 - beta) * beta**age * d**power for age, d in enumerate(newest_first))
        return np.asarray(total) / (1 - beta ** len(directions))

    def update(theta: Array, gradient: Array, rate: float) -> Array:
        decay = config.weight_decay
        directions.append(gradient if decoupled else gradient + decay * theta)
        kept = theta - rate * decay * theta if decoupled else theta
        scale = np.sqrt(weighted(2, config.beta2)) + config.epsilon
        return kept - rate * weighted(1, config.beta1) / scale

    return update


def reference(config: OptimizerConfig) -> Update:
    if isinstance(config, SgdConfig):
        return sgd(config)
    assert isinstance(config, AdamConfig | AdamWConfig)
    return adam(config, decoupled=isinstance(config, AdamWConfig))


CONFIGS: list[OptimizerConfig] = [
    SgdConfig(learning_rate=0.1),
    SgdConfig(learning_rate=0.1, weight_decay=0.05),
    SgdConfig(learning_rate=0.05, momentum=0.9, weight_decay=0.02),
    SgdConfig(learning_rate=0.05, momentum=0.7, nesterov=True),
    SgdConfig(learning_rate=0.05, momentum=0.8, nesterov=True, weight_decay=0.1),
    AdamConfig(),
    AdamConfig(learning_rate=0.03, beta1=0.5, beta2=0.9, epsilon=0.01, weight_decay=0.2),
    AdamWConfig(learning_rate=0.02),
    AdamWConfig(learning_rate=0.03, beta1=0.6, beta2=0.8, epsilon=0.1, weight_decay=0.3),
]


def rate_at(step: int, base: float) -> float:
    return base * (1.0 if step < 5 else 0.3 + 0.5 * np.cos(step) ** 2)


def gradients(seed: int) -> list[list[Array]]:
    random = np.random.default_rng(seed)
    return [
        [random.normal(size=shape) * 10.0 ** random.uniform(-3, 1) for shape in SHAPES] for _ in range(STEPS)
    ]


def start(dtype: torch.dtype = torch.float64) -> list[torch.nn.Parameter]:
    random = np.random.default_rng(1)
    return [torch.nn.Parameter(torch.tensor(random.normal(size=s), dtype=dtype)) for s in SHAPES]


def run(config: OptimizerConfig, parameters: list[torch.nn.Parameter]) -> list[torch.nn.Parameter]:
    optimizer = config.build(parameters)
    for step, row in enumerate(gradients(2)):
        for parameter, gradient in zip(parameters, row, strict=True):
            parameter.grad = torch.tensor(gradient, dtype=parameter.dtype)
        optimizer.param_groups[0]["lr"] = rate_at(step, config.learning_rate)
        optimizer.step()
    return parameters


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 2e-4)])
@pytest.mark.parametrize("config", CONFIGS)
def test_follows_its_equations(config: OptimizerConfig, dtype: torch.dtype, tolerance: float) -> None:
    expected = [p.detach().numpy() for p in start()]
    updates = [reference(config) for _ in expected]
    for step, row in enumerate(gradients(2)):
        rate = rate_at(step, config.learning_rate)
        expected = [u(theta, g, rate) for u, theta, g in zip(updates, expected, row, strict=True)]

    for parameter, array in zip(run(config, start(dtype)), expected, strict=True):
        np.testing.assert_allclose(parameter.detach().numpy(), array, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("config", CONFIGS)
def test_fused_on_this_machine(config: OptimizerConfig) -> None:
    assert config.build(start(torch.float32)).param_groups[0]["fused"] is True


@pytest.mark.parametrize("kind", list(OPTIMIZERS))
def test_first_gradient_may_come_late(kind: str) -> None:
    config = parse(OPTIMIZERS[kind], {"learning_rate": 0.1, **({"momentum": 0.9} if kind == "sgd" else {})})
    early, late = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    alone = torch.nn.Parameter(torch.ones(3))
    both, single = config.build([early, late]), config.build([alone])
    early.grad = torch.ones(3)
    both.step()
    assert torch.equal(late, torch.ones(3))
    for step in range(4):
        late.grad = alone.grad = torch.full((3,), step - 0.5)
        both.step()
        single.step()
    assert torch.equal(late, alone)


@pytest.mark.parametrize("kind", list(OPTIMIZERS))
def test_state_round_trip_continues_bit_identically(kind: str) -> None:
    config = parse(OPTIMIZERS[kind], {"learning_rate": 0.1, **({"momentum": 0.9} if kind == "sgd" else {})})
    kept, moved = start(torch.float32), start(torch.float32)
    first, second = config.build(kept), config.build(moved)
    for row in gradients(3)[:9]:
        for parameter, gradient in zip(kept, row, strict=True):
            parameter.grad = torch.tensor(gradient, dtype=torch.float32)
        first.step()
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for parameter, other in zip(kept, moved, strict=True):
        other.data.copy_(parameter.data)
        other.grad = parameter.grad
    first.step()
    second.step()
    assert all(torch.equal(a, b) for a, b in zip(kept, moved, strict=True))


CHANGES = [
    ("sgd", {"momentum": 0.9}, "learning_rate", 0.02),
    ("sgd", {"momentum": 0.9}, "momentum", 0.5),
    ("sgd", {"momentum": 0.9}, "nesterov", True),
    ("sgd", {"momentum": 0.9}, "weight_decay", 0.1),
    *[
        (kind, {}, key, value)
        for kind in ("adam", "adamw")
        for key, value in [
            ("learning_rate", 0.02),
            ("beta1", 0.5),
            ("beta2", 0.5),
            ("epsilon", 0.1),
            ("weight_decay", 0.1),
        ]
    ],
]


@pytest.mark.parametrize(("kind", "table", "key", "value"), CHANGES)
def test_every_setting_acts(kind: str, table: dict[str, Any], key: str, value: Any) -> None:
    table = {"learning_rate": 0.01, **table}
    base = run(parse(OPTIMIZERS[kind], table), start())
    changed = run(parse(OPTIMIZERS[kind], {**table, key: value}), start())
    assert not any(torch.allclose(a, b) for a, b in zip(base, changed, strict=True))


def test_every_setting_is_tried() -> None:
    tried = {(kind, key) for kind, _, key, _ in CHANGES}
    settable = {(kind, key) for kind in OPTIMIZERS for key in OPTIMIZERS[kind].model_fields if key != "kind"}
    assert tried | {("sgd", "rows")} == settable, "rows: see test_row_wise.py"


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(UserError, match=r"'momentum' must be above 0 where 'nesterov' is true\. Got 0\.0"):
        parse(SgdConfig, {"learning_rate": 0.1, "nesterov": True})
    with pytest.raises(UserError, match=r"^training\.optimizer: 'momentum' must be above 0"):
        parse(SgdConfig, {"learning_rate": 0.1, "nesterov": True}, "training.optimizer")


@pytest.mark.parametrize(
    ("kind", "key", "value", "bound"),
    [
        ("sgd", "learning_rate", 0.0, "greater than 0"),
        ("sgd", "momentum", 1.0, "less than 1"),
        ("sgd", "weight_decay", -0.1, "greater than or equal to 0"),
        ("adam", "beta1", 1.0, "less than 1"),
        ("adam", "beta2", -0.1, "greater than or equal to 0"),
        ("adamw", "epsilon", 0.0, "greater than 0"),
    ],
)
def test_values_out_of_range_are_refused(kind: str, key: str, value: float, bound: str) -> None:
    with pytest.raises(UserError, match=rf"'{key}' must be {bound}\. Got {value!r}"):
        parse(OPTIMIZERS[kind], {"learning_rate": 0.1, key: value})


def test_sgd_has_no_default_rate() -> None:
    with pytest.raises(UserError, match="'learning_rate' must be given: Base learning rate"):
        parse(SgdConfig, {})
