"""The final evaluation: scores the test split once, with what validation chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqlab.comparison.study import Group, Study, parts
from seqlab.comparison.study_cells import StudyCell, TrialRun, open_study
from seqlab.evaluate.evaluation import evaluate_run
from seqlab.experiment.experiment_config import (
    AnyExperimentConfig,
    BaselineExperimentConfig,
    ExperimentConfig,
)
from seqlab.runs import run_folder
from seqlab.runs.cards import Card
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.study_folder import StudyFolder
from seqlab.runs.study_records import EvaluationOnTest
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError, WorkError
from seqlab.schema.records import Scalar, to_line
from seqlab.studies.study_config import FinalConfig
from seqlab.studies.trial_state import state
from seqlab.training import run as training_run
from seqlab.training.callback import RunCallback

SPLIT = "test"


@dataclass(frozen=True)
class FinalEvaluation:
    """An evaluation on the test split.

    number: 1 for the first of a study, higher for each that scored other runs. repeated: it was made before
    and is read from its cards. choices: settings that validation chose. cards: of each choice's runs.
    """

    number: int
    repeated: bool
    choices: tuple[Group, ...]
    cards: tuple[tuple[Card, ...], ...]


def choose(study: Study, of: str) -> list[Group]:
    """The best setting of each architecture, or of all, by validation; and every baseline.

    Raises:
        UserError: no setting has a value for most of its seeds.
    """
    candidates = [group for group in study.ranked if not group.baseline]
    if not candidates:
        raise UserError("A study must have a setting whose runs have finished. Got none.")
    chosen = candidates[:1] if of == "winner" else candidates
    return [*chosen, *(group for group in study.ranked if group.baseline)]


def evaluate_on_test(
    folder: StudyFolder,
    config: FinalConfig,
    callback: RunCallback,
    *,
    threads: int | None,
    device: str | None,
) -> FinalEvaluation:
    """Score the test split with what validation chose; an evaluation made before is shown, not repeated.

    Raises:
        UserError: some runs of the study are not done, or there is no test split.
        WorkError: a run that was trained again did not reach the same weights.
    """
    study = open_study(folder)
    open_runs = [trial_run.trial.number for trial_run in study.runs if state(trial_run) == "open"]
    if open_runs:
        raise UserError(
            "A study must be run to its end before its test split is scored. "
            f"Got run {open_runs[0]}, which is not finished."
        )
    choices = [group for part in parts(study) for group in choose(part, config.of)]

    def scorable(cell: StudyCell) -> RunFolder:
        return _scorable_run(cell, config, callback, threads=threads, device=device)

    runs = [[scorable(cell) for cell in choice.cells if cell.value is not None] for choice in choices]
    named = [
        (run.path.name, choice.architecture)
        for choice, group in zip(choices, runs, strict=True)
        for run in group
    ]
    number, repeated = _recorded(folder, config, sorted(named))
    cards = tuple(tuple(_card(run, callback) for run in group) for group in runs)
    return FinalEvaluation(number, repeated, tuple(choices), cards)


def _scorable_run(
    cell: StudyCell,
    config: FinalConfig,
    callback: RunCallback,
    *,
    threads: int | None,
    device: str | None,
) -> RunFolder:
    """The run whose result is scored for a cell, trained again where that is needed."""
    settings = final_config(cell, config)
    if settings is None:
        assert cell.run.folder is not None, "a cell with a value has a run"
        return cell.run.folder
    summary = training_run.train(settings, threads=threads, device=device, callback=callback)
    retrained = run_folder.open_run(Path(summary["run"]))
    if cell.epochs is not None and config.fit_on == "train":
        check_same_records(cell.run, retrained)
    return retrained


def _recorded(folder: StudyFolder, config: FinalConfig, runs: Sequence[tuple[str, str]]) -> tuple[int, bool]:
    """The number of an evaluation of these runs, and whether it was made before; recorded beforehand.

    runs: name and architecture of each, in ascending order.
    """
    names = [name for name, _ in runs]
    earlier = folder.test_evaluations()
    for evaluation in earlier:
        if sorted(evaluation.runs) == names:
            return evaluation.number, True
    # Recorded before the split is scored, so that an interrupted evaluation counts, too.
    number = len({evaluation.runs for evaluation in earlier}) + 1
    folder.add_test_evaluation(
        EvaluationOnTest(
            number=number,
            split=SPLIT,
            of=config.of,
            fit_on=config.fit_on,
            runs=tuple(names),
            architectures=tuple(architecture for _, architecture in runs),
        )
    )
    return number, False


def _card(run: RunFolder, callback: RunCallback) -> Card:
    """The card of the test split; scored where there is none yet."""
    return run.card(SPLIT) or evaluate_run(run, SPLIT, (), progress=callback.scored)


def final_config(cell: StudyCell, config: FinalConfig) -> AnyExperimentConfig | None:
    """Settings of the run that has to be trained for a cell to be scored; None where its own run is scored.

    A cell of an axis of epochs is trained to that epoch. A run on all data takes the epochs of the cell, or
    those up to the best validation; where the schedule depends on the length of training, all epochs.
    """
    if cell.epochs is None and config.fit_on == "train":
        return None
    if cell.baseline:
        return parse(BaselineExperimentConfig, {**cell.run.trial.config, "fit_on": config.fit_on})
    settings = parse(ExperimentConfig, cell.run.trial.config)
    # The last weights, because on all data no validation split is left to pick the best ones by.
    update: dict[str, Any] = {"result": "last", "fit_on": config.fit_on, "patience": None}
    if cell.epochs is not None:
        update["epochs"] = cell.epochs
    elif not settings.training.schedule.depends_on_length:
        update["epochs"] = best_epoch(cell.run)
    if config.fit_on == "train":
        update["patience"] = settings.training.patience
    return settings.model_copy(update={"training": settings.training.model_copy(update=update)})


def best_epoch(trial_run: TrialRun) -> int:
    """Epochs up to the best validation, rounded up."""
    assert trial_run.folder is not None, "only finished runs are chosen"
    assert trial_run.summary is not None, "only finished runs are chosen"
    step = trial_run.summary["best_step"]
    epochs = [moment.epoch for _, moment in trial_run.folder.records() if moment.step == step]
    return max(1, -int(-max(epochs) // 1))


def check_same_records(trial_run: TrialRun, retrained: RunFolder) -> None:
    """Make sure that a run trained again to a cell's epoch recorded the same numbers as the cell's run.

    Raises:
        WorkError: a record differs: something changed that the settings do not include.
    """
    assert trial_run.folder is not None, "only finished runs are chosen"
    before, now = _training_records(trial_run.folder), _training_records(retrained)
    # The cell's run trained on after the epoch, so its records only begin with those of the other.
    if before[: len(now)] != now:
        index = next(i for i, (a, b) in enumerate(zip(before, now, strict=False)) if a != b)
        raise WorkError(
            f"{retrained.path} must repeat {trial_run.folder.path} to the bit. Record {index + 1} differs: "
            "the machine, its threads or a library may have changed. The cell is not scored."
        )


def _training_records(run: RunFolder) -> list[str]:
    """Every number recorded while training, without those of scoring at the end and later."""
    scalars = [(record, moment) for record, moment in run.records() if isinstance(record, Scalar)]
    return [
        to_line(record, moment)
        for record, moment in scalars
        if record.split in ("train", "valid") and not record.name.startswith("final_")
    ]
