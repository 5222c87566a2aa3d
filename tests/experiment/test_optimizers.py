"""Optimizers compared with their update equations, written out in float64 numpy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import own_optimizers
import pytest
import torch
from numpy.typing import NDArray

from seqlab.experiment.optimizers import (
    AdamConfig,
    AdamWConfig,
    NAdamConfig,
    OptimizerConfig,
    RmspropConfig,
    SgdConfig,
)
from seqlab.experiment.training_kinds import OPTIMIZERS
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError

Array = NDArray[np.float64]
Update = Callable[[Array, Array, float], Array]

NEEDED = {"sgd": {"momentum": 0.9}, "import": {"path": f"{own_optimizers.__file__}:SignMomentum"}}
"""Settings with which a kind has a state, or which it must be given."""
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


def weighted(directions: list[Array], power: int, beta: float) -> Array:
    """A running mean of powers, without bias correction, as an explicit sum, not by its recurrence."""
    newest_first = reversed(directions)
    return np.asarray(sum((1 - beta) * beta**age * d**power for age, d in enumerate(newest_first)))


def adam(config: AdamConfig | AdamWConfig, *, decoupled: bool) -> Update:
    directions: list[Array] = []

    def update(theta: Array, gradient: Array, rate: float) -> Array:
        decay = config.weight_decay
        directions.append(gradient if decoupled else gradient + decay * theta)
        kept = theta - rate * decay * theta if decoupled else theta
        mean = weighted(directions, 1, config.beta1) / (1 - config.beta1 ** len(directions))
        square = weighted(directions, 2, config.beta2) / (1 - config.beta2 ** len(directions))
        return kept - rate * mean / (np.sqrt(square) + config.epsilon)

    return update


def nadam(config: NAdamConfig) -> Update:
    directions: list[Array] = []

    def momentum(step: int) -> float:
        return config.beta1 * (1 - 0.5 * 0.96 ** (step * config.momentum_decay))

    def update(theta: Array, gradient: Array, rate: float) -> Array:
        directions.append(gradient + config.weight_decay * theta)
        now = len(directions)
        product = np.prod([momentum(step) for step in range(1, now + 1)])
        ahead = momentum(now + 1) * weighted(directions, 1, config.beta1) / (1 - product * momentum(now + 1))
        current = (1 - momentum(now)) * directions[-1] / (1 - product)
        square = weighted(directions, 2, config.beta2) / (1 - config.beta2**now)
        return theta - rate * (ahead + current) / (np.sqrt(square) + config.epsilon)

    return update


def rmsprop(config: RmspropConfig) -> Update:
    directions: list[Array] = []
    steps: list[Array] = []

    def update(theta: Array, gradient: Array, rate: float) -> Array:
        directions.append(gradient + config.weight_decay * theta)
        scale = np.sqrt(weighted(directions, 2, config.alpha)) + config.epsilon
        steps.append(directions[-1] / scale)
        return theta - rate * sum(config.momentum**age * step for age, step in enumerate(reversed(steps)))

    return update


def reference(config: OptimizerConfig) -> Update:
    match config:
        case SgdConfig():
            return sgd(config)
        case NAdamConfig():
            return nadam(config)
        case RmspropConfig():
            return rmsprop(config)
        case _:
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
    NAdamConfig(),
    NAdamConfig(learning_rate=0.03, beta1=0.6, beta2=0.9, epsilon=0.1, weight_decay=0.2, momentum_decay=0.3),
    RmspropConfig(),
    RmspropConfig(learning_rate=0.02, alpha=0.7, epsilon=0.1, momentum=0.6, weight_decay=0.2),
]
FUSED = [config for config in CONFIGS if isinstance(config, SgdConfig | AdamConfig | AdamWConfig)]


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

    # torch keeps NAdam's product of μ in float32, whatever the type of the parameters.
    tolerance = max(tolerance, 1e-6) if config.kind == "nadam" else tolerance
    for parameter, array in zip(run(config, start(dtype)), expected, strict=True):
        np.testing.assert_allclose(parameter.detach().numpy(), array, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("config", FUSED)
def test_fused_on_this_machine(config: OptimizerConfig) -> None:
    assert config.build(start(torch.float32)).param_groups[0]["fused"] is True


@pytest.mark.parametrize("kind", list(OPTIMIZERS))
def test_first_gradient_may_come_late(kind: str) -> None:
    config = parse(OPTIMIZERS[kind], {"learning_rate": 0.1, **NEEDED.get(kind, {})})
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
    config = parse(OPTIMIZERS[kind], {"learning_rate": 0.1, **NEEDED.get(kind, {})})
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
    ("nadam", {}, "momentum_decay", 0.5),
    ("rmsprop", {}, "learning_rate", 0.02),
    ("rmsprop", {}, "alpha", 0.5),
    ("rmsprop", {}, "epsilon", 0.1),
    ("rmsprop", {}, "momentum", 0.5),
    ("rmsprop", {}, "weight_decay", 0.1),
    *[
        (kind, {}, key, value)
        for kind in ("adam", "adamw", "nadam")
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
    settable = {
        (kind, key)
        for kind in OPTIMIZERS
        for key in OPTIMIZERS[kind].model_fields
        if key != "kind" and kind != "import"  # see test_imported_optimizer.py
    }
    assert tried | {("sgd", "rows")} == settable, "rows: see test_row_wise.py"


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(UserError, match=r"'momentum' must be above 0 where 'nesterov' is true\. Got 0\.0"):
        parse(SgdConfig, {"learning_rate": 0.1, "nesterov": True})
    words = (
        r"^'training\.optimizer\.momentum' must be above 0 where 'training\.optimizer\.nesterov' is true\."
    )
    with pytest.raises(UserError, match=words):
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
        ("nadam", "momentum_decay", -0.1, "greater than or equal to 0"),
        ("rmsprop", "alpha", 1.0, "less than 1"),
        ("rmsprop", "momentum", 1.0, "less than 1"),
    ],
)
def test_values_out_of_range_are_refused(kind: str, key: str, value: float, bound: str) -> None:
    with pytest.raises(UserError, match=rf"'{key}' must be {bound}\. Got {value!r}"):
        parse(OPTIMIZERS[kind], {"learning_rate": 0.1, key: value})


def test_sgd_has_no_default_rate() -> None:
    with pytest.raises(UserError, match="'learning_rate' must be given: Base learning rate"):
        parse(SgdConfig, {})
