"""Settings of how a network is trained, scored and watched; free of torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from seqlab.experiment import limits
from seqlab.experiment.averaging import AveragingConfig, NoAveragingConfig
from seqlab.experiment.optimizers import OptimizerConfig
from seqlab.experiment.schedules import ConstantConfig, ScheduleConfig
from seqlab.experiment.training_kinds import AVERAGINGS, OPTIMIZERS, SCHEDULES
from seqlab.schema.config import AddedLater, Config
from seqlab.schema.registry import ByKind
from seqlab.tasks.loss_options import LossOptions


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
    """Matrix products of the output layer and of Transformer layers in training: torch's, those of the oneDNN
    inside torch, the native library's, or (`auto`) the fastest backend for each, measured once on this
    machine; the choice is recorded and kept on resume."""
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
