"""The configuration of one experiment; free of torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.baselines.baseline import BaselineConfig
from seqlab.baselines.baseline_kinds import BASELINES
from seqlab.data.batching import Batching
from seqlab.data.data_kinds import BATCHING, DATASETS
from seqlab.data.dataset import Dataset
from seqlab.data.dataset_config import DatasetConfig
from seqlab.experiment import limits
from seqlab.experiment.ensemble_config import EnsembleConfig
from seqlab.experiment.training_config import (
    DiagnosticsConfig,
    EvaluationConfig,
    SamplesConfig,
    TrainingConfig,
)
from seqlab.models.model_config import ModelConfig
from seqlab.models.model_kinds import MODELS
from seqlab.models.transfer import Transfer
from seqlab.schema.config import Config, parse
from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.schema.registry import ByKind
from seqlab.tasks.task_configs import TaskConfig
from seqlab.tasks.task_kinds import TASKS


class AnyExperimentConfig(Config, ABC):
    """Everything that decides an experiment's numbers; nothing else does."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=150)
    """Beginning of the run folder's name."""
    data: Annotated[DatasetConfig, ByKind(DATASETS)]
    """What is learned from."""
    task: Annotated[TaskConfig, ByKind(TASKS)]
    """What is predicted, and what is measured of it."""
    method: ClassVar[str]
    """How it is fitted: a key of the registries of experiments, of what is fitted, and of fitting."""

    @property
    def monitor(self) -> MetricSpec:
        """The metric that picks the best checkpoint, with its unit and direction."""
        return self.task.monitor_spec

    @property
    def shows_texts(self) -> bool:
        """Whether texts of the data may be kept in the run folder."""
        return True

    @property
    def members(self) -> Mapping[str, float]:
        """The runs that it combines, each with its weight of all; {} where it fits a model of its own."""
        return {}

    @property
    def fits_weights(self) -> bool:
        """Whether the weights of `members` are fitted on the validation split."""
        return False

    @property
    def transfer(self) -> Transfer | None:
        """The run whose weights training starts from; None where there is none."""
        return None

    @property
    def training_batching(self) -> Batching | None:
        """How training cuts texts into batches; None where it takes no steps."""
        return None

    @abstractmethod
    def dataset(self) -> Dataset:
        """The encoded data, with the splits that the experiment has.

        Raises:
            UserError: the data is not what it must be, or the settings ask for more memory than there is.
        """

    @abstractmethod
    def step_gflop(self, dataset: Dataset) -> float:
        """Operations of a training step, in 10^9; 0 where there are no steps.

        Raises:
            UserError: the settings do not fit the data.
        """


class ExperimentConfig(AnyExperimentConfig):
    """A network trained by gradient steps."""

    method: ClassVar[str] = "network"
    seed: int = Field(default=1, ge=0)
    """Source of every random draw: weights, order, dropout, samples."""
    model: Annotated[ModelConfig, ByKind(MODELS)]
    """What predicts."""
    batching: Annotated[Batching, ByKind(BATCHING)]
    """How the data is cut."""
    training: TrainingConfig
    """How weights are fitted."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How validation is scored."""
    samples: SamplesConfig = SamplesConfig()
    """What the model writes."""
    diagnostics: DiagnosticsConfig = DiagnosticsConfig()
    """What is diagnosed inside the model."""

    @property
    @override
    def shows_texts(self) -> bool:
        return self.samples.count > 0

    @property
    @override
    def transfer(self) -> Transfer | None:
        return self.model.transfer

    @property
    @override
    def training_batching(self) -> Batching:
        return self.batching

    @override
    def dataset(self) -> Dataset:
        # What no data can make fit is refused before any is read.
        self.samples.check_memory()
        limits.check_model(self.model, self.training.optimizer, self.training.averaging)
        return fitted_on(self.task.adapted(self.data.build()), self.training.fit_on)

    @override
    def step_gflop(self, dataset: Dataset) -> float:
        from seqlab.experiment import step_work

        task = self.task.build(dataset, self.training.loss_options)
        return step_work.step_gflop(self.model, task, self.batching, dataset)


class BaselineExperimentConfig(AnyExperimentConfig):
    """A baseline, fitted at once: it has neither steps nor a seed."""

    method: ClassVar[str] = "baseline"
    baseline: Annotated[BaselineConfig, ByKind(BASELINES)]
    """What predicts."""
    fit_on: Literal["train", "train+valid"] = "train"
    """Which splits are learned from; with both, nothing is left to validate on, and the vocabulary stays
    that of `train`."""

    @override
    def dataset(self) -> Dataset:
        return fitted_on(self.task.adapted(self.data.build()), self.fit_on)

    @override
    def step_gflop(self, dataset: Dataset) -> float:
        return 0.0


class EnsembleExperimentConfig(AnyExperimentConfig):
    """An ensemble of finished runs: nothing is fitted but, of language models, their weights."""

    method: ClassVar[str] = "ensemble"
    ensemble: EnsembleConfig
    """What is combined."""
    fit_on: Literal["train", "train+valid"] = "train"
    """Which splits its members learned from; with both, nothing is left to validate on."""

    @property
    @override
    def members(self) -> Mapping[str, float]:
        return dict(zip(self.ensemble.members, self.ensemble.shares, strict=True))

    @property
    @override
    def fits_weights(self) -> bool:
        return self.ensemble.weights is None and self.task.output == "text"

    @override
    def dataset(self) -> Dataset:
        return fitted_on(self.data.build(), self.fit_on)

    @override
    def step_gflop(self, dataset: Dataset) -> float:
        return 0.0


def parse_experiment(table: Mapping[str, Any]) -> AnyExperimentConfig:
    """The experiment of a table that has all of its settings.

    Raises:
        UserError: a key or value is wrong.
    """
    return parse(experiment_class(table), table)


def fitted_on(dataset: Dataset, splits: str) -> Dataset:
    """The dataset of an experiment that learns from these splits."""
    return dataset if splits == "train" else dataset.with_valid_in_train()


def experiment_class(table: Mapping[str, Any]) -> type[AnyExperimentConfig]:
    """The class of an experiment's settings, by the table that says what predicts; a network's without one.

    Raises:
        UserError: there are several such tables.
    """
    given = [key for key in _BY_TABLE if key in table]
    if len(given) > 1:
        several = "Got both." if len(given) == 2 else "Got all."
        raise UserError(f"An experiment must have either {' or '.join(map(repr, given))}. {several}")
    return _BY_TABLE[given[0]] if given else ExperimentConfig


_BY_TABLE: Mapping[str, type[AnyExperimentConfig]] = {
    "model": ExperimentConfig,
    "baseline": BaselineExperimentConfig,
    "ensemble": EnsembleExperimentConfig,
}
