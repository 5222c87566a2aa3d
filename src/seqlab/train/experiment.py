"""One experiment: everything built from its configuration."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from seqlab.data.dataset import Dataset
from seqlab.measure.kinds import METRICS
from seqlab.models.model import SequenceModel
from seqlab.nn.dropout import bind_generator
from seqlab.schema.errors import UserError
from seqlab.tasks.task import Task
from seqlab.train import seeding
from seqlab.train.config import ExperimentConfig


@dataclass
class Experiment:
    """The live parts of one experiment."""

    config: ExperimentConfig
    dataset: Dataset
    task: Task
    model: SequenceModel
    optimizer: torch.optim.Optimizer
    generators: dict[str, torch.Generator]


def build(config: ExperimentConfig, dataset: Dataset, device: torch.device) -> Experiment:
    """Build task, model and optimiser on a dataset, every weight drawn from the seed.

    Raises:
        UserError: the parts do not fit each other.
    """
    task = config.task.build(dataset)
    for metric in task.metrics:
        METRICS[metric]  # an unknown one is refused now, not after an epoch
    _check_prompt(config.samples.prompt, dataset)
    for split in dataset.splits.values():
        # Cut every split once now, so that a batching that does not fit is known before training.
        task.batches(split, config.batching, seed=None)
    model = config.model.build(
        vocabulary=len(dataset.tokenizer.vocabulary),
        outputs=task.outputs(dataset),
        generator=seeding.generator(config.seed, "weights"),
    ).to(device)
    dropout = seeding.generator(config.seed, "dropout", device=device)
    bind_generator(model, dropout)
    optimizer = config.training.optimizer.build(list(model.parameters()))
    return Experiment(config, dataset, task, model, optimizer, {"dropout": dropout})


def _check_prompt(prompt: str, dataset: Dataset) -> None:
    """Samples go on from what the prompt says, never from unknown tokens that stand for it."""
    if dataset.tokenizer.vocabulary.unknown in dataset.tokenizer.encode(prompt):
        raise UserError(f"'samples.prompt' must be made of tokens of {dataset.name!r}. Got {prompt!r}.")
