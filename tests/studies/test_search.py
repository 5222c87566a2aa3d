"""Settings that are drawn: at random, guided, stopped early; always the same ones from the same folder."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from small_studies import RATE, Viewer, carry_out, design, results
from test_conduct import trial_runs

from seqlab.compare.study import read
from seqlab.studies.axes import Choices, Range
from seqlab.studies.search import Tried, propose, should_stop
from seqlab.studies.study_config import RandomConfig, TpeConfig
from seqlab.tasks.monitors import monitor_of

LOWER = monitor_of("loss", "token")
AXES = (Range("rate", 1e-4, 1.0, log=True), Range("size", 1, 9, log=False), Choices("cell", ("a", "b")))


def drawn(config: Any, count: int, axes: Any = AXES) -> list[dict[str, Any]]:
    tried: list[Tried] = []
    while len(tried) < count:
        setting = propose(config, axes, LOWER, tried, 0)
        if setting is None:
            break
        tried.append(Tried(setting=setting, state="finished", value=_loss(setting)))
    return [dict(one.setting) for one in tried]


def _loss(setting: Any) -> float:
    """Least at rate 0.01, size 5, cell b."""
    return abs(math.log10(setting["rate"]) + 2) + abs(setting["size"] - 5) + (setting["cell"] == "a")


@pytest.mark.parametrize("config", [RandomConfig(), TpeConfig(startup=3)])
def test_draws_lie_in_the_axes_and_depend_on_the_seed_alone(config: Any) -> None:
    found = drawn(config, 12)
    assert found == drawn(config, 12)
    assert found != drawn(config.model_copy(update={"seed": 2}), 12)
    for setting in found:
        assert 1e-4 <= setting["rate"] <= 1
        assert setting["size"] in range(1, 10)
        assert setting["cell"] in ("a", "b")
        assert setting["rate"] == float(f"{setting['rate']:.4g}")


def test_random_draws_fill_a_log_axis_evenly() -> None:
    logs = np.log10([one["rate"] for one in drawn(RandomConfig(), 300)])
    counts, _ = np.histogram(logs, bins=4, range=(-4, 0))
    assert counts.min() > 45, "75 are expected in each quarter, with a deviation of 7.5"


def test_guided_draws_are_better_than_random_ones() -> None:
    def late(config: Any) -> float:
        return float(np.mean([_loss(one) for one in drawn(config, 40)[20:]]))

    guided = [late(TpeConfig(startup=8, seed=seed)) for seed in range(3)]
    random = [late(RandomConfig(seed=seed)) for seed in range(3)]
    assert max(guided) < min(random)


@pytest.mark.parametrize("config", [RandomConfig(), TpeConfig(startup=2)])
def test_each_combination_comes_once_and_then_there_is_none(config: Any) -> None:
    axes = (Choices("rate", (0.1, 0.2)), Choices("size", (1, 2)), Choices("cell", ("a",)))
    found = drawn(config, 9, axes)
    assert len(found) == 4
    assert len({tuple(one.items()) for one in found}) == 4


def course(*values: float) -> tuple[tuple[float, float], ...]:
    return tuple(enumerate(values, start=1))


def test_the_median_pruner_stops_what_is_worse_than_half_of_the_others() -> None:
    config = TpeConfig(startup=3, pruning="median")
    others = [Tried(setting={}, state="finished", value=v, course=course(v + 1, v)) for v in (1.0, 2.0, 3.0)]

    def stops(*values: float) -> bool:
        running = Tried(setting={}, state="open", value=None, course=course(*values))
        return should_stop(config, LOWER, others, running, 2)

    assert not stops(2.9)
    assert stops(3.1)
    assert not stops(3.1, 1.9)
    assert not should_stop(
        config, LOWER, others[:2], Tried(setting={}, state="open", value=None, course=course(9)), 2
    )
    higher = should_stop(
        config,
        monitor_of("accuracy", "text"),
        others,
        Tried(setting={}, state="open", value=None, course=course(9)),
        2,
    )
    assert not higher


def test_a_study_that_is_drawn_goes_on_from_its_folder(monkeypatch: pytest.MonkeyPatch, runs: Any) -> None:
    table = {
        "axes": {RATE: {"low": 0.001, "high": 0.5, "log": True}},
        "search": {"kind": "tpe", "trials": 4, "startup": 2, "confirm": 1},
        "seeds": [1, 2],
    }
    whole = results(carry_out(design(**table)))
    monkeypatch.setenv("SEQLAB_RUNS", str(runs.parent / "broken"))

    class Stops(Viewer):
        def begins(self, one: Any, total: int) -> None:
            assert total == 5
            if one.number == 3 and not done:
                done.append(one.number)
                raise KeyboardInterrupt

    done: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        carry_out(design(**table), viewer=Stops())
    study = carry_out(design(**table), viewer=Stops())
    assert results(study) == whole
    (found,) = read(study)
    assert [len(group.cells) for group in found.groups].count(2) == 1
    (best,) = found.best
    assert len(best.cells) == 2, "what was confirmed with all seeds"
    first = [cell for cell in found.cells if cell.seed == 1]
    assert best.cells[0].value == min(cell.value for cell in first if cell.value is not None)


def test_a_run_is_stopped_early_and_its_cell_says_so() -> None:
    viewer = Viewer()
    table = {
        "axes": {RATE: [0.1, 0.11, 0.12, 1e-9]},
        "search": {"kind": "tpe", "trials": 4, "startup": 2, "pruning": "median", "confirm": 0, "seed": 6},
        "settings": {"data": {"train": 60, "valid": 20, "max_length": 20}, "training": {"epochs": 3}},
    }
    study = carry_out(design(**table), viewer=viewer)
    (bad,) = [one for one in trial_runs(study) if one.trial.setting[RATE] == 1e-9]
    assert bad.trial.number > 2, "the seed was chosen so that others come before it"
    assert viewer.outcomes[bad.trial.number - 1] == (bad.trial.number, "pruned")
    assert "stopped after epoch 1, when others had done better" in study.events()[bad.trial.number].reason
    assert bad.folder is not None
    assert not bad.folder.finished, "it could go on"
    (cell,) = [cell for cell in read(study)[0].cells if cell.run.trial.number == bad.trial.number]
    assert cell.value is None
    assert cell.censored.startswith("pruned: ")
    again = Viewer()
    carry_out(design(**table), viewer=again)
    assert again.began == []
