"""Functions that compute: train a model, combine runs, run a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqlab.api.printed_lines import RunLines, StudyLines
from seqlab.api.run_result import Run
from seqlab.api.study_results import StudyResult
from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.experiment.handed_over import Settings, assignments, study_table
from seqlab.runs import run_folder
from seqlab.schema.config import Config, parse, plain
from seqlab.schema.errors import UserError
from seqlab.schema.overrides import override


def train(
    recipe: str | Path | AnyExperimentConfig,
    settings: Settings = (),
    *,
    device: str | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Run:
    """Train a model and keep its best checkpoint. An unfinished run continues, a finished one is loaded.

    Args:
        recipe: a shipped recipe's name, a TOML file, or a configuration.
        settings: a dict, nested or with full keys, such as `{"model.hidden_size": 200, "data": {"train":
            4000}}`; or a list of `key=value`. In a dict what chooses a kind comes first, in whatever order it
            is given, and values may be classes and functions: `{"model": Net, "model.arguments.size": 12}`.
        device: where the model lives: cpu, cuda, mps; None is the CPU.
        threads: of the numerical libraries; None is as many as make its steps faster.
        progress: print a line for each validation; else nothing is printed, and notes go to the logger
            `seqlab`.

    Raises:
        UserError: a key or value is wrong, or the settings and the data do not fit.
        WorkError: the loss diverged, or the disk is full.
    """
    from seqlab.training import run

    config, notes = _configure(recipe, settings)
    callback = RunLines(progress=progress)
    for note in notes:
        callback.message(note)
    summary = run.train(config, device=device, threads=threads, callback=callback)
    return Run(run_folder.open_run(Path(summary["run"])))


def ensemble(
    runs: Sequence[Run | str | Path],
    settings: Settings = (),
    *,
    device: str | None = None,
    threads: int | None = None,
    trust: bool = False,
    progress: bool = False,
) -> Run:
    """Combine finished runs: the mean of their probabilities, or of their numbers.

    Language models of one running text are mixed token by token, with weights fitted on validation.

    Args:
        runs: at least two, scored on the same texts with the same labels or tokens. They must be kept.
        settings: such as `{"name": "best", "ensemble.weights": [2, 1]}`; as for `train`. Weights are to be
            chosen on the validation split; for language models there is no need to give any.
        device: where the models live: cpu, cuda, mps; None is the CPU.
        threads: of the numerical libraries; None is as many as pay.
        trust: whether code that the folders of the runs hold may be executed, although it was not trained on
            this machine.
        progress: print what is done; else nothing is printed.

    Raises:
        UserError: a run does not exist or is unfinished, or the runs cannot be combined.
        WorkError: the disk is full.
    """
    from seqlab.training.make_ensemble import make_ensemble

    if isinstance(runs, (Run, str, Path)):
        raise UserError(f"'runs' must be a list of at least two runs. Got {runs!r}.")
    paths = [each.path if isinstance(each, Run) else each for each in runs]
    summary = make_ensemble(
        paths,
        assignments(settings),
        device=device,
        threads=threads,
        callback=RunLines(progress=progress),
        trust=trust,
    )
    return Run(run_folder.open_run(Path(summary["run"])), trust=trust)


def _configure(
    recipe: str | Path | AnyExperimentConfig, settings: Settings
) -> tuple[AnyExperimentConfig, list[str]]:
    """The experiment, and what the user should read about it."""
    overrides = assignments(settings)
    if isinstance(recipe, (str, Path)):
        return recipes.configure(str(recipe), overrides)
    if not isinstance(recipe, Config):
        raise UserError(
            f"'recipe' must be the name of a recipe, a TOML file or a configuration. Got {recipe!r}."
        )
    table, notes = plain(recipe), []
    for assignment in overrides:
        table, note = override(type(recipe), table, assignment)
        notes += [note] if note else []
    return parse(type(recipe), table), notes


def study(
    study: str | Path | Mapping[str, Any],
    settings: Settings = (),
    *,
    final: bool = False,
    retry: bool = False,
    processes: int = 1,
    device: str | None = None,
    threads: int | None = None,
    allow_incomparable: bool = False,
    progress: bool = False,
) -> StudyResult:
    """Run a study: many runs that answer one question. A study that was interrupted continues.

    Args:
        study: a shipped study's name, a TOML file, or the content of one as a dict with a `name`, whose
            values may be classes and functions: `{"axes": {"model": [{"kind": "recurrent-lm"}, Net]}, ...}`.
        settings: of the study, such as `{"seeds": [1, 2]}`, or of every run; as for `train`.
        final: whether to score the test split at the end, once, with the settings chosen by the study's
            `final`.
        retry: whether failed runs are run again.
        processes: runs at a time; they share the threads. A script that has more than 1 must guard its own
            code with `if __name__ == "__main__"`.
        device: cpu, cuda or mps; None is the CPU.
        threads: of all processes together; None is as many as `seqlab study` takes.
        allow_incomparable: show numbers that cannot be ranked separately instead of refusing.
        progress: print a line for each run that ended; else nothing is printed.

    Raises:
        UserError: a key or value is wrong, or the study was begun with other settings.
        WorkError: no run is finished, another process runs the study, or the disk is full.
    """
    from seqlab.studies import design
    from seqlab.studies.resources import resources_for
    from seqlab.studies.run_study import evaluate_study, run_study

    given = study_table(study) if isinstance(study, Mapping) else str(study)
    designed = design.Design(design.read(given, assignments(settings)))
    resources = resources_for(processes, device, threads)
    callback = StudyLines(progress=progress)
    folder = run_study(designed, resources, processes=processes, retry=retry, callback=callback)
    if final:
        evaluate_study(designed, folder, resources, callback)
    return StudyResult(folder, allow_incomparable=allow_incomparable)
