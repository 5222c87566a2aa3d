"""Running a study, from its design to its test evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata

from seqlab.experiment.matmul_choice import choose
from seqlab.experiment.numerics import numerics
from seqlab.experiment.trusted_code import code_in
from seqlab.runs import study_folder
from seqlab.runs.study_folder import StudyFolder
from seqlab.schema import own_code
from seqlab.schema.config import plain
from seqlab.schema.errors import DamagedFileError, UserError
from seqlab.schema.records import Text
from seqlab.studies.budgets import Adjust, adjustment
from seqlab.studies.design import Design
from seqlab.studies.estimate import Estimates
from seqlab.studies.executors import Executor, InlineExecutor, ProcessExecutor
from seqlab.studies.final_evaluation import FinalEvaluation, evaluate_on_test
from seqlab.studies.known_monitor import check_monitor
from seqlab.studies.lost_settings import lost_settings, size_differences
from seqlab.studies.resources import Resources
from seqlab.studies.run_trials import run_trials
from seqlab.studies.study_callback import StudyCallback
from seqlab.studies.study_plan import StudyPlan
from seqlab.studies.study_space import StudySpace
from seqlab.training.callback import Counted
from seqlab.training.progress import Progress


def run_study(
    design: Design, resources: Resources, *, processes: int, retry: bool, callback: StudyCallback
) -> StudyFolder:
    """Run every trial of a study that is not done yet.

    Args:
        design: the study.
        resources: device and threads of each run.
        processes: runs at a time; 1 is in this process.
        retry: whether failed runs are run again.
        callback: called as runs start, progress and end.

    Raises:
        UserError: a setting of the study is wrong.
        InUseError: another process runs the study.
        DiskError: the disk is full.
        KeyboardInterrupt: a stop was requested; everything is saved.
    """
    budget = design.config.budget
    if budget is not None and budget.equal == "seconds" and processes > 1:
        raise UserError(
            "'processes' must be 1 where seconds are to be equal, because runs at the same time slow each "
            f"other down. Got {processes}."
        )
    estimates = Estimates(resources.device, resources.threads)
    adjust = adjustment(budget, estimates.seconds_per_step)
    folder, plan = begin(design, adjust)
    if retry:
        with folder.lock():
            folder.forget_failures()
    for sentence in (*lost_settings(design), *size_differences(design, adjust)):
        callback.message(0, sentence)
    executor: Executor = InlineExecutor() if processes == 1 else ProcessExecutor(processes)
    if processes > 1:
        _choose_matmul(resources)
    run_trials(plan, executor, resources, callback)
    return folder


def begin(design: Design, adjust: Adjust) -> tuple[StudyFolder, StudyPlan]:
    """The folder and plan of a study, new or resumed.

    Raises:
        UserError: an axis or the monitor is wrong, or the study was begun with other settings.
    """
    design.check()
    check_monitor(design)
    # Kept with the study, because a recipe's file may change after the study was begun.
    tables = {name: recipe.table for name, recipe in design.recipes.items()}
    config, version = design.config, metadata.version("seqlab")
    code = {value: own_code.load(value).sha256 for _, value in code_in([plain(config), *tables.values()])}
    space = StudySpace(design, adjust)
    if not study_folder.begun(config.name):
        # What no run can have, such as a budget, is refused now: a study that was begun keeps its settings.
        config.search.expected(space)
    folder = study_folder.begin(config.name, plain(config), tables, version, code)
    _check_trials(folder, code)
    return folder, config.search.plan(space, folder)


def _check_trials(folder: StudyFolder, code: Mapping[str, str]) -> None:
    """Check that a folder, which may come from anybody, executes no code but that of the study."""
    for trial in folder.trials():
        for key, value in code_in(trial.config):
            if value not in code:
                raise DamagedFileError(
                    f"{folder.path} must have runs of this study alone. Got {key}={value!r} in run "
                    f"{trial.number}, which the study does not name."
                )


def evaluate_study(
    design: Design, folder: StudyFolder, resources: Resources, callback: StudyCallback
) -> FinalEvaluation:
    """Score the test split with what validation chose; see `evaluate_on_test`."""
    with folder.lock():
        return evaluate_on_test(
            folder,
            design.config.final,
            _RetrainingCallback(callback),
            threads=resources.threads,
            device=resources.device,
        )


class _RetrainingCallback:
    """Forwards what matters of a run that is trained again for the test split."""

    def __init__(self, callback: StudyCallback):
        self._callback = callback

    def step(self, progress: Progress, loss: float, total_epochs: float) -> None:
        pass

    def validated(self, progress: Progress, metrics: dict[str, float], best: bool) -> bool:
        return False

    def sampled(self, samples: Sequence[Text], valid: Counted | None) -> None:
        pass

    def scored(self, done: int, total: int) -> None:
        pass

    def message(self, text: str) -> None:
        if text.startswith(("Run folder", "Not the same bits")):
            self._callback.message(0, text)


def _choose_matmul(resources: Resources) -> None:
    """Choose the matmul backend before several processes slow each other down; the choice is cached."""
    with numerics(resources.device or "cpu", resources.threads) as device:
        choose("auto", device=device.type, threads=resources.threads or 1)
