"""Settings of the tasks; free of torch until `build` is called."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator
from typing_extensions import override

from seqlab.data.dataset import Dataset
from seqlab.models.input_spec import Output
from seqlab.schema.code_settings import CodeText, NamesCode
from seqlab.schema.config import Config
from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.tasks.loss_options import NO_OPTIONS, LossOptions
from seqlab.tasks.monitors import monitor_of
from seqlab.tasks.own_metric_spec import OwnMonitor, metric_key

if TYPE_CHECKING:
    from seqlab.tasks.task import Task


NumberMetric = Literal["loss", "mse", "accuracy"]
NUMBER_METRICS: tuple[NumberMetric, ...] = ("loss", "mse", "accuracy")
"""Metrics of predicted numbers."""


class TaskConfig(Config, ABC):
    """Settings of a task: what is predicted, and what is measured of it."""

    kind: str
    """Name of the task."""
    metrics: Annotated[tuple[str, ...], NamesCode()]
    """What is measured on the validation split (`seqlab list metrics`)."""
    output: ClassVar[Output]
    """What a run of the task gives."""

    @field_validator("metrics")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """A metric that is named twice is measured once."""
        return tuple(dict.fromkeys(value))

    @property
    @abstractmethod
    def monitor_spec(self) -> MetricSpec:
        """The metric that picks the best checkpoint, with its unit and direction."""

    def adapted(self, dataset: Dataset) -> Dataset:
        """The dataset as the task learns from it: one without labels learns from unlabelled texts, too."""
        return dataset

    @abstractmethod
    def build(self, dataset: Dataset, options: LossOptions = NO_OPTIONS) -> Task:
        """The task on this dataset.

        Args:
            dataset: what is learned from.
            options: what changes the training loss alone.

        Raises:
            UserError: the dataset does not have what the task needs (labels, a start token), or the task has
                no such option.
        """


class ClassifyConfig(TaskConfig):
    """Predict the label of a whole sequence; the loss is cross-entropy in nats per sequence.

    In training the sum of the (weighted) losses of a batch is divided by its number of texts.
    """

    kind: Literal["classify"] = "classify"
    """Name of the task."""
    metrics: Annotated[tuple[str, ...], NamesCode()] = Field(default=("loss", "accuracy"), min_length=1)
    """What is measured on the validation split (`seqlab list metrics`); FILE.py:NAME is one of your own."""
    monitor: Literal["loss", "accuracy", "macro_f1", "auc"] | OwnMonitor = "accuracy"
    """Which of these metrics picks the best checkpoint and decides whether training still improves."""
    output: ClassVar[Output] = "class"

    @property
    @override
    def monitor_spec(self) -> MetricSpec:
        return monitor_of(metric_key(self.monitor, self.metrics), "text")

    @model_validator(mode="after")
    def _monitor_is_measured(self) -> ClassifyConfig:
        check_measured(self.monitor, self.metrics)
        return self

    @override
    def build(self, dataset: Dataset, options: LossOptions = NO_OPTIONS) -> Task:
        from seqlab.tasks.classify import ClassifyTask, balanced_weights

        check_labelled(dataset)
        targets = dataset.splits["train"].targets
        assert targets is not None, "there are names of them"
        balanced = options.class_weights == "balanced"
        return ClassifyTask(
            options.label_smoothing,
            labels=dataset.labels,
            class_weights=balanced_weights(targets, len(dataset.labels)) if balanced else None,
            metrics=self.metrics,
            monitor=metric_key(self.monitor, self.metrics),
        )


class RegressConfig(TaskConfig):
    """Predict a number for a whole sequence; loss is half the squared error, as nats of a normal density.

    The density has variance 1, so a target that is predicted exactly costs ln(2 pi) / 2 = 0.919 nats.
    """

    kind: Literal["regress"] = "regress"
    """Name of the task."""
    metrics: Annotated[tuple[NumberMetric | CodeText, ...], NamesCode()] = Field(
        default=NUMBER_METRICS, min_length=1
    )
    """What is measured on the validation split (`seqlab list metrics`); FILE.py:NAME is one of your own."""
    monitor: NumberMetric | OwnMonitor = "mse"
    """Which of these metrics picks the best checkpoint and decides whether training still improves."""
    output: ClassVar[Output] = "number"

    @property
    @override
    def monitor_spec(self) -> MetricSpec:
        return monitor_of(metric_key(self.monitor, self.metrics), "text")

    @model_validator(mode="after")
    def _monitor_is_measured(self) -> RegressConfig:
        check_measured(self.monitor, self.metrics)
        return self

    @override
    def build(self, dataset: Dataset, options: LossOptions = NO_OPTIONS) -> Task:
        from seqlab.tasks.regress import RegressTask

        check_numbered(dataset)
        options.require_none("label_smoothing", "class_weights", task=self.kind)
        return RegressTask(self.metrics, metric_key(self.monitor, self.metrics))


class LanguageModelConfig(TaskConfig):
    """Predict each next token; loss is cross-entropy in nats per token.

    A sequence `a b` is read as `.start a b` and scored on `a b .end`. A running text is scored on
    every token; the first one is predicted from the start token (in the Penn Treebank `<eos>`).
    """

    kind: Literal["language-model"] = "language-model"
    """Name of the task."""
    metrics: Annotated[tuple[str, ...], NamesCode()] = Field(
        default=("loss", "perplexity", "bits_per_token", "accuracy"), min_length=1
    )
    """What is measured on the validation split (`seqlab list metrics`); FILE.py:NAME is one of your own. Of
    an n-gram `accuracy` takes many times as long as the others, because it needs the probability of every
    token of the vocabulary."""
    monitor: Literal["loss", "bits_per_character"] | OwnMonitor = "loss"
    """Which of these metrics picks the best checkpoint and decides whether training still improves."""
    output: ClassVar[Output] = "text"

    @property
    @override
    def monitor_spec(self) -> MetricSpec:
        return monitor_of(metric_key(self.monitor, self.metrics), "token")

    @model_validator(mode="after")
    def _loss_is_measured(self) -> LanguageModelConfig:
        if "loss" not in self.metrics:
            raise ValueError(
                "'metrics' must contain 'loss', by which language models are compared. "
                f"Got {', '.join(self.metrics)}."
            )
        check_measured(self.monitor, self.metrics)
        return self

    @override
    def adapted(self, dataset: Dataset) -> Dataset:
        return dataset.with_unlabelled_in_train()

    @override
    def build(self, dataset: Dataset, options: LossOptions = NO_OPTIONS) -> Task:
        from seqlab.tasks.language_modelling import LanguageModelTask

        start, end = check_start(dataset)
        options.require_none("class_weights", task=self.kind)
        return LanguageModelTask(
            start,
            end,
            label_smoothing=options.label_smoothing,
            metrics=self.metrics,
            monitor=metric_key(self.monitor, self.metrics),
            of_characters=dataset.tokenizer.vocabulary.of_characters,
        )


def check_measured(monitor: str, metrics: Sequence[str]) -> None:
    """Make sure that what picks the best checkpoint is measured.

    Raises:
        ValueError: it is not.
    """
    if metric_key(monitor, metrics) not in metrics:
        raise ValueError(f"'monitor' must be one of 'metrics', {', '.join(metrics)}. Got {monitor!r}.")


def check_numbered(dataset: Dataset) -> None:
    """Make sure that each of a dataset's texts has a number.

    Raises:
        UserError: they have labels, or nothing.
    """
    if dataset.labels or any(split.targets is None for split in dataset.splits.values()):
        nearest = "classify" if dataset.labels else "language-model"
        raise UserError(
            f"Task 'regress' needs a dataset with a number for each text, such as 'adding'. "
            f"Got {dataset.name!r}. Nearest: task.kind={nearest!r}."
        )


def check_labelled(dataset: Dataset) -> None:
    """Make sure that a dataset's texts can be classified.

    Raises:
        UserError: there are not two labels.
    """
    if len(dataset.labels) < 2:
        numbers = any(split.targets is not None for split in dataset.splits.values())
        nearest = "regress" if numbers else "language-model"
        raise UserError(
            f"Task 'classify' needs a dataset with at least 2 labels. "
            f"Got {dataset.name!r} with {len(dataset.labels)}. Nearest: task.kind={nearest!r}."
        )


def check_start(dataset: Dataset) -> tuple[int, int | None]:
    """The ids of a dataset's start and end token; running text has no end token.

    Raises:
        UserError: there is no start token.
    """
    vocabulary = dataset.tokenizer.vocabulary
    if vocabulary.start is None:
        raise UserError(f"Task 'language-model' needs a dataset with a start token. Got {dataset.name!r}.")
    return vocabulary.start, vocabulary.end
