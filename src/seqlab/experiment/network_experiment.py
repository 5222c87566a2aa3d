"""One experiment: everything built from its configuration."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from seqlab.data.dataset import Dataset
from seqlab.data.sources.generated import GeneratedConfig
from seqlab.data.token_oracle import has_oracle
from seqlab.experiment import seeding
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.experiment.row_wise import RowWiseSgd
from seqlab.measure.metric_kinds import METRICS
from seqlab.models.model import SequenceModel
from seqlab.nn.dropout import bind_generator
from seqlab.nn.embedding import Embedding
from seqlab.nn.matmul import TORCH, Matmul
from seqlab.schema.errors import UserError
from seqlab.tasks.task import Task

MANY_ROWS = 2_000
"""Rows of an embedding table from which it pays to move only those that a batch used."""


@dataclass
class Experiment:
    """The live parts of one experiment."""

    config: ExperimentConfig
    dataset: Dataset
    task: Task
    model: SequenceModel
    optimizer: torch.optim.Optimizer
    rows: RowWiseSgd | None
    """Moves the embedding table in the optimiser's place; None: the optimiser moves it like all else."""
    generators: dict[str, torch.Generator]
    notes: tuple[str, ...]
    """What the user should know of how it is trained."""


def build(
    config: ExperimentConfig, dataset: Dataset, device: torch.device, matmul: Matmul = TORCH
) -> Experiment:
    """Build task, model and optimiser on a dataset, every weight drawn from the seed.

    Args:
        config: everything that decides the numbers.
        dataset: what is learned from.
        device: where the model lives.
        matmul: how the matrices of a large output layer are multiplied in training.

    Raises:
        UserError: the parts do not fit each other.
    """
    task = config.task.build(dataset)
    for metric in task.metrics:
        METRICS[metric]  # an unknown one is refused now, not after an epoch
    _check_prompt(config, dataset)
    if config.training.curriculum and config.batching.contiguous:
        raise UserError(
            "'training.curriculum' must be 0 for running text, which has no short sequences. "
            f"Got {config.training.curriculum}."
        )
    if config.evaluation.train_sequences and config.batching.contiguous:
        raise UserError(
            "'evaluation.train_sequences' must be 0 for running text, which is one sequence. "
            f"Got {config.evaluation.train_sequences}."
        )
    config.data.check_training(dataset)
    for split in dataset.splits.values():
        # Cut every split once now, so that a batching that does not fit is known before training.
        task.batches(split, config.batching, seed=None)
    model = config.model.build(
        vocabulary=len(dataset.tokenizer.vocabulary),
        outputs=task.outputs(dataset),
        generator=seeding.generator(config.seed, "weights"),
        numbers=dataset.tokenizer.vocabulary.numbers,
    ).to(device)
    dropout = seeding.generator(config.seed, "dropout", device=device)
    bind_generator(model, dropout)
    task.matmul = matmul
    rows, notes = _row_wise(config, model)
    moved = [p for p in model.parameters() if rows is None or p is not rows.weight]
    optimizer = config.training.optimizer.build(moved)
    return Experiment(config, dataset, task, model, optimizer, rows, {"dropout": dropout}, notes)


def _row_wise(config: ExperimentConfig, model: SequenceModel) -> tuple[RowWiseSgd | None, tuple[str, ...]]:
    """What moves the rows of a large embedding table, or a note on why all of it is moved in every step."""
    tables = [module for module in model.modules() if isinstance(module, Embedding)]
    large = [table for table in tables if table.num_embeddings >= MANY_ROWS]
    if not large:
        return None, ()
    table = large[0]
    users = [p for module in model.modules() for p in module.parameters(recurse=False) if p is table.weight]
    tied = len(users) > 1
    if table.weight.device.type != "cpu":
        return None, ()
    found = "it is tied to the output layer" if tied else config.training.optimizer.row_wise(table)
    if isinstance(found, str):
        return None, (f"All {table.num_embeddings:,} rows of the embedding move in every step: {found}.",)
    return found, ()


def _check_prompt(config: ExperimentConfig, dataset: Dataset) -> None:
    """Samples go on from what the prompt says, never from unknown tokens that stand for it.

    Where the truth of the data is known it must be the beginning of a text.
    """
    prompt = config.samples.prompt
    if isinstance(config.data, GeneratedConfig) and has_oracle(config.data.language(), dataset.tokenizer):
        try:
            config.data.language().next_token(prompt)
        except UserError as error:
            raise UserError(f"'samples.prompt': {error}") from None
    if dataset.tokenizer.vocabulary.unknown in dataset.tokenizer.encode(prompt):
        raise UserError(f"'samples.prompt' must be made of tokens of {dataset.name!r}. Got {prompt!r}.")
