"""Drawn settings: at random, guided, stopped early; always the same ones from the same folder."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from small_studies import RATE, SMALL, StudyRecorder, results, run_small, small_design

from seqlab.comparison.study import read
from seqlab.comparison.study_cells import trial_runs
from seqlab.studies.axis import Choices, Range
from seqlab.studies.drawn_search import DrawnSearchConfig
from seqlab.studies.job import run_job
from seqlab.studies.random_search import RandomConfig
from seqlab.studies.resources import Resources
from seqlab.studies.run_study import begin
from seqlab.studies.run_trials import TrialQueue
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


RANGES = [
    (0.9999, 0.99999, False),
    (0.9999, 0.99999, True),
    (0.1, 0.1 + 0.2, False),
    (1.0, math.nextafter(1.0, 2.0), True),
    (-3e-8, 2e-8, False),
    (5e-324, 1e-320, True),
    (1e300, 1e308, True),
    (1, 3, True),
    (1, 2**62, True),
    (-(2**62), 2**62, False),
    (1, 2.5, False),
]


@pytest.mark.parametrize(("low", "high", "log"), RANGES)
def test_what_is_drawn_is_between_the_ends(low: float, high: float, log: bool) -> None:
    axis, random = Range("x", low, high, log=log), np.random.default_rng(0)
    found = [axis.draw(random) for _ in range(200)]
    # The ends themselves, and what a float may round to beyond them.
    found += [axis.decode(end) for end in (low, high)]
    found += [axis.decode(math.nextafter(low, -math.inf)), axis.decode(math.nextafter(high, math.inf))]
    assert all(low <= value <= high for value in found)
    whole = isinstance(low, int) and isinstance(high, int)
    assert {type(value) for value in found} == {int if whole else float}
    wide = high - low if whole else math.inf
    assert len(set(found)) > (50 if wide > 100 and math.nextafter(low, high) < high else 1)


@pytest.mark.parametrize(("low", "high", "log"), RANGES[:3])
def test_a_guided_search_stays_between_the_ends(low: float, high: float, log: bool) -> None:
    settings = drawn_in(TpeConfig(startup=2), (Range("rate", low, high, log=log),))
    assert all(low <= setting["rate"] <= high for setting in settings)


def drawn_in(config: DrawnSearchConfig, axes: Any) -> list[dict[str, Any]]:
    history: list[SearchTrial] = []
    for _ in range(6):
        setting = config.propose(axes, LOWER, history, 0)
        assert setting is not None
        history.append(SearchTrial(setting=setting, state="finished", value=setting["rate"]))
    return [dict(trial.setting) for trial in history]


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


PRUNED: dict[str, Any] = {
    "axes": {RATE: [0.1, 0.2, 0.3]},
    "search": {"kind": "tpe", "trials": 3, "startup": 1, "pruning": "median", "confirm": 2},
    "seeds": [1, 2],
}


def test_further_seeds_of_the_best_settings_are_never_pruned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pruner would stop every run but the first."""
    monkeypatch.setattr(TpeConfig, "_should_stop", lambda self, monitor, earlier, *others: bool(earlier))
    recorder = StudyRecorder()
    study = run_small(small_design(**PRUNED), recorder=recorder)
    assert [state for _, state in recorder.outcomes] == ["finished", "pruned", "pruned", "finished"]
    confirmed = study.trials()[3]
    assert (confirmed.seed, confirmed.setting) == (2, study.trials()[0].setting)


def test_the_best_are_chosen_after_every_run_of_the_search(runs: Any) -> None:
    """Several jobs are taken at a time; the last search run ends after the study asks for more."""
    design = small_design(axes={RATE: [0.1, 1e-9]}, search={"kind": "random", "trials": 2}, seeds=[1, 2])
    folder, plan = begin(design, lambda config: config)
    plan.prepare()
    queue = TrialQueue(plan, Resources(threads=1), StudyRecorder())
    jobs = [queue.next(), queue.next()]
    assert queue.next() is None
    for job in jobs[::-1]:
        assert job is not None
        assert queue.next() is None
        queue.finish(job.number, run_job(job, queue))
    last = queue.next()
    assert last is not None
    (trial,) = [trial for trial in folder.trials() if trial.number == last.number]
    assert (trial.seed, trial.setting) == (2, {RATE: 0.1})


def test_values_that_do_not_fit_each_other_are_drawn_again() -> None:
    """The number of heads must divide the width: of 2 x 3 settings, one does not fit."""
    axes = {"model.hidden_size": [12, 8], "model.heads": [1, 4, 3]}
    settings = {**SMALL, "model": {"kind": "transformer-lm", "layers": 1}}
    design = small_design(axes=axes, settings=settings, search={"kind": "random", "trials": 6})
    _, plan = begin(design, lambda config: config)
    taken = list(itertools.islice(plan.runs(), 5))
    found = [trial.setting for trial in taken if trial is not None]
    sizes = {(setting["model.hidden_size"], setting["model.heads"]) for setting in found}
    assert sizes == {(12, 1), (12, 4), (12, 3), (8, 1), (8, 4)}
