"""Drawn settings: at random, guided, stopped early; always the same ones from the same folder."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from small_studies import RATE, StudyRecorder, results, run_small, small_design

from seqlab.compare.study import read
from seqlab.compare.study_cells import trial_runs
from seqlab.studies.axis import Choices, Range
from seqlab.studies.drawn_search import DrawnSearchConfig
from seqlab.studies.random_search import RandomConfig
from seqlab.studies.search_trial import SearchTrial
from seqlab.studies.tpe_search import TpeConfig
from seqlab.tasks.monitors import monitor_of

LOWER = monitor_of("loss", "token")
AXES = (Range("rate", 1e-4, 1.0, log=True), Range("size", 1, 9, log=False), Choices("cell", ("a", "b")))


def drawn(config: DrawnSearchConfig, count: int, axes: Any = AXES) -> list[dict[str, Any]]:
    history: list[SearchTrial] = []
    while len(history) < count:
        setting = config.propose(axes, LOWER, history, 0)
        if setting is None:
            break
        history.append(SearchTrial(setting=setting, state="finished", value=_loss(setting)))
    return [dict(trial.setting) for trial in history]


def _loss(setting: Any) -> float:
    """Least at rate 0.01, size 5, cell b."""
    return abs(math.log10(setting["rate"]) + 2) + abs(setting["size"] - 5) + (setting["cell"] == "a")


@pytest.mark.parametrize("config", [RandomConfig(), TpeConfig(startup=3)])
def test_draws_are_within_the_axes_and_depend_on_the_seed_alone(config: Any) -> None:
    settings = drawn(config, 12)
    assert settings == drawn(config, 12)
    assert settings != drawn(config.model_copy(update={"seed": 2}), 12)
    for setting in settings:
        assert 1e-4 <= setting["rate"] <= 1
        assert setting["size"] in range(1, 10)
        assert setting["cell"] in ("a", "b")
        assert setting["rate"] == float(f"{setting['rate']:.4g}")


def test_random_draws_fill_a_log_axis_evenly() -> None:
    logs = np.log10([setting["rate"] for setting in drawn(RandomConfig(), 300)])
    counts, _ = np.histogram(logs, bins=4, range=(-4, 0))
    assert counts.min() > 45, "75 are expected in each quarter, with a deviation of 7.5"


def test_guided_draws_are_better_than_random_ones() -> None:
    def late(config: Any) -> float:
        return float(np.mean([_loss(setting) for setting in drawn(config, 40)[20:]]))

    guided = [late(TpeConfig(startup=8, seed=seed)) for seed in range(3)]
    random = [late(RandomConfig(seed=seed)) for seed in range(3)]
    assert max(guided) < min(random)


@pytest.mark.parametrize("config", [RandomConfig(), TpeConfig(startup=2)])
def test_each_combination_is_drawn_once_and_then_there_is_none(config: Any) -> None:
    axes = (Choices("rate", (0.1, 0.2)), Choices("size", (1, 2)), Choices("cell", ("a",)))
    settings = drawn(config, 9, axes)
    assert len(settings) == 4
    assert len({tuple(setting.items()) for setting in settings}) == 4


def curve(*values: float) -> tuple[tuple[float, float], ...]:
    return tuple(enumerate(values, start=1))


def running(*values: float) -> SearchTrial:
    return SearchTrial(setting={}, state="open", value=None, curve=curve(*values))


def test_the_median_pruner_stops_a_run_worse_than_half_of_the_others() -> None:
    config = TpeConfig(startup=3, pruning="median")
    earlier = [
        SearchTrial(setting={}, state="finished", value=v, curve=curve(v + 1, v)) for v in (1.0, 2.0, 3.0)
    ]
    prune = config.pruner()
    assert prune is not None

    def stops(*values: float) -> bool:
        return prune(LOWER, earlier, running(*values), 2)

    assert not stops(2.9)
    assert stops(3.1)
    assert not stops(3.1, 1.9)
    assert not prune(LOWER, earlier[:2], running(9), 2)
    assert not prune(monitor_of("accuracy", "text"), earlier, running(9), 2)


def test_a_drawn_study_resumes_from_its_folder(monkeypatch: pytest.MonkeyPatch, runs: Any) -> None:
    table = {
        "axes": {RATE: {"low": 0.001, "high": 0.5, "log": True}},
        "search": {"kind": "tpe", "trials": 4, "startup": 2, "confirm": 1},
        "seeds": [1, 2],
    }
    whole = results(run_small(small_design(**table)))
    monkeypatch.setenv("SEQLAB_RUNS", str(runs.parent / "broken"))

    class StopsAt(StudyRecorder):
        def started(self, trial: Any, total: int) -> None:
            assert total == 5
            if trial.number == 3 and not done:
                done.append(trial.number)
                raise KeyboardInterrupt

    done: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        run_small(small_design(**table), recorder=StopsAt())
    study = run_small(small_design(**table), recorder=StopsAt())
    assert results(study) == whole
    (part,) = read(study)
    assert [len(group.cells) for group in part.groups].count(2) == 1
    (best,) = part.best
    assert len(best.cells) == 2, "the confirmed setting has all seeds"
    first = [cell for cell in part.cells if cell.seed == 1]
    assert best.cells[0].value == min(cell.value for cell in first if cell.value is not None)


def test_a_pruned_run_has_a_censored_cell() -> None:
    recorder = StudyRecorder()
    table = {
        "axes": {RATE: [0.1, 0.11, 0.12, 1e-9]},
        "search": {"kind": "tpe", "trials": 4, "startup": 2, "pruning": "median", "confirm": 0, "seed": 6},
        "settings": {"data": {"train": 60, "valid": 20, "max_length": 20}, "training": {"epochs": 3}},
    }
    study = run_small(small_design(**table), recorder=recorder)
    (bad,) = [run for run in trial_runs(study) if run.trial.setting[RATE] == 1e-9]
    assert bad.trial.number > 2, "the seed was chosen so that others come before it"
    assert recorder.outcomes[bad.trial.number - 1] == (bad.trial.number, "pruned")
    assert "stopped after epoch 1, when others had done better" in study.events()[bad.trial.number].reason
    assert bad.folder is not None
    assert not bad.folder.finished, "it could continue"
    (cell,) = [cell for cell in read(study)[0].cells if cell.run.trial.number == bad.trial.number]
    assert cell.value is None
    assert cell.censored.startswith("pruned: ")
    again = StudyRecorder()
    run_small(small_design(**table), recorder=again)
    assert again.started_numbers == []
