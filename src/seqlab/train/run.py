"""From a configuration to a finished run folder: start, go on, finish."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from seqlab.data.dataset import Dataset
from seqlab.nn.native import choice
from seqlab.runs import atomic, environment, folder
from seqlab.runs.folder import RunFolder
from seqlab.schema.config import canonical, to_toml
from seqlab.schema.errors import UserError
from seqlab.schema.records import Record, Scalar
from seqlab.train import checkpoint
from seqlab.train.card import numbers, write_card
from seqlab.train.config import ExperimentConfig
from seqlab.train.experiment import Experiment, build
from seqlab.train.interrupt import Wish, listening
from seqlab.train.loaded import CONFIG, DATA, describe_data, read_config
from seqlab.train.loop import Listener, Loop
from seqlab.train.numerics import settled
from seqlab.train.products import choose, chosen
from seqlab.train.validation import Exact, score_exactly, write_samples

ENVIRONMENT = "environment.json"


def train(
    config: ExperimentConfig, *, device: str | None = None, threads: int | None = None, listener: Listener
) -> dict[str, Any]:
    """Run an experiment to its end; an unfinished run of the same configuration goes on.

    Args:
        config: everything that decides the numbers.
        device: where the model lives; None is the CPU, or where an unfinished run began.
        threads: of the numerical libraries; None is all cores, or as many as an unfinished run began with.
        listener: hears of the progress.

    Returns:
        The run's summary: folder, metrics of the best checkpoint, cost.

    Raises:
        UserError: the configuration and the data do not fit.
        WorkError: the loss diverged, or the disk is full.
        Interrupted: somebody asked to stop; everything is saved.
    """
    environment.forget_peak_memory()
    with settled(device or "cpu", threads) as place:
        return _train(config, place, device=device, threads=threads, listener=listener)


def _train(
    config: ExperimentConfig,
    place: torch.device,
    *,
    device: str | None,
    threads: int | None,
    listener: Listener,
) -> dict[str, Any]:
    """The same, with the numerics settled; `device` and `threads` are what was asked for."""
    listener.message(f"Data: {config.data.kind}")
    dataset = config.dataset()
    for note in dataset.notes:
        listener.message(f"Note: {note}")
    fingerprint = _fingerprint(config, dataset)
    path = folder.run_path(config.name, fingerprint)
    if (path / ENVIRONMENT).exists():
        run = folder.open_run(path)
        _check_same_place(run, device, threads)
        return _go_on(run, config, dataset, listener)
    # Building everything first finds what does not fit before a folder exists.
    products = choose(config.training.products, device=place.type, threads=torch.get_num_threads())
    experiment = build(config, dataset, place, products)
    files = {
        CONFIG: to_toml(config),
        DATA: json.dumps(describe_data(dataset, experiment.task.outputs(dataset)), ensure_ascii=False),
        ENVIRONMENT: json.dumps(_environment(place.type, products.name), indent=1),
    }
    run = folder.create(config.name, fingerprint, files)
    with run.lock():
        return _fit_and_finish(run, experiment, listener)


def place_of(config: ExperimentConfig) -> Path:
    """Where the run of an experiment stands, or will stand.

    Raises:
        UserError: the data cannot be found.
    """
    return folder.run_path(config.name, _print(config, config.data.content_hash()))


def resume(run: RunFolder, *, listener: Listener) -> dict[str, Any]:
    """Go on with a run, on as many threads as it began with.

    Raises:
        UserError: the folder is damaged, in use, or its data or seqlab's version is another one now.
    """
    if run.finished:
        listener.message(f"{run.path} is finished; nothing to do.")
        return run.summary()
    config = read_config(run)
    dataset = config.dataset()
    if _fingerprint(config, dataset) != run.fingerprint:
        raise UserError(_other_now(run, dataset))
    return _go_on(run, config, dataset, listener)


def _check_same_place(run: RunFolder, device: str | None, threads: int | None) -> None:
    """An unfinished run goes on where it began: other threads would give other bits."""
    then = run.read_json(ENVIRONMENT, "threads", "device")
    for name, asked in (("device", device), ("threads", threads)):
        if asked is not None and asked != then[name] and not run.finished:
            raise UserError(
                f"'{name}' must stay {then[name]!r}, with which {run.path} began. Got {asked!r}. "
                "Leave it out, or delete the run to start anew."
            )


def _go_on(run: RunFolder, config: ExperimentConfig, dataset: Dataset, listener: Listener) -> dict[str, Any]:
    with run.lock():
        if run.finished:
            listener.message(f"{run.path} is finished; nothing to do.")
            return run.summary()
        atomic.remove_leftovers(run.path)
        atomic.remove_leftovers(run.checkpoints)
        then = run.read_json(ENVIRONMENT, "threads", "device")
        with settled(then["device"], then["threads"]) as place, _kernels(then):
            products = chosen(then.get("products", "torch"))
            for difference in environment.differences(then, _environment(then["device"], products.name)):
                listener.message(f"Not to the bit as it would have been: {difference}.")
            return _fit_and_finish(run, build(config, dataset, place, products), listener)


def _fit_and_finish(run: RunFolder, experiment: Experiment, listener: Listener) -> dict[str, Any]:
    listener.message(f"Run folder: {run.path}")
    for note in experiment.notes:
        listener.message(f"Note: {note}")
    with listening() as wish:
        loop = Loop(experiment, run, listener, wish)
        try:
            loop.fit()
            return _finish(run, loop, wish)
        finally:
            loop.recorder.close()


def _finish(run: RunFolder, loop: Loop, wish: Wish) -> dict[str, Any]:
    """Score the best checkpoint exactly, write its card and samples, and mark the run as finished."""
    experiment, progress = loop.experiment, loop.progress
    began = time.monotonic()
    checkpoint.load_model(run, checkpoint.best_checkpoint(run), experiment.model)
    exact: Exact | None = None
    if "valid" in experiment.dataset.splits:
        loop.listener.message("Scoring the best checkpoint: every target, once.")
        told = _told(loop.listener, wish)
        exact = score_exactly(experiment, "valid", experiment.task.metrics, progress=told)
        loop.recorder.record(write_samples(experiment, "final_sample", progress.step), progress.moment)
    records = [] if exact is None else exact.records
    loop.recorder.record([_final(record) for record in records], progress.moment)
    loop.recorder.sync()
    step = progress.best_step if progress.best_step is not None else progress.step
    if exact is not None:
        write_card(run, experiment, "valid", exact, step)
    summary = {
        "run": str(run.path),
        "stopped": progress.stopped,
        "metrics": numbers(records),
        "goal": dataclasses.asdict(experiment.task.goal),
        "best_step": step,
        "steps": progress.step,
        "epochs": progress.moment.epoch,
        "tokens": progress.tokens,
        "parameters": sum(parameter.numel() for parameter in experiment.model.parameters()),
        "cost": _cost(run, loop, time.monotonic() - began),
    }
    run.finish(summary)
    return summary


def _told(listener: Listener, wish: Wish) -> Callable[[int, int], None]:
    """What scoring calls after each batch: show it, and stop if asked to."""

    def told(done: int, total: int) -> None:
        listener.scored(done, total)
        wish.heed()

    return told


def _final(record: Record) -> Record:
    """A record of the exact evaluation at the end; those before may have used several streams."""
    if isinstance(record, Scalar):
        return Scalar(name=f"final_{record.name}", value=record.value, unit=record.unit, split=record.split)
    return record


def _cost(run: RunFolder, loop: Loop, evaluation_seconds: float) -> dict[str, Any]:
    then, progress = run.read_json(ENVIRONMENT), loop.progress
    return {
        "training_seconds": round(progress.seconds, 1),
        "evaluation_seconds": round(evaluation_seconds, 1),
        "tokens_per_second": round(progress.tokens / max(progress.seconds, 1e-9), 1),
        "peak_memory_mib": round(environment.peak_memory_mib(), 1),
        "threads": then["threads"],
        "processor": then["processor"],
        "device": then["device"],
    }


def _environment(device: str, products: str) -> dict[str, Any]:
    threads = torch.get_num_threads()
    kernels = choice.name() if device == "cpu" else "torch"
    return environment.describe(threads=threads, device=device, kernels=kernels, products=products)


def _kernels(then: dict[str, Any]) -> AbstractContextManager[None]:
    """The build of the native library that a run began with, where it can be had."""
    name = then.get("kernels")
    return choice.using(name) if name in choice.available() else nullcontext()


def _fingerprint(config: ExperimentConfig, dataset: Dataset) -> str:
    return _print(config, dataset.content_hash)


def _print(config: ExperimentConfig, content_hash: str) -> str:
    return folder.fingerprint(canonical(config), content_hash, metadata.version("seqlab"))


def _other_now(run: RunFolder, dataset: Dataset) -> str:
    then = run.read_json(DATA, "content_hash")["content_hash"]
    if then != dataset.content_hash:
        return (
            f"{run.path} must be resumed on the data it began with (SHA-256 {then[:12]}). "
            f"Got other content ({dataset.content_hash[:12]}). Restore the data, or train anew."
        )
    versions = run.read_json(ENVIRONMENT, "versions")["versions"]
    return (
        f"{run.path} must be resumed as it began: its config.toml was changed, or seqlab was "
        f"(then {versions['seqlab']}, now {metadata.version('seqlab')}). Restore it, or train anew."
    )
