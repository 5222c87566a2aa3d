"""The shares of steps in averages of the weights, compared with their equations, and their settings."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from seqlab.experiment import recipes
from seqlab.experiment.averaging import EmaConfig, TriggeredConfig
from seqlab.experiment.experiment_config import parse_experiment
from seqlab.experiment.training_kinds import AVERAGINGS
from seqlab.schema.config import canonical, parse, plain
from seqlab.schema.errors import UserError


def test_the_decay_rises_to_its_value() -> None:
    """By hand: 2/11, 3/12, 4/13, ... until the decay is less."""
    average = EmaConfig(decay=0.3).build()
    kept = [1 - average.share(step) for step in range(1, 6)]
    assert kept == pytest.approx([2 / 11, 3 / 12, 0.3, 0.3, 0.3])


@given(decay=st.floats(0, 1, exclude_max=True), step=st.integers(1, 10**7))
def test_shares_are_those_of_a_mean(decay: float, step: int) -> None:
    """No weight counts negatively, and none so much that the average leaves the weights' range."""
    assert 0 < EmaConfig(decay=decay).build().share(step) <= 1


def trigger_of_the_paper(losses: Sequence[float], interval: int) -> int | None:
    """The index of the validation that triggers, by the pseudocode of Merity et al. (2018), line by line.

    Of `logs` all but the last n are compared with, as the authors' program does it.
    """
    t, logs, trigger = 0, [], 0
    for k, v in enumerate(losses, start=1):
        if trigger == 0:
            if t > interval and v > min(logs[: t - interval]):
                trigger = k
            logs.append(v)
            t += 1
    return trigger or None


@given(losses=st.lists(st.floats(-9, 9), unique=True, max_size=30), interval=st.integers(0, 6))
def test_the_trigger_is_that_of_the_paper(losses: list[float], interval: int) -> None:
    average = TriggeredConfig(interval=interval).build()
    begun: list[int] = []
    for k, loss in enumerate(losses, start=1):
        assert average.waiting is not average.started
        average.observe(10 * k, -loss)
        begun += [k] if average.started else []
    assert begun[:1] == [k for k in [trigger_of_the_paper(losses, interval)] if k is not None]
    if begun:
        shares = [average.share(10 * begun[0] + after) for after in range(4)]
        assert shares == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4]), "of a mean"


def test_an_accuracy_that_stays_the_same_has_not_improved() -> None:
    average = TriggeredConfig(interval=2).build()
    started = []
    for step in range(1, 6):
        average.observe(step, 1.0)
        started.append(average.started)
    assert started == [False, False, False, True, True]


@given(losses=st.lists(st.floats(-9, 9), unique=True, max_size=20), cut=st.integers(0, 20))
def test_a_triggered_average_continues_from_its_state(losses: list[float], cut: int) -> None:
    config = TriggeredConfig(interval=1)
    kept, resumed = config.build(), config.build()
    for step, loss in enumerate(losses[:cut], start=1):
        kept.observe(step, -loss)
    resumed.restore(kept.state(), cut)
    for step, loss in enumerate(losses[cut:], start=cut + 1):
        kept.observe(step, -loss)
        resumed.observe(step, -loss)
    assert resumed.state() == kept.state()


@pytest.mark.parametrize(
    "state",
    [{}, {"gains": [1.0]}, *({"gains": [], "start": start} for start in ([], [9.0], [-1.0], [1.0, 1.0]))],
)
def test_a_state_of_no_triggered_average_is_refused(state: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match=r"must have gains, and a start up to step 8\. Got"):
        TriggeredConfig().build().restore(state, 8)


@pytest.mark.parametrize("kind", list(AVERAGINGS))
def test_round_trip_of_the_config(kind: str) -> None:
    config = AVERAGINGS[kind]()
    assert config.kind == kind
    assert parse(AVERAGINGS[kind], plain(config)) == config


def test_an_interval_must_be_a_number_of_validations() -> None:
    with pytest.raises(UserError, match=r"'training\.averaging\.interval' must be greater .* 0\. Got -1"):
        tiny.configure(tiny.BRACKETS, "training.averaging.kind=triggered", "training.averaging.interval=-1")


@pytest.mark.parametrize("value", ["1", "1.5", "-0.1", "nan"])
def test_a_decay_must_be_a_fraction(value: str) -> None:
    with pytest.raises(UserError, match=rf"'training\.averaging\.decay' must be .*\. Got {value}"):
        tiny.configure(tiny.BRACKETS, "training.averaging.kind=ema", f"training.averaging.decay={value}")


@pytest.mark.parametrize(
    ("recipe", "settings", "words"),
    [
        ("brackets-lstm", ["training.averaging.kind=eam"], r"There is no averaging 'eam'\. Nearest: 'ema'\."),
        (
            "brackets-lstm",
            ["training.averaging.decay=0.9"],
            r"There is no setting 'training\.averaging\.decay'\. .*: training\.averaging\.kind|: kind",
        ),
        ("brackets-lstm", ["training.averaging=ema"], r"'training\.averaging' is a table: set one of its "),
        ("ptb-5gram", ["training.averaging.kind=ema"], r"There is no setting 'training"),
    ],
)
def test_what_is_no_averaging_is_refused(recipe: str, settings: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        recipes.configure(recipe, settings)


def test_without_an_average_the_fingerprint_is_that_of_settings_that_have_none() -> None:
    config = tiny.configure(tiny.BRACKETS)
    before = plain(config)
    assert before["training"].pop("averaging") == {"kind": "none"}
    assert parse_experiment(before) == config
    assert "averaging" not in canonical(config)
    assert "averaging" in canonical(tiny.configure(tiny.BRACKETS, "training.averaging.kind=ema"))
