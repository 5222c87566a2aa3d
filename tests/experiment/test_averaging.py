"""The shares of steps in averages of the weights, compared with their equations, and their settings."""

from __future__ import annotations

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from seqlab.experiment import recipes
from seqlab.experiment.averaging import EmaConfig
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


@pytest.mark.parametrize("kind", list(AVERAGINGS))
def test_round_trip_of_the_config(kind: str) -> None:
    config = AVERAGINGS[kind]()
    assert config.kind == kind
    assert parse(AVERAGINGS[kind], plain(config)) == config


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
