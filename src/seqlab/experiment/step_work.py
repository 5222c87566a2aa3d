"""How much a training step computes."""

from __future__ import annotations

import torch
from torch import nn

from seqlab.data.batching import Batching
from seqlab.data.dataset import Dataset
from seqlab.models.model_config import ModelConfig
from seqlab.tasks.task import Task

_MATMULS = 3
"""Matrix products of each weight in a step: forward, its own gradient, the gradient of its input."""


def step_gflop(config: ModelConfig, task: Task, batching: Batching, dataset: Dataset) -> float:
    """Operations of the products of all weights with the tokens of a mean training batch, in 10^9.

    An adaptive softmax computes less, by the share of frequent tokens.

    Args:
        config: of the model.
        task: on the dataset.
        batching: how the training split is cut.
        dataset: whose training split is learned from.

    Raises:
        UserError: task, model and data do not fit each other.
    """
    model = config.build(task.spec(dataset), torch.Generator())
    # A table is read and not multiplied; where it is also the output's weight, the head counts it.
    weights = sum(
        parameter.numel()
        for module in model.modules()
        if not isinstance(module, nn.Embedding)
        for parameter in module.parameters(recurse=False)
    )
    train = dataset.splits["train"]
    batches = len(task.batches(train, batching, seed=None))
    return 2e-9 * _MATMULS * weights * int(train.text.offsets[-1]) / max(1, batches)
