"""Schedules compared with closed forms and with torch's own schedulers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from seqlab.experiment.schedules import (
    Clock,
    ConstantConfig,
    CosineConfig,
    EpochDecayConfig,
    FlatThenCompoundConfig,
    LinearConfig,
    OneCycleConfig,
    PlateauConfig,
    ScheduleConfig,
)
from seqlab.experiment.training_kinds import SCHEDULES
from seqlab.schema.config import parse, plain
from seqlab.schema.errors import UserError

STEPS_PER_EPOCH = 7
Scheduler = lr_scheduler.LRScheduler


def clock_at(step: int, total: int) -> Clock:
    return Clock(step=step, epoch=step // STEPS_PER_EPOCH, steps_per_epoch=STEPS_PER_EPOCH, total_steps=total)


def factors(config: ScheduleConfig, total: int) -> list[float]:
    schedule = config.build()
    return [schedule.factor(clock_at(step, total)) for step in range(total)]


def torch_rates(make: Callable[[torch.optim.Optimizer], Scheduler], total: int) -> list[float]:
    """The rates a torch scheduler gives from a base rate of 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for step in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < total:
            scheduler.step()
    return rates


def test_constant() -> None:
    assert factors(ConstantConfig(), 20) == [1.0] * 20


def test_epoch_decay_divides_after_each_epoch() -> None:
    rate, expected = 1.0, []
    for _ in range(6):
        expected += [rate] * STEPS_PER_EPOCH
        rate /= 1.15
    assert factors(EpochDecayConfig(), 6 * STEPS_PER_EPOCH) == pytest.approx(expected, rel=1e-12)


def test_flat_then_compound_multiplies_the_current_rate() -> None:
    rate, expected = 1.0, []
    for epoch in range(40):
        rate *= (1 / 1.15) ** max(epoch - 14, 0)
        expected += [rate] * STEPS_PER_EPOCH
    assert expected[15 * STEPS_PER_EPOCH - 1] == 1.0 > expected[15 * STEPS_PER_EPOCH]
    assert factors(FlatThenCompoundConfig(), 40 * STEPS_PER_EPOCH) == pytest.approx(expected, rel=1e-12)


def test_flat_then_compound_falls_to_zero_quietly() -> None:
    clock = Clock(step=0, epoch=10_000, steps_per_epoch=1, total_steps=20_000)
    assert FlatThenCompoundConfig().build().factor(clock) == 0.0


@pytest.mark.parametrize(("total", "final"), [(2, 0.5), (37, 0.0), (200, 0.1)])
def test_linear_is_torchs(total: int, final: float) -> None:
    expected = torch_rates(
        lambda o: lr_scheduler.LinearLR(o, start_factor=1.0, end_factor=final, total_iters=total - 1), total
    )
    assert factors(LinearConfig(final=final), total) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_linear_holds_first() -> None:
    held = factors(LinearConfig(hold=0.5, final=0.2), 101)
    assert held[:51] == [1.0] * 51
    assert held[51:] == pytest.approx([1.0 - 0.8 * (step - 50) / 50 for step in range(51, 101)], rel=1e-12)
    assert held[-1] == 0.2
    assert factors(LinearConfig(hold=1.0), 9) == [1.0] * 9


@pytest.mark.parametrize(("total", "final"), [(2, 0.5), (37, 0.0), (200, 0.1)])
def test_cosine_is_torchs(total: int, final: float) -> None:
    expected = torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=total - 1, eta_min=final), total)
    assert factors(CosineConfig(final=final), total) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_cosine_warms_up() -> None:
    values = factors(CosineConfig(warmup=0.1, final=0.05), 100)
    assert values[:11] == pytest.approx([step / 11 for step in range(1, 12)], rel=1e-12)
    falling = [0.05 + 0.95 * (1 + math.cos(math.pi * step / 89)) / 2 for step in range(90)]
    assert values[10:] == pytest.approx(falling, rel=1e-12)


@pytest.mark.parametrize(("total", "rise", "start", "final"), [(11, 0.3, 0.04, 4e-6), (300, 0.45, 0.5, 0.01)])
def test_one_cycle_is_torchs(total: int, rise: float, start: float, final: float) -> None:
    # torch puts the peak at step pct * total - 1, we put it at rise * (total - 1).
    pct = (rise * (total - 1) + 1) / total
    expected = torch_rates(
        lambda o: lr_scheduler.OneCycleLR(
            o,
            max_lr=1.0,
            total_steps=total,
            pct_start=pct,
            div_factor=1 / start,
            final_div_factor=start / final,
            cycle_momentum=False,
        ),
        total,
    )
    config = OneCycleConfig(rise=rise, start=start, final=final)
    assert factors(config, total) == pytest.approx(expected, rel=1e-9)


@given(
    improved=st.lists(st.booleans(), max_size=60),
    patience=st.integers(0, 5),
    cut=st.floats(0.05, 0.95),
    minimum=st.sampled_from([0.0, 0.01, 0.3]),
)
def test_plateau_is_torchs(improved: list[bool], patience: int, cut: float, minimum: float) -> None:
    schedule = PlateauConfig(factor=cut, patience=patience, minimum=minimum).build()
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=cut, patience=patience, threshold=0.0, min_lr=minimum, eps=0.0
    )
    scheduler.step(1000.0)
    best = 1000.0
    for step, better in enumerate(improved):
        best -= better
        scheduler.step(best if better else best + 0.5)
        schedule.observe(better)
        rate = optimizer.param_groups[0]["lr"]
        assert schedule.factor(clock_at(step, 60)) == pytest.approx(rate, rel=1e-12)


@given(
    before=st.lists(st.booleans(), max_size=20),
    after=st.lists(st.booleans(), max_size=20),
    patience=st.integers(0, 4),
    cut=st.floats(0.01, 0.99),
)
def test_plateau_state_round_trip(before: list[bool], after: list[bool], patience: int, cut: float) -> None:
    config = PlateauConfig(factor=cut, patience=patience, minimum=1e-6)
    kept, resumed = config.build(), config.build()
    for improved in before:
        kept.observe(improved)
    resumed.restore(json.loads(json.dumps(kept.state())))
    for improved in after:
        kept.observe(improved)
        resumed.observe(improved)
    assert resumed.state() == kept.state()
    assert resumed.factor(clock_at(0, 9)) == kept.factor(clock_at(0, 9))


@pytest.mark.parametrize("kind", [kind for kind in SCHEDULES if kind != "plateau"])
def test_schedules_by_the_clock_have_no_state(kind: str) -> None:
    schedule = SCHEDULES[kind]().build()
    before = schedule.factor(clock_at(9, 30))
    schedule.observe(False)
    assert schedule.state() == {}
    schedule.restore({})
    assert schedule.factor(clock_at(9, 30)) == before
    with pytest.raises(ValueError, match="without a state must get none"):
        schedule.restore({"waited": 1.0})


@given(kind=st.sampled_from(list(SCHEDULES)), total=st.integers(1, 400), share=st.floats(0, 1))
def test_factors_are_fractions(kind: str, total: int, share: float) -> None:
    step = min(total - 1, int(share * total))
    assert 0.0 <= SCHEDULES[kind]().build().factor(clock_at(step, total)) <= 1.0


@pytest.mark.parametrize("kind", ["linear", "cosine", "one-cycle"])
def test_ends_exactly_at_final(kind: str) -> None:
    for total in (2, 3, 10, 1001):
        schedule = parse(SCHEDULES[kind], {"final": 0.1}).build()
        assert schedule.factor(clock_at(total - 1, total)) == 0.1
        assert schedule.factor(clock_at(total, total)) == 0.1


CHANGES = [
    ("epoch-decay", "divisor", 2.0),
    ("flat-then-compound", "flat_epochs", 2),
    ("flat-then-compound", "divisor", 2.0),
    ("linear", "hold", 0.5),
    ("linear", "final", 0.5),
    ("cosine", "warmup", 0.3),
    ("cosine", "final", 0.5),
    ("one-cycle", "rise", 0.6),
    ("one-cycle", "start", 0.5),
    ("one-cycle", "final", 0.5),
    ("plateau", "factor", 0.5),
    ("plateau", "patience", 2),
    ("plateau", "minimum", 0.5),
]


def factors_with_failing_validation(config: ScheduleConfig) -> list[float]:
    schedule, seen = config.build(), []
    for step in range(20 * STEPS_PER_EPOCH):
        seen.append(schedule.factor(clock_at(step, 20 * STEPS_PER_EPOCH)))
        if step % STEPS_PER_EPOCH == STEPS_PER_EPOCH - 1:
            schedule.observe(False)
    return seen


@pytest.mark.parametrize(("kind", "key", "value"), CHANGES)
def test_every_setting_acts(kind: str, key: str, value: Any) -> None:
    base = factors_with_failing_validation(SCHEDULES[kind]())
    assert factors_with_failing_validation(parse(SCHEDULES[kind], {key: value})) != base


def test_every_setting_is_tried() -> None:
    settable = {(kind, key) for kind in SCHEDULES for key in SCHEDULES[kind].model_fields if key != "kind"}
    assert {(kind, key) for kind, key, _ in CHANGES} == settable


@pytest.mark.parametrize("kind", list(SCHEDULES))
def test_round_trip_of_the_config(kind: str) -> None:
    config = SCHEDULES[kind]()
    assert config.kind == kind
    assert parse(SCHEDULES[kind], plain(config)) == config


@pytest.mark.parametrize(
    ("kind", "key", "value", "bound"),
    [
        ("epoch-decay", "divisor", 0.5, "greater than or equal to 1"),
        ("flat-then-compound", "flat_epochs", -1, "greater than or equal to 0"),
        ("linear", "hold", 1.5, "less than or equal to 1"),
        ("cosine", "warmup", 1.0, "less than 1"),
        ("one-cycle", "rise", 0.0, "greater than 0"),
        ("plateau", "factor", 1.0, "less than 1"),
        ("plateau", "patience", -1, "greater than or equal to 0"),
    ],
)
def test_values_out_of_range_are_refused(kind: str, key: str, value: float, bound: str) -> None:
    with pytest.raises(UserError, match=rf"'{key}' must be {bound}\. Got {value!r}"):
        parse(SCHEDULES[kind], {key: value})
