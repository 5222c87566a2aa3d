"""A study from its file to its end."""

from __future__ import annotations

from seqlab.experiment.matmul_choice import choose
from seqlab.experiment.numerics import numerics
from seqlab.runs.study_folder import StudyFolder
from seqlab.schema.errors import UserError
from seqlab.studies.conduct import Resources, StudyCallback, begin, run_trials
from seqlab.studies.design import Design
from seqlab.studies.estimate import Estimates
from seqlab.studies.executors import Executor, Inline, Processes
from seqlab.studies.final import FinalEvaluation, evaluate_on_test
from seqlab.studies.forecast import adjustment
from seqlab.training.progress import Progress


def run_study(
    design: Design, place: Resources, *, processes: int, retry: bool, viewer: StudyCallback
) -> StudyFolder:
    """Carry out every run of a study that is not done yet.

    Args:
        design: the study.
        place: where each run is computed.
        processes: runs side by side; 1 is in this process.
        retry: whether runs that failed are run again.
        viewer: sees it.

    Raises:
        UserError: something of the study is wrong, or its folder is in use.
        DiskError: the disk is full.
        KeyboardInterrupt: somebody asked to stop; all is saved.
    """
    budget = design.config.budget
    if budget is not None and budget.equal == "seconds" and processes > 1:
        raise UserError(
            "'processes' must be 1 where seconds are to be equal, because runs side by side disturb each "
            f"other's clock. Got {processes}."
        )
    folder, plan = begin(design, adjustment(design, Estimates(place.device, place.threads)))
    if retry:
        with folder.lock():
            folder.forget_failures()
    executor: Executor = Inline() if processes == 1 else Processes(processes)
    if processes > 1:
        _choose_products(place)
    run_trials(plan, executor, place, viewer)
    return folder


def final(design: Design, folder: StudyFolder, place: Resources, viewer: StudyCallback) -> FinalEvaluation:
    """Look at the test split with what validation chose; see `final.evaluate_on_test`."""
    with folder.lock():
        callback = _Final(viewer)
        return evaluate_on_test(
            folder, design.config.final, callback, threads=place.threads, device=place.device
        )


class _Final:
    """Passes on what a run that is trained again for the test split tells."""

    def __init__(self, viewer: StudyCallback):
        self._viewer = viewer

    def step(self, progress: Progress, loss: float, total_epochs: float) -> None:
        pass

    def validated(self, progress: Progress, metrics: dict[str, float], best: bool) -> bool:
        """See `Listener`; never a reason to stop."""
        return False

    def scored(self, done: int, total: int) -> None:
        pass

    def message(self, text: str) -> None:
        if text.startswith(("Run folder", "Not to the bit")):
            self._viewer.message(0, text)


def _choose_products(place: Resources) -> None:
    """Measure the ways to multiply before processes disturb each other; the choice is remembered."""
    with numerics(place.device or "cpu", place.threads) as device:
        choose("auto", device=device.type, threads=place.threads or 1)
