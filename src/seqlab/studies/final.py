"""The one look at the test split: what validation chose, trained again where that is needed, scored once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqlab.compare.study import Group, Study, parts
from seqlab.compare.study_cells import StudyCell, TrialRun, open_study
from seqlab.evaluate.evaluation import evaluate_run
from seqlab.experiment.experiment_config import (
    AnyExperimentConfig,
    BaselineExperimentConfig,
    ExperimentConfig,
)
from seqlab.runs import run_folder
from seqlab.runs.cards import Card
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.study_folder import EvaluationOnTest, StudyFolder
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError, WorkError
from seqlab.schema.records import Scalar, to_line
from seqlab.studies.standing import state
from seqlab.studies.study_config import FinalConfig
from seqlab.training import run
from seqlab.training.loop import RunCallback

SPLIT = "test"


@dataclass(frozen=True)
class FinalEvaluation:
    """A look at the test split.

    number: 1 for the first of a study, more for each that looked at other runs. again: it was taken before
    and is shown from the cards. cards: of each run, by the choice it belongs to.
    """

    number: int
    again: bool
    choices: tuple[Group, ...]
    cards: tuple[tuple[Card, ...], ...]


def choose(study: Study, of: str) -> list[Group]:
    """The best setting of each architecture, or of all, by validation; baselines are always among them.

    Raises:
        UserError: no setting has a value for most of its seeds.
    """
    rivals = [group for group in study.ranked if not group.baseline]
    if not rivals:
        raise UserError("A study must have a setting whose runs came to their end. Got none.")
    return [*(rivals[:1] if of == "winner" else rivals), *(group for group in study.ranked if group.baseline)]


def evaluate_on_test(
    folder: StudyFolder,
    config: FinalConfig,
    listener: RunCallback,
    *,
    threads: int | None,
    device: str | None,
) -> FinalEvaluation:
    """Score the test split with what validation chose; a look taken before is shown, not repeated.

    Raises:
        UserError: the study is not carried out to its end, or there is no test split.
        WorkError: a run that was trained again did not come to the same weights.
    """
    opened = open_study(folder)
    waiting = [one.trial.number for one in opened.runs if state(one) == "open"]
    if waiting:
        raise UserError(
            f"A study must be carried out before its test split is looked at. Run {waiting[0]} is not."
        )
    choices = [group for part in parts(opened) for group in choose(part, config.of)]

    def trained(cell: StudyCell) -> RunFolder:
        wanted = final_config(cell, config)
        if wanted is None:
            assert cell.run.folder is not None, "a cell with a value has a run"
            return cell.run.folder
        summary = run.train(wanted, threads=threads, device=device, listener=listener)
        again = run_folder.open_run(Path(summary["run"]))
        if cell.epochs is not None and config.fit_on == "train":
            check_same_course(cell.run, again)
        return again

    runs = [[trained(cell) for cell in choice.cells if cell.value is not None] for choice in choices]
    names = sorted(one.path.name for group in runs for one in group)
    past = folder.test_evaluations()
    before = [one for one in past if sorted(one.runs) == names]
    number = before[0].number if before else len({one.runs for one in past}) + 1
    if not before:
        folder.add_test_evaluation(
            EvaluationOnTest(
                number=number, split=SPLIT, of=config.of, fit_on=config.fit_on, runs=tuple(names)
            )
        )
    scored = tuple(tuple(_card(one, listener) for one in group) for group in runs)
    return FinalEvaluation(number, bool(before), tuple(choices), scored)


def _card(one: RunFolder, listener: RunCallback) -> Card:
    """The card of the test split; scored where it is not there yet."""
    return one.card(SPLIT) or evaluate_run(one, SPLIT, (), progress=listener.scored)


def final_config(cell: StudyCell, config: FinalConfig) -> AnyExperimentConfig | None:
    """What has to be trained again for a cell to be scored; None where its run's result is what is scored.

    A cell of an axis of epochs is trained to that epoch. On all data the epochs are those of the cell or of
    the best validation; where the schedule depends on the end of training, all that the run had.
    """
    if cell.epochs is None and config.fit_on == "train":
        return None
    if cell.baseline:
        return parse(BaselineExperimentConfig, {**cell.run.trial.config, "fit_on": config.fit_on})
    settings = parse(ExperimentConfig, cell.run.trial.config)
    update: dict[str, Any] = {"result": "last", "fit_on": config.fit_on, "patience": None}
    if cell.epochs is not None:
        update["epochs"] = cell.epochs
    elif not settings.training.schedule.depends_on_length:
        update["epochs"] = best_epoch(cell.run)
    if config.fit_on == "train":
        update["patience"] = settings.training.patience
    return settings.model_copy(update={"training": settings.training.model_copy(update=update)})


def best_epoch(one: TrialRun) -> int:
    """Epochs up to the best validation, begun ones counted whole."""
    assert one.folder is not None and one.summary is not None, "only finished runs are chosen"
    step = one.summary["best_step"]
    epochs = [moment.epoch for _, moment in one.folder.records() if moment.step == step]
    return max(1, -int(-max(epochs) // 1))


def check_same_course(one: TrialRun, again: RunFolder) -> None:
    """Make sure that a run trained again to a cell's epoch went through the very numbers of the cell's row.

    Raises:
        WorkError: a record differs: something changed that the settings do not know of.
    """
    assert one.folder is not None, "only finished runs are chosen"
    then, now = _course(one.folder), _course(again)
    if then[: len(now)] != now:
        place = next(i for i, (a, b) in enumerate(zip(then, now, strict=False)) if a != b)
        raise WorkError(
            f"{again.path} must repeat {one.folder.path} to the bit. Record {place + 1} differs: the "
            "machine, its threads or a library may be another one now. The cell is not scored."
        )


def _course(run: RunFolder) -> list[str]:
    """Every number recorded while training, without what scoring added at the end and later."""
    recorded = [(record, moment) for record, moment in run.records() if isinstance(record, Scalar)]
    return [
        to_line(record, moment)
        for record, moment in recorded
        if record.split in ("train", "valid") and not record.name.startswith("final_")
    ]
