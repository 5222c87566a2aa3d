"""From a configuration to a finished run folder: start, continue, finish."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from importlib import metadata
from pathlib import Path

import torch

from seqlab.data.dataset import Dataset
from seqlab.evaluate.loaded import describe_data, read_config, read_dataset
from seqlab.experiment.experiment import build
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.experiment.numerics import numerics
from seqlab.experiment.thread_choice import threads_for
from seqlab.nn.native import builds
from seqlab.runs import environment, run_folder
from seqlab.runs.environment import Environment
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import RunSummary
from seqlab.schema.config import canonical, to_toml
from seqlab.schema.errors import UserError
from seqlab.training.callback import RunCallback
from seqlab.training.fit_kinds import FITS


def train(
    config: AnyExperimentConfig,
    *,
    device: str | None = None,
    threads: int | None = None,
    callback: RunCallback,
) -> RunSummary:
    """Run an experiment to its end; an unfinished run of the same configuration continues.

    A baseline is fitted at once, so an unfinished one starts from scratch, in the same folder.

    Args:
        config: everything that decides the numbers.
        device: where the model lives; None is the CPU, or where an unfinished run began.
        threads: of the numerical libraries; None is as many as pay for its steps, or as many as an unfinished
            run began with.
        callback: receives the progress.

    Returns:
        The run's summary: folder, metrics of the best checkpoint, cost.

    Raises:
        UserError: the configuration and the data do not fit.
        WorkError: the loss diverged, or the disk is full.
        Interrupted: somebody asked to stop; everything is saved.
    """
    environment.forget_peak_memory()
    with numerics(device or "cpu", threads) as place:
        return _train(config, place, device=device, threads=threads, callback=callback)


def _train(
    config: AnyExperimentConfig,
    place: torch.device,
    *,
    device: str | None,
    threads: int | None,
    callback: RunCallback,
) -> RunSummary:
    """The same, with the numerics settled; `device` and `threads` are what was asked for."""
    callback.message(f"Data: {config.data.kind}")
    dataset = config.dataset()
    for note in dataset.notes:
        callback.message(f"Note: {note}")
    fingerprint = _fingerprint(config, dataset)
    path = run_folder.run_path(config.name, fingerprint)
    if run_folder.exists(path):
        run = run_folder.open_run(path)
        # Whoever holds the run may end it, whatever it began with.
        with run.lock():
            _check_same_place(run, device, threads)
        return _go_on(run, config, dataset, callback)
    with numerics(place.type, threads_for(config, dataset, threads)):
        # Building everything first finds what does not fit before a folder exists.
        experiment = build(config, dataset, place, None)
        made = _environment(place.type, experiment.matmul)
        run = run_folder.create(
            config.name,
            fingerprint,
            config=to_toml(config),
            data=describe_data(dataset, experiment.spec),
            environment=made,
        )
        if run.environment() == made:
            with run.lock():
                # Another process may have finished it meanwhile.
                return (
                    _result(run, callback) if run.finished else FITS[config.method](experiment, run, callback)
                )
    # Another process made it first, elsewhere.
    return _go_on(run, config, dataset, callback)


def run_path(config: AnyExperimentConfig) -> Path:
    """The folder of an experiment's run, whether it exists or not.

    Raises:
        UserError: the data cannot be found.
    """
    return run_folder.run_path(config.name, _print(config, config.data.content_hash()))


def resume(run: RunFolder, *, callback: RunCallback) -> RunSummary:
    """Continue a run, on as many threads as it began with.

    Raises:
        UserError: the folder is damaged, in use, or its data or seqlab's version is another one now.
    """
    if run.finished:
        return _result(run, callback)
    config = read_config(run)
    dataset = read_dataset(run, config)
    if _fingerprint(config, dataset) != run.fingerprint:
        versions = run.environment()["versions"]
        raise UserError(
            f"{run.path} must be resumed as it began: its {run.config_path.name} was changed, or seqlab was "
            f"(then {versions['seqlab']}, now {metadata.version('seqlab')}). Restore it, or train again."
        )
    return _go_on(run, config, dataset, callback)


def _check_same_place(run: RunFolder, device: str | None, threads: int | None) -> None:
    """An unfinished run continues where it began: other threads would give other bits."""
    then = run.environment()
    pairs = (("device", device, then["device"]), ("threads", threads, then["threads"]))
    for name, asked, before in pairs:
        if asked is not None and asked != before and not run.finished:
            raise UserError(
                f"'{name}' must stay {before!r}, with which {run.path} began. Got {asked!r}. "
                "Leave it out, or delete the run to start from scratch."
            )


def _go_on(
    run: RunFolder, config: AnyExperimentConfig, dataset: Dataset, callback: RunCallback
) -> RunSummary:
    with run.lock():
        if run.finished:
            return _result(run, callback)
        run.check()
        run.remove_leftovers()
        then = run.environment()
        with numerics(then["device"], then["threads"]) as place, _kernels(then):
            experiment = build(config, dataset, place, then["matmul"])
            for difference in environment.differences(then, _environment(then["device"], experiment.matmul)):
                callback.message(f"Not the same bits as without interruption: {difference}.")
            return FITS[config.method](experiment, run, callback)


def _result(run: RunFolder, callback: RunCallback) -> RunSummary:
    callback.message(f"{run.path} is finished; nothing to do.")
    return run.summary()


def _environment(device: str, matmul: str) -> Environment:
    threads = torch.get_num_threads()
    kernels = builds.build_name() if device == "cpu" else "torch"
    return environment.describe(threads=threads, device=device, kernels=kernels, matmul=matmul)


def _kernels(then: Environment) -> AbstractContextManager[None]:
    """The build of the native library that a run began with, where it can be had."""
    name = then["kernels"]
    return builds.use_build(name) if name in builds.available_builds() else nullcontext()


def _fingerprint(config: AnyExperimentConfig, dataset: Dataset) -> str:
    return _print(config, dataset.content_hash)


def _print(config: AnyExperimentConfig, content_hash: str) -> str:
    return run_folder.fingerprint(canonical(config), content_hash, metadata.version("seqlab"))
