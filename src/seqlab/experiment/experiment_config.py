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
from seqlab.experiment.averaging import AveragingConfig, NoAveragingConfig
from seqlab.experiment.ensemble_config import EnsembleConfig
from seqlab.experiment.optimizers import OptimizerConfig
from seqlab.experiment.schedules import ConstantConfig, ScheduleConfig
from seqlab.experiment.training_kinds import AVERAGINGS, OPTIMIZERS, SCHEDULES
from seqlab.models.model_config import ModelConfig
from seqlab.models.model_kinds import MODELS
from seqlab.models.transfer import Transfer
from seqlab.schema.config import AddedLater, Config, parse
from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.schema.registry import ByKind
from seqlab.tasks.loss_options import LossOptions
from seqlab.tasks.task_configs import TaskConfig
from seqlab.tasks.task_kinds import TASKS


class TrainingConfig(Config):
    """How weights are fitted."""

    epochs: int = Field(default=10, ge=1)
    """Passes over the training split, at most."""
    max_steps: int | None = Field(default=None, ge=1)
    """Optimizer steps, at most; none: as many as the epochs have."""
    optimizer: Annotated[OptimizerConfig, ByKind(OPTIMIZERS)]
    """Rule that turns gradients into steps."""
    schedule: Annotated[ScheduleConfig, ByKind(SCHEDULES)] = ConstantConfig()
    """What multiplies the learning rate over time."""
    averaging: Annotated[AveragingConfig, ByKind(AVERAGINGS), AddedLater()] = NoAveragingConfig()
    """Which average of the weights is the result; training itself continues with the weights."""
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the probability of each target that is spread evenly over all outputs, in training only."""
    class_weights: Literal["none", "balanced"] = "none"
    """What multiplies the training loss of a text: 1, or N / (K n) where n of N training texts have its
    label of K, so that every label has the same weight."""
    layer_decay: float = Field(default=1.0, gt=0.0, le=1.0)
    """Factor of the learning rate from one layer group to the next: the head has the whole rate, the last
    layer before it this share of it, and so on to the embedding, whose share is smallest; 1: one rate."""
    unfreeze_every: int = Field(default=0, ge=0)
    """Epochs after which one more layer group is trained, from the head, which alone is trained at first, to
    the embedding; 0: all of them from the start."""
    clip_norm: float | None = Field(default=None, gt=0.0)
    """Largest norm of the gradient of the mean loss, all parameters together; none: no clipping."""
    validations_per_epoch: int = Field(default=1, ge=1)
    """How often an epoch the validation split is scored."""
    patience: int | None = Field(default=None, ge=1)
    """Validations without improvement after which training stops; none: it continues to the end."""
    fit_on: Literal["train", "train+valid"] = "train"
    """Which splits are learned from; with both, nothing is left to validate on, and the vocabulary stays
    that of `train`."""
    result: Literal["best", "last"] = "best"
    """Which weights are the result: those of the best validation, or the last ones."""
    curriculum: int = Field(default=0, ge=0)
    """Epochs in which short sequences come first: epoch k of n learns from the shortest k/(n+1) of them, all
    later ones from all. Sequences only, not running text."""
    record_every: int = Field(default=20, ge=1)
    """Optimizer steps between two records of the training loss; each epoch ends with one, too."""
    checkpoint_seconds: float = Field(default=60.0, ge=0.0)
    """Seconds between two checkpoints, besides those after each validation; 0: after each step."""
    matmul: Literal["auto", "torch", "onednn", "native"] = "auto"
    """Matrix products of the output layer in training: torch's, those of the oneDNN inside torch, the native
    library's, or (`auto`) the fastest backend for each, measured once on this machine; the choice is recorded
    and kept on resume."""
    tensorboard: bool = True
    """Whether TensorBoard events are written in addition to the records, where the package `tensorboard` is
    installed."""

    @property
    def loss_options(self) -> LossOptions:
        """What changes the loss in training alone."""
        return LossOptions(label_smoothing=self.label_smoothing, class_weights=self.class_weights)


class EvaluationConfig(Config):
    """How the validation split is scored."""

    streams: int = Field(default=10, ge=1)
    """Parts a running text is scored in while training; the final figure is always of one part."""
    train_sequences: int = Field(default=0, ge=0)
    """Sequences of the split `train`, spread evenly over it, that are scored with each validation, too, so
    that memorising shows; 0: none. Not for running text. With `data.resample_each_epoch` nothing is learned
    from them."""


class SamplesConfig(Config):
    """What the model writes after each validation."""

    count: int = Field(default=3, ge=0)
    """Texts it writes (a classifier: texts it labels); 0: none."""
    max_tokens: int = Field(default=100, ge=1)
    """Tokens a text may have."""
    temperature: float = Field(default=1.0, ge=0.0)
    """Divides the logits; 0 takes the most likely token."""
    prompt: str = ""
    """Text that samples continue."""
    prompt_tokens: int = Field(default=0, ge=0)
    """Tokens of a random text of the validation split that each sample continues, in place of `prompt`; only
    for generated data."""
    checked: int = Field(default=200, ge=0)
    """Samples that are compared with the true distribution of generated data at each validation."""
    checked_at_end: int = Field(default=1_000, ge=0)
    """The same at the end, of the weights that are the result."""

    def check_memory(self) -> None:
        """Check that there is memory for what the model writes at once.

        Raises:
            UserError: there is not.
        """
        length = self.max_tokens
        for key in ("count", "checked", "checked_at_end"):
            count = getattr(self, key)
            limits.check_texts(count, length, f"samples.{key}={count} samples.max_tokens={length}")


class DiagnosticsConfig(Config):
    """What is diagnosed inside the model while it trains; nothing else in a run depends on it."""

    gradient_every: int = Field(default=0, ge=0)
    """Validations from one measurement of the gradient through time to the next; 0: never."""
    sequences: int = Field(default=32, ge=1)
    """Texts of the validation split it is measured on, or parts of a running text: always the same ones."""


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
    def transfer(self) -> Transfer | None:
        """The run whose weights training starts from; None where there is none."""
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
    """An ensemble of finished runs: nothing is fitted."""

    method: ClassVar[str] = "ensemble"
    ensemble: EnsembleConfig
    """What is combined."""
    fit_on: Literal["train", "train+valid"] = "train"
    """Which splits its members learned from; with both, nothing is left to validate on."""

    @property
    @override
    def members(self) -> Mapping[str, float]:
        return dict(zip(self.ensemble.members, self.ensemble.shares, strict=True))

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
