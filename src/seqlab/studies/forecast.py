"""What a study will cost, before it begins: runs, cells, time and disk space."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seqlab.experiment.experiment_config import AnyExperimentConfig, ExperimentConfig
from seqlab.experiment.run_names import run_stem
from seqlab.runs import run_folder
from seqlab.runs.study_records import Trial
from seqlab.schema.config import parse, plain
from seqlab.studies.axes import EPOCHS
from seqlab.studies.budgets import adjustment
from seqlab.studies.design import Design
from seqlab.studies.estimate import Estimates
from seqlab.studies.known_monitor import check_monitor
from seqlab.studies.lost_settings import lost_settings, size_differences
from seqlab.studies.resources import Resources
from seqlab.studies.study_space import StudySpace
from seqlab.training.run import run_reference
from seqlab.training.source_run import MissingSourceError, find_source


@dataclass(frozen=True, kw_only=True)
class ForecastRow:
    """The cost of one architecture.

    runs: number of its runs. done: those that are finished already. cells: that the runs fill.
    steps, step_seconds, run_seconds: means over its runs. seconds, bytes: sums over its runs.
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
    """The cost of a whole study. seconds: until its end, without the runs that are finished already.

    final_seconds: of training what `--final` scores again, to the chosen epoch, at most.
    """

    sentences: tuple[str, ...]
    rows: tuple[ForecastRow, ...]
    seconds: float
    final_seconds: float
    bytes: int

    def as_table(self) -> dict[str, Any]:
        """The forecast as plain values."""
        return dataclasses.asdict(self)


def forecast(design: Design, resources: Resources, processes: int) -> Forecast:
    """Measure a few steps of each kind of run, and add up.

    Raises:
        UserError: an axis is wrong, or the data cannot be read.
    """
    design.check()
    check_monitor(design)
    estimates = Estimates(resources.device, resources.threads)
    adjust = adjustment(design.config.budget, estimates.seconds_per_step)
    trials = design.config.search.expected(StudySpace(design, adjust, _reference))
    # Baselines are fitted within seconds; measuring them would take as long as fitting them.
    networks = [trial for trial in trials if not trial.baseline]
    rows = tuple(
        _row(name, [trial for trial in networks if trial.architecture == name], estimates)
        for name in dict.fromkeys(trial.architecture for trial in networks)
    )
    return Forecast(
        sentences=(
            *_counts(design, trials),
            *_on_epochs(design, networks),
            *_on_sources(networks),
            *lost_settings(design),
            *size_differences(design, adjust),
        ),
        rows=rows,
        seconds=sum(row.seconds * (row.runs - row.done) / row.runs for row in rows) / processes,
        final_seconds=_final_seconds(design, networks, rows),
        bytes=sum(row.bytes for row in rows),
    )


def _final_seconds(design: Design, trials: Sequence[Trial], rows: Sequence[ForecastRow]) -> float:
    """Only a cell within a run, whose weights were not kept, is trained again on the training split."""
    within = {trial.architecture for trial in trials if trial.epochs}
    each = [row.run_seconds for row in rows if row.architecture in within]
    if design.config.final.of == "winner":
        each = [max(each, default=0.0)]
    return sum(each) * len(design.config.seeds)


def _row(name: str, trials: Sequence[Trial], estimates: Estimates) -> ForecastRow:
    costs = [estimates.of(parse(ExperimentConfig, trial.config)) for trial in trials]
    count = len(trials)
    return ForecastRow(
        architecture=name,
        runs=count,
        done=sum(_finished(trial) for trial in trials),
        cells=_cells(trials),
        steps=round(sum(cost.steps for cost in costs) / count),
        step_seconds=sum(cost.step_seconds for cost in costs) / count,
        run_seconds=sum(cost.seconds for cost in costs) / count,
        seconds=sum(cost.seconds for cost in costs),
        bytes=sum(cost.bytes for cost in costs),
    )


def _reference(config: AnyExperimentConfig) -> str:
    """The reference of a run; where it depends on a run that does not exist yet, one that no run has."""
    try:
        return run_reference(config)
    except MissingSourceError:
        return run_stem(plain(config))


def _finished(trial: Trial) -> bool:
    path = run_folder.resolve(trial.run)
    return path.exists() and run_folder.open_run(path).finished


def _cells(trials: Sequence[Trial]) -> int:
    return sum(max(1, len(trial.epochs)) for trial in trials)


def _counts(design: Design, trials: Sequence[Trial]) -> list[str]:
    """Sentences on the numbers of runs and cells."""
    runs = f"{len(trials)} runs" if design.config.search.exhaustive else f"at most {len(trials)} runs"
    sentences = [f"{design.config.name}: {runs}, {_cells(trials)} cells."]
    baselines = sum(trial.baseline for trial in trials)
    finished = sum(_finished(trial) for trial in trials)
    if baselines:
        sentences.append(f"Runs of baselines, whose cost is not measured: {baselines}.")
    if finished:
        sentences.append(f"Runs that are finished already: {finished}.")
    return sentences


def _on_sources(trials: Sequence[Trial]) -> list[str]:
    """A sentence on each run whose weights others start from: its cost is no part of the study's."""
    configs = [parse(ExperimentConfig, trial.config) for trial in trials]
    needed = {config.transfer.run: config for config in configs if config.transfer is not None}
    return [_on_source(config) for config in needed.values()]


def _on_source(config: ExperimentConfig) -> str:
    try:
        source = find_source(config)
    except MissingSourceError as error:
        return f"A run must be finished before, whose cost is not counted. {error}"
    assert source is not None, "a run is named"
    name, seconds = source.run.path.name, source.run.summary()["cost"]["training_seconds"]
    return f"Runs start from {name}, which is finished; its {seconds:,.0f} s of training are not counted."


def _on_epochs(design: Design, trials: Sequence[Trial]) -> list[str]:
    """Sentences on an axis of epochs: which architectures need one run for all of them, and which do not."""
    if not any(axis.key == EPOCHS for axis in design.setting_axes):
        return []
    merged = dict.fromkeys(trial.architecture for trial in trials if trial.epochs)
    separate = dict.fromkeys(trial.architecture for trial in trials if not trial.epochs)
    sentences = []
    if merged:
        sentences.append(f"One run to the most epochs answers for all of them: {', '.join(merged)}.")
    if separate:
        sentences.append(
            f"A run for each number of epochs: {', '.join(separate)}. The schedule depends on the length of "
            "training, so the first epochs of a longer run are not those of a shorter one."
        )
    return sentences
