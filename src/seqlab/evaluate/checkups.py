"""The checkup of whatever holds a model: a module of one's own, a recipe, a run."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from seqlab.checkup.finding import Finding
from seqlab.checkup.probe_kinds import NEEDS, PROBES
from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded
from seqlab.evaluate.diagnose import rows
from seqlab.evaluate.loaded import read_dataset, read_trusted
from seqlab.evaluate.weights import load_best
from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import AnyExperimentConfig, ExperimentConfig
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.experiment.numerics import numerics
from seqlab.experiment.trusted_code import load_and_trust
from seqlab.models.imported_model_config import ImportedModelConfig
from seqlab.models.input_spec import InputSpec
from seqlab.models.model import SequenceModel
from seqlab.runs import run_folder
from seqlab.schema.config import Table, parse
from seqlab.schema.errors import UserError
from seqlab.schema.overrides import override
from seqlab.schema.own_code import OwnCodeError, names_code, split
from seqlab.tasks.classify import ClassifyTask
from seqlab.tasks.language_modelling import LanguageModelTask
from seqlab.tasks.task import Task

TaskName = Literal["language-model", "classify"]
_Form = tuple[InputSpec, Batch, Task]
"""What a module may be built for, with random data of it."""
ROWS, STEPS = 24, 24
"""Sequences of the training split that are read, and the tokens of each, at most."""
VOCABULARY, LABELS = 13, 3
"""Sizes of the random data on which a module is checked."""
LENGTHS = (4, 9, 1, 7, 6, 3)
"""Tokens of its sequences."""


@dataclass(frozen=True)
class Checkup:
    """What the probes found. subject: what was checked. notes: how the model is used.

    findings: of each probe that applies, by its name. unchecked: of each other probe why it said nothing.
    """

    subject: str
    notes: tuple[str, ...]
    findings: Mapping[str, Finding]
    unchecked: Mapping[str, str]

    @property
    def faults(self) -> list[Finding]:
        """The findings of probes that did not pass."""
        return [finding for finding in self.findings.values() if not finding.passed]

    @property
    def table(self) -> list[tuple[str, str, str]]:
        """Probe, result and evidence, in the order of the registry."""
        return [self._row(name) for name in PROBES]

    def __repr__(self) -> str:
        lines = [": ".join((name, result, evidence)) for name, result, evidence in self.table]
        return "\n".join([self.subject, *lines])

    def _row(self, name: str) -> tuple[str, str, str]:
        if name in self.unchecked:
            return name, "not checked", self.unchecked[name]
        finding = self.findings[name]
        return name, "passed" if finding.passed else "fault", finding.message


def checkup(
    what: str, overrides: Sequence[str] = (), *, task: TaskName | None = None, trust: bool = False
) -> Checkup:
    """Run every probe that applies.

    Args:
        what: `FILE.py:NAME`, a recipe's name or file, or a run's name or folder. A recipe comes before a run.
        overrides: settings of the module or recipe.
        task: of a module; None is the first of both that its outputs fit.
        trust: whether code of a run folder may be executed that is not trusted on this machine.

    Raises:
        UserError: there is no such thing, or it cannot be built or read.
    """
    if task is not None and not names_code(what):
        raise UserError(f"'task' must be left out for a recipe or a run, which has one. Got {task!r}.")
    with numerics("cpu", None):
        if names_code(what):
            return _of_module(what, overrides, task)
        if what.endswith(".py"):
            split(what)  # which says how code is written
        if what.endswith(".toml") or what in recipes.names():
            config, _ = recipes.configure(what, overrides)
            load_and_trust(config)
            return _of_experiment(what, _network(what, config))
        if overrides:
            raise UserError(f"Settings must be left out for a run, which has them. Got {overrides[0]!r}.")
        return _of_run(what, trust=trust)


def _of_module(path: str, overrides: Sequence[str], task: TaskName | None) -> Checkup:
    table: Table = {"model": {"kind": "import", "path": path}}
    for assignment in overrides:
        table, _ = override(ExperimentConfig, table, assignment)
    config = parse(ImportedModelConfig, table["model"], "model")
    load_and_trust(config)
    forms: dict[TaskName, list[_Form]] = {
        "language-model": [_language_model()],
        # A module for two labels may have one logit.
        "classify": [_classifier(LABELS), _classifier(2)],
    }
    errors: list[OwnCodeError] = []
    for spec, batch, built in itertools.chain(*forms.values()) if task is None else forms[task]:
        try:
            model = config.build_with_faults(spec, torch.Generator().manual_seed(0))
        except OwnCodeError as error:
            errors.append(error)
        else:
            return _checked(path, model, batch, built)
    raise errors[0]


def _language_model() -> _Form:
    inputs = _random_texts()
    spec = InputSpec(vocabulary=VOCABULARY, outputs=VOCABULARY, output="text")
    targets = Padded(inputs.tokens.roll(-1, dims=1), inputs.lengths)
    return spec, Batch(inputs, targets), LanguageModelTask(0, 1)


def _classifier(labels: int) -> _Form:
    inputs = _random_texts()
    spec = InputSpec(vocabulary=VOCABULARY, outputs=labels, output="class")
    return spec, Batch(inputs, torch.arange(len(inputs)) % labels), ClassifyTask()


def _random_texts() -> Padded:
    random = torch.Generator().manual_seed(4)
    tokens = torch.randint(VOCABULARY, (len(LENGTHS), max(LENGTHS)), generator=random)
    return Padded(tokens, torch.tensor(LENGTHS))


def _of_run(name: str, *, trust: bool) -> Checkup:
    run = run_folder.find(name)
    config = _network(name, read_trusted(run, trust=trust))
    dataset = read_dataset(run, config)
    experiment = NetworkExperiment(config, dataset, torch.device("cpu"))
    load_best(run, experiment.model)
    return _checked(run.path.name, experiment.model, _batch(experiment), experiment.task)


def _of_experiment(name: str, config: ExperimentConfig) -> Checkup:
    experiment = NetworkExperiment(config, config.dataset(), torch.device("cpu"))
    return _checked(name, experiment.model, _batch(experiment), experiment.task)


def _network(name: str, config: AnyExperimentConfig) -> Any:
    if config.method != ExperimentConfig.method:
        kind = f"an {config.method}" if config.members else f"a {config.method}"
        raise UserError(f"{name} must have a network to be checked. Got {kind}.")
    return config


def _batch(experiment: NetworkExperiment) -> Batch:
    """Sequences of the training split, cut to their first tokens; none is empty."""
    batch = rows(experiment, "train", ROWS).truncate(STEPS)
    return batch.select(batch.inputs.lengths.nonzero().squeeze(1)[:ROWS])


def _checked(subject: str, model: SequenceModel, batch: Batch, task: Task) -> Checkup:
    findings: dict[str, Finding] = {}
    unchecked: dict[str, str] = {}
    for name in PROBES:
        if not NEEDS[name](model.capabilities):
            unchecked[name] = "it does not apply to models of this kind"
            continue
        examine: Callable[[SequenceModel, Batch, Task], Finding] = PROBES[name]
        try:
            findings[name] = examine(model, batch, task)
        except UserError as error:
            unchecked[name] = str(error)
    return Checkup(subject, model.notes, findings, unchecked)
