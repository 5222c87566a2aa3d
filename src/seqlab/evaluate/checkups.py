"""The checkup of whatever holds a model: a module of one's own, a recipe, a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from seqlab.checkup.examine import SECONDS, chosen_probes, examine
from seqlab.checkup.finding import Finding
from seqlab.checkup.make_subject import module_subject
from seqlab.checkup.model_subject import ModelSubject
from seqlab.checkup.report import Report
from seqlab.checkup.subject import Subject, TaskName
from seqlab.data.batch import Batch
from seqlab.evaluate.diagnose import rows
from seqlab.evaluate.loaded import read_dataset, read_trusted
from seqlab.evaluate.weights import load_best
from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import AnyExperimentConfig, ExperimentConfig
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.experiment.numerics import numerics
from seqlab.experiment.trusted_code import load_and_trust
from seqlab.models.check_roles import CheckRoles
from seqlab.models.imported_model_config import ImportedModelConfig
from seqlab.models.input_spec import InputSpec
from seqlab.runs import run_folder
from seqlab.schema.config import Table, parse, plain
from seqlab.schema.errors import UserError
from seqlab.schema.overrides import override
from seqlab.schema.own_code import names_code, split

ROWS, STEPS = 24, 24
"""Sequences of the training split that are read, and the tokens of each, at most."""
VOCABULARY, LABELS, PADDING, LONGEST = 13, 3, 0, 512
"""Sizes that a module is made for, where its arguments ask for them."""


@dataclass(frozen=True)
class CheckOptions:
    """How a checkup is done; see `examine` and `check_module`."""

    task: TaskName | None = None
    input: Literal["auto", "tokens", "features"] = "auto"
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    seed: int = 0
    time_limit: float = SECONDS


def checkup(
    what: str,
    overrides: Sequence[str] = (),
    *,
    options: CheckOptions | None = None,
    trust: bool = False,
    found: Callable[[Finding], None] = lambda finding: None,
) -> Report:
    """Run every probe that applies.

    Args:
        what: `FILE.py:NAME`, a recipe's name or file, or a run's name or folder. A recipe comes before a run.
        overrides: settings of the module or recipe.
        options: how it is done.
        trust: whether code of a run folder may be executed that is not trusted on this machine.
        found: is called with each finding at once.

    Raises:
        UserError: there is no such thing, or it cannot be built or read.
    """
    options = options or CheckOptions()
    chosen_probes(options.only, options.skip)
    if options.task is not None and not names_code(what):
        raise UserError(
            f"'task' must be left out for a recipe or a run, which has one. Got {options.task!r}."
        )
    with numerics("cpu", None):
        if names_code(what):
            return _of_module(what, overrides, options, found)
        if what.endswith(".py"):
            split(what)  # which says how code is written
        if what.endswith(".toml") or what in recipes.names():
            config, _ = recipes.configure(what, overrides)
            load_and_trust(config)
            return _of_experiment(what, _network(what, config), options, found)
        if overrides:
            raise UserError(f"Settings must be left out for a run, which has them. Got {overrides[0]!r}.")
        return _of_run(what, options, found, trust=trust)


def _of_module(
    path: str, overrides: Sequence[str], options: CheckOptions, found: Callable[[Finding], None]
) -> Report:
    table: Table = {"model": {"kind": "import", "path": path}}
    for assignment in overrides:
        key = assignment if assignment.startswith("model.") else f"model.arguments.{assignment}"
        table, _ = override(ExperimentConfig, table, key)
    config = parse(ImportedModelConfig, table["model"], "model")
    load_and_trust(config)
    roles = CheckRoles.model_validate({**plain(config.roles), "input": options.input})
    outputs = LABELS if options.task == "classify" else VOCABULARY
    module = config.module(
        InputSpec(vocabulary=VOCABULARY, outputs=outputs), needed={"padding": PADDING, "max_length": LONGEST}
    )
    report = _examined(path, lambda: module_subject(module, None, options.task, roles, None), options, found)
    if not report.examined and report.findings[0].status == "not examined":
        raise UserError(report.findings[0].evidence)
    return report


def _examined(
    label: str, make: Callable[[], Subject], options: CheckOptions, found: Callable[[Finding], None]
) -> Report:
    named = {
        "only": options.only,
        "skip": options.skip,
        "seed": options.seed,
        "time_limit": options.time_limit,
    }
    return examine(make, label=label, found=found, **named)


def _of_run(name: str, options: CheckOptions, found: Callable[[Finding], None], *, trust: bool) -> Report:
    run = run_folder.find(name)
    config = _network(name, read_trusted(run, trust=trust))
    dataset = read_dataset(run, config)
    experiment = NetworkExperiment(config, dataset, torch.device("cpu"))
    load_best(run, experiment.model)
    return _of_model(run.path.name, experiment, options, found, trained=True)


def _of_experiment(
    name: str, config: ExperimentConfig, options: CheckOptions, found: Callable[[Finding], None]
) -> Report:
    experiment = NetworkExperiment(config, config.dataset(), torch.device("cpu"))
    return _of_model(name, experiment, options, found, trained=False)


def _of_model(
    name: str,
    experiment: NetworkExperiment,
    options: CheckOptions,
    found: Callable[[Finding], None],
    *,
    trained: bool,
) -> Report:
    subject = ModelSubject(name, experiment.model, _batch(experiment), experiment.task, trained=trained)
    return _examined(name, lambda: subject, options, found)


def _network(name: str, config: AnyExperimentConfig) -> Any:
    if config.method != ExperimentConfig.method:
        kind = f"an {config.method}" if config.members else f"a {config.method}"
        raise UserError(f"{name} must have a network to be checked. Got {kind}.")
    return config


def _batch(experiment: NetworkExperiment) -> Batch:
    """Sequences of the training split, cut to their first tokens; none is empty."""
    batch = rows(experiment, "train", ROWS).truncate(STEPS)
    return batch.select(batch.inputs.lengths.nonzero().squeeze(1)[:ROWS])
