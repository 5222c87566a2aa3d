"""Functions on runs and studies that there are: list, load, compare, draw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from seqlab.api.frames import run_list, table_frame
from seqlab.api.run_result import Run
from seqlab.api.study_results import StudyResult
from seqlab.runs import run_folder, study_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    import altair as alt

AnyRun = Run | StudyResult | str | Path
"""A run, its folder or its name; or all runs of a study."""


def list_runs(
    *, sort: str = "date", where: str | Sequence[str] = (), task: str | None = None
) -> pl.DataFrame:
    """Every run in the folder of runs, the newest first.

    Args:
        sort: a column, a metric or a setting: by `metric` the best first, else in rising order.
        where: a condition or several that all hold, such as "model.cell=gru" or "metric<0.4": a column, a
            metric or a setting, one of = < <= > >=, and a value.
        task: kind of the task, such as language-model.

    Returns:
        Columns date, name, state, task, architecture, seed, changed (settings that are not those of the
        recipe), metric (the one that chose the checkpoint), value (of it, on validation), seconds (of
        training), and problem (of a damaged run).

    Raises:
        UserError: the folder cannot be read, or a condition or column is wrong.
    """
    from seqlab.experiment import run_list as listed

    conditions = [where] if isinstance(where, str) else where
    return run_list(listed.list_runs(sort=sort, where=conditions, task=task))


def load_run(run: str | Path, *, trust: bool = False) -> Run:
    """A run by its folder, its name, or an unambiguous beginning of its name.

    Args:
        run: its folder or name.
        trust: whether code of one's own that the folder holds may be executed, although it was not trained on
            this machine.

    Raises:
        UserError: no run has this name, or several do.
    """
    return Run(run_folder.find(str(run)), trust=trust)


def load_study(study: str | Path, *, allow_incomparable: bool = False) -> StudyResult:
    """A study that was begun, by its folder or its name.

    Args:
        study: its folder or name.
        allow_incomparable: show numbers that cannot be ranked separately instead of refusing.

    Raises:
        UserError: there is no such study.
    """
    return StudyResult(study_folder.find(str(study)), allow_incomparable=allow_incomparable)


def compare(runs: AnyRun | Iterable[AnyRun], *, allow_incomparable: bool = False) -> pl.DataFrame:
    """The results of runs, by architecture, then by optimizer, the best first.

    One seed each says little; `seqlab.study` trains several, and says how sure a difference is.

    Args:
        runs: finished or not; of an unfinished one the best validation so far.
        allow_incomparable: whether runs that cannot be ranked with each other are shown one after the other,
            with a column for their data, instead of being refused.

    Returns:
        A row for each run: run (name of its folder), architecture, optimizer where it differs, seed, the
        settings in which the runs differ, metrics on validation, parameters, training (seconds), speed
        (tokens per second), peak_memory (MiB), best_at (step), scored_as, command (that repeats the run).

    Raises:
        UserError: there is no run, one does not exist, or their numbers cannot be ranked; the message says
            why.
    """
    from seqlab.report.chapters import chapters
    from seqlab.report.results_table import results_table
    from seqlab.report.run_data import read_run

    made = chapters([read_run(run) for run in _folders(runs)], allow_incomparable=allow_incomparable)
    frames = [table_frame(results_table(chapter)) for chapter in made]
    if len(made) == 1:
        return frames[0]
    titled = [
        frame.select(pl.lit(chapter.title).alias("data"), pl.all())
        for chapter, frame in zip(made, frames, strict=True)
    ]
    return pl.concat(titled, how="diagonal_relaxed")


def chart(
    runs: AnyRun | Iterable[AnyRun], *names: str, over: str = "step", allow_incomparable: bool = False
) -> alt.LayerChart | alt.VConcatChart:
    """Curves of recorded numbers of several runs, one chart for each number.

    The chart shows itself where it is a notebook cell's last value.

    Args:
        runs: finished or not.
        names: any that `Run.records` has, such as gradient_norm; none: the loss.
        over: step, epoch or seconds.
        allow_incomparable: whether runs that cannot be ranked with each other get charts of their own instead
            of being refused.

    Raises:
        UserError: nothing of that name was recorded, or not over that axis; or see `compare`.
    """
    from seqlab.report.charts.inline_chart import run_charts

    return run_charts(_folders(runs), names, over, allow_incomparable=allow_incomparable)


def _folders(runs: AnyRun | Iterable[AnyRun]) -> list[RunFolder]:
    """The folders of runs, each once."""
    several = [runs] if isinstance(runs, (Run, StudyResult, str, Path)) else runs
    folders = [folder for run in several for folder in _of_one(run)]
    if not folders:
        raise UserError("There must be at least one run to compare. Got none.")
    return list({folder.path.resolve(): folder for folder in folders}.values())


def _of_one(run: AnyRun) -> list[RunFolder]:
    if isinstance(run, Run):
        return [run.folder]
    if isinstance(run, StudyResult):
        return [each.folder for each in run.runs]
    return [run_folder.find(str(run))]
