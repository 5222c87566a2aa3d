"""From a configuration to a finished run folder: start, continue, finish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from importlib import metadata

import torch

from seqlab.data.dataset import Dataset
from seqlab.data.locations import located, without_locations
from seqlab.evaluate.loaded import describe_data, read_dataset, read_trusted
from seqlab.experiment.experiment import build
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.experiment.numerics import numerics
from seqlab.experiment.run_names import run_stem
from seqlab.experiment.thread_choice import threads_for
from seqlab.experiment.trusted_code import load_and_trust
from seqlab.measure.metric_kinds import METRICS
from seqlab.nn.native import builds
from seqlab.runs import environment, new_run, run_folder
from seqlab.runs.environment import Environment
from seqlab.runs.new_run import RunCode
from seqlab.runs.run_files import copied_code
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import CodeEntry, CodeRecord, RunSummary
from seqlab.schema.code_settings import code_values, identity, load_code
from seqlab.schema.config import canonical, plain, replaced, to_toml
from seqlab.schema.errors import UserError
from seqlab.schema.own_code import OwnCode, label
from seqlab.schema.own_errors import named_errors
from seqlab.schema.plugin_settings import identities, used_plugins
from seqlab.schema.plugins import PluginKind
from seqlab.training.callback import RunCallback
from seqlab.training.fit_kinds import FITS
from seqlab.training.members import members_threads, with_finished_members
from seqlab.training.source_run import find_source, started_from


@named_errors()
def train(
    config: AnyExperimentConfig,
    *,
    device: str | None = None,
    threads: int | None = None,
    callback: RunCallback,
    trust: bool = False,
) -> RunSummary:
    """Run an experiment to its end; an unfinished run of the same configuration continues.

    A baseline is fitted at once, so an unfinished one starts from scratch, in the same folder. The members of
    an ensemble that are recipes are run first.

    Args:
        config: everything that decides the numbers.
        device: where the model lives; None is the CPU, or where an unfinished run began.
        threads: of the numerical libraries; None is as many as pay for its steps, or as many as an unfinished
            run began with.
        callback: receives the progress.
        trust: whether code in the folders of an ensemble's members may be executed that is not trusted on
            this machine.

    Returns:
        The run's summary: folder, metrics of the best checkpoint, cost.

    Raises:
        UserError: the configuration and the data do not fit.
        DivergedError: the loss diverged.
        WorkError: the disk is full.
        Interrupted: somebody asked to stop; everything is saved.
    """
    train_member = partial(train, device=device, threads=threads, callback=callback)
    config = with_finished_members(config, train_member, callback, trust=trust)
    threads = members_threads(config) if threads is None else threads
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
    # Before the data is read, which may take long.
    source = find_source(config)
    dataset = config.dataset()
    for note in dataset.notes:
        callback.message(f"Note: {note}")
    code = load_and_trust(config)
    identified = started_from(config, None if source is None else source.sha256)
    fingerprint = _fingerprint(identified, dataset, code)
    stem = run_stem(plain(config))
    path = run_folder.existing(stem, fingerprint)
    if path is not None:
        run = run_folder.open_run(path)
        # Whoever holds the run may end it, whatever it began with.
        with run.lock():
            _check_same_place(run, device, threads)
        return _go_on(run, config, dataset, callback)
    _report_other_code(identified, dataset, code, callback)
    with numerics(place.type, threads_for(config, dataset, threads)):
        # Building everything first finds what does not fit before a folder exists.
        experiment = build(config, dataset, place, None)
        start = None if source is None else source.start(experiment)
        if source is not None:
            callback.message(source.note)
        made = _environment(config, place.type, experiment.matmul)
        run = new_run.create(
            config.name,
            fingerprint,
            config=to_toml(_with_copies(located(config))),
            data=describe_data(dataset, experiment.spec),
            environment=made,
            code=_run_code(identified, dataset, code, experiment.notes),
            start=start,
            stem=stem,
        )
        if run.environment() == made:
            with run.lock():
                # Another process may have finished it meanwhile.
                return (
                    _result(run, callback) if run.finished else FITS[config.method](experiment, run, callback)
                )
    # Another process made it first, elsewhere.
    return _go_on(run, config, dataset, callback)


def run_reference(config: AnyExperimentConfig) -> str:
    """The name of an experiment's run, whether there is a folder or not; see `run_folder.resolve`.

    Raises:
        UserError: the data cannot be found, or the run whose weights it starts from.
    """
    source = find_source(config)
    identified = started_from(config, None if source is None else source.sha256)
    fingerprint = _print(identified, config.data.content_hash(), load_code(config))
    return run_folder.reference(run_stem(plain(config)), fingerprint)


@named_errors()
def resume(run: RunFolder, *, callback: RunCallback, trust: bool = False) -> RunSummary:
    """Continue a run, on as many threads as it began with, with the copy of its code.

    Args:
        run: the run.
        callback: receives the progress.
        trust: whether code of the run folder may be executed that is not trusted on this machine.

    Raises:
        UserError: the folder is damaged, in use, or its data or seqlab's version is another one now, or its
            code is not trusted.
    """
    if run.finished:
        return _result(run, callback)
    config = read_trusted(run, trust=trust)
    dataset = read_dataset(run, config)
    code = load_code(config)
    for each in code.values():
        callback.message(f"Code: the run's copy of {each.label}, SHA-256 {each.sha256[:12]}")
    start = run.start()
    identified = started_from(config, None if start is None else start["sha256"])
    if _fingerprint(identified, dataset, code) != run.fingerprint:
        versions = run.environment()["versions"]
        raise UserError(
            f"{run.path} must be resumed as it began: its {run.config_path.name} was changed, or seqlab was "
            f"(then {versions['seqlab']}, now {metadata.version('seqlab')}){_packages(config, versions)}. "
            "Restore it, or train again."
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
            # Wherever the run is: members of an ensemble are beside it.
            experiment = build(config, dataset, place, then["matmul"], run.path.parent)
            now = _environment(config, then["device"], experiment.matmul)
            for difference in environment.differences(then, now):
                callback.message(f"Not the same bits as without interruption: {difference}.")
            return FITS[config.method](experiment, run, callback)


def _result(run: RunFolder, callback: RunCallback) -> RunSummary:
    callback.message(f"{run.path} is finished; nothing to do.")
    return run.summary()


def _environment(config: AnyExperimentConfig, device: str, matmul: str) -> Environment:
    threads = torch.get_num_threads()
    kernels = builds.build_name() if device == "cpu" else "torch"
    packages = sorted({kind.distribution for kind in _plugins(config).values()})
    return environment.describe(
        threads=threads, device=device, kernels=kernels, matmul=matmul, plugins=packages
    )


def _plugins(config: AnyExperimentConfig) -> dict[str, PluginKind]:
    """What the configuration takes from plugins, by key."""
    metrics = {f"task.metrics.{key}": METRICS.plugin(key) for key in config.task.metrics}
    return {**dict(used_plugins(config)), **{key: kind for key, kind in metrics.items() if kind is not None}}


def _packages(config: AnyExperimentConfig, then: Mapping[str, str]) -> str:
    """The packages of plugins in a message about what may have changed."""
    names = sorted({kind.distribution for kind in _plugins(config).values()})
    found = [f"{name} (then {then.get(name, 'none')}, now {metadata.version(name)})" for name in names]
    return f", or the code of {' or '.join(found)} was" if found else ""


def _kernels(then: Environment) -> AbstractContextManager[None]:
    """The build of the native library that a run began with, where it can be had."""
    name = then["kernels"]
    return builds.use_build(name) if name in builds.available_builds() else nullcontext()


def _with_copies(config: AnyExperimentConfig) -> AnyExperimentConfig:
    """The configuration with the run's own copies of code, relative to its folder."""
    values = code_values(config)
    return replaced(config, {key: copied_code(key, label(value)) for key, value in values.items()})


def _run_code(
    config: AnyExperimentConfig, dataset: Dataset, code: Mapping[str, OwnCode], notes: Sequence[str]
) -> RunCode | None:
    """What the run folder keeps of the user's code; None where there is none."""
    if not code:
        return None
    entries: dict[str, CodeEntry] = {
        key: {"code": each.label, "sha256": each.sha256} for key, each in code.items()
    }
    record: CodeRecord = {
        "settings": _fingerprint(config, dataset, {}),
        "entries": entries,
        "notes": list(notes),
    }
    return RunCode(record, {key: each.files for key, each in code.items()})


def _report_other_code(
    config: AnyExperimentConfig, dataset: Dataset, code: Mapping[str, OwnCode], callback: RunCallback
) -> None:
    """Name a run of the same settings whose code was another one: the user has changed it since."""
    if not code:
        return
    settings = _fingerprint(config, dataset, {})
    for name in run_folder.names():
        try:
            record = run_folder.open_run(run_folder.root() / name).code()
        except UserError:  # damaged, which is reported by whoever uses it
            continue
        if record is None or record["settings"] != settings:
            continue
        for key, entry in record["entries"].items():
            if entry["sha256"] != code[key].sha256:
                callback.message(
                    f"Note: {name} was trained with other code of {entry['code']}, SHA-256 "
                    f"{entry['sha256'][:12]}, now {code[key].sha256[:12]}: this is another run."
                )


def _fingerprint(config: AnyExperimentConfig, dataset: Dataset, code: Mapping[str, OwnCode]) -> str:
    return _print(config, dataset.content_hash, code)


def _print(config: AnyExperimentConfig, content_hash: str, code: Mapping[str, OwnCode]) -> str:
    hashes = {key: each.sha256 for key, each in code.items()}
    text = canonical(without_locations(identity(config, hashes))) + identities(_plugins(config))
    return run_folder.fingerprint(text, content_hash, metadata.version("seqlab"))
