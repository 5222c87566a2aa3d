"""What a study will take, before it begins: runs, cells, time and disk."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import Any

from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.runs import run_folder
from seqlab.runs.study_folder import Trial
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError
from seqlab.studies.axes import EPOCHS
from seqlab.studies.budgets import equaliser
from seqlab.studies.conduct import Resources
from seqlab.studies.design import Design
from seqlab.studies.estimate import Estimates
from seqlab.studies.study_config import SomeConfig
from seqlab.studies.trials import Adjust, grid, trial


@dataclass(frozen=True, kw_only=True)
class ForecastRow:
    """What one architecture takes: its runs and the cells they fill; seconds and bytes of all of them.

    step_seconds, run_seconds: means over its runs. done: runs that are finished already.
    """

    architecture: str
    runs: int
    done: int
    cells: int
    steps: int
    step_seconds: float
    run_seconds: float
    seconds: float
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The whole study."""

    sentences: tuple[str, ...]
    rows: tuple[ForecastRow, ...]
    seconds: float
    bytes: int

    def as_table(self) -> dict[str, Any]:
        """As plain values."""
        return dataclasses.asdict(self)


def resources_for(processes: int, device: str | None, threads: int | None) -> Resources:
    """Where each run is computed when so many are carried out side by side.

    Raises:
        UserError: there are more processes than threads, or none.
    """
    if processes < 1:
        raise UserError(f"'processes' must be at least 1. Got {processes}.")
    if processes == 1:
        return Resources(device=device, threads=threads)
    whole = threads or os.cpu_count() or 1
    if processes > whole:
        raise UserError(f"'processes' must be at most the threads, {whole}. Got {processes}.")
    return Resources(device=device, threads=whole // processes)


def adjustment(design: Design, estimates: Estimates) -> Adjust:
    """What brings an experiment under the study's budget."""
    budget = design.config.budget
    if budget is None:
        return lambda config: config
    return equaliser(budget, estimates.seconds_per_step)


def forecast(design: Design, place: Resources, processes: int) -> Forecast:
    """Measure a few steps of each kind of run, and add up.

    Raises:
        UserError: an axis is wrong, or the data cannot be read.
    """
    design.check()
    estimates = Estimates(place.device, place.threads)
    trials = _trials(design, adjustment(design, estimates))
    networks = [one for one in trials if not one.baseline]
    rows = tuple(
        _row(name, [one for one in networks if one.architecture == name], estimates)
        for name in dict.fromkeys(one.architecture for one in networks)
    )
    seconds = sum(row.seconds * (row.runs - row.done) / row.runs for row in rows) / processes
    sentences = [_sentence(design, trials, rows), *_of_epochs(design, networks)]
    return Forecast(
        sentences=tuple(sentences), rows=rows, seconds=seconds, bytes=sum(row.bytes for row in rows)
    )


def _trials(design: Design, adjust: Adjust) -> list[Trial]:
    """Every run of a grid; of a search as many as it may have, at the middle of its axes' values."""
    search = design.config.search
    if not isinstance(search, SomeConfig):
        return grid(design, adjust)
    runs = search.trials + search.confirm * (len(design.config.seeds) - 1)
    return [
        trial(
            design,
            architecture,
            {axis.key: axis.values[len(axis.values) // 2] for axis in design.setting_axes},
            number=number,
            seed=design.config.seeds[0],
            adjust=adjust,
        )
        for architecture in design.architectures
        for number in range(runs)
    ]


def _row(name: str, trials: list[Trial], estimates: Estimates) -> ForecastRow:
    costs = [estimates.of(parse(ExperimentConfig, one.config)) for one in trials]
    count = len(trials)
    done = sum(_done(one) for one in trials)
    return ForecastRow(
        architecture=name,
        runs=count,
        done=done,
        cells=sum(max(1, len(one.epochs)) for one in trials),
        steps=round(sum(cost.steps for cost in costs) / count),
        step_seconds=sum(cost.step_seconds for cost in costs) / count,
        run_seconds=sum(cost.seconds for cost in costs) / count,
        seconds=sum(cost.seconds for cost in costs),
        bytes=sum(cost.bytes for cost in costs),
    )


def _done(one: Trial) -> bool:
    path = run_folder.root() / one.run
    return path.exists() and run_folder.open_run(path).finished


def _sentence(design: Design, trials: list[Trial], rows: tuple[ForecastRow, ...]) -> str:
    cells, done = sum(max(1, len(one.epochs)) for one in trials), sum(_done(one) for one in trials)
    most = " at the most" if isinstance(design.config.search, SomeConfig) else ""
    before = f", {done} of them done before" if done else ""
    simple = sum(one.baseline for one in trials)
    besides = f", {simple} of them baselines, which are not measured" if simple else ""
    return f"{design.config.name}: {len(trials)} runs{most}{besides}{before}, {cells} cells."


def _of_epochs(design: Design, trials: list[Trial]) -> list[str]:
    """What becomes of an axis of epochs."""
    if not any(axis.key == EPOCHS for axis in design.setting_axes):
        return []
    merged = dict.fromkeys(one.architecture for one in trials if one.epochs)
    others = dict.fromkeys(one.architecture for one in trials if not one.epochs)
    words = []
    if merged:
        words.append(f"One run to the most epochs answers for all of them: {', '.join(merged)}.")
    if others:
        words.append(
            f"A run for each number of epochs: {', '.join(others)}. The schedule depends on the end of "
            "training, so that the first epochs of a longer run are others."
        )
    return words
