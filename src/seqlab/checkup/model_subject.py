"""A model of seqlab as the subject of a checkup."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from seqlab.checkup.subject import Subject, TaskName, Traits
from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded
from seqlab.models.model import SequenceModel, State
from seqlab.models.module_sizes import sequence_layers
from seqlab.schema.errors import UserError
from seqlab.schema.own_errors import OwnCodeError, describe
from seqlab.tasks.task import Task

TASKS: dict[str, TaskName] = {"class": "classify", "number": "regress", "text": "language-model"}
"""Names of tasks by what they predict; every other one is a translation."""


class ModelSubject(Subject):
    """A model with a batch of its task, whose sequences may be of unequal lengths.

    Raises:
        UserError: the batch is too small.
    """

    module: Any

    def __init__(self, label: str, model: SequenceModel, batch: Batch, task: Task, *, trained: bool = False):
        _check(batch)
        batch = batch.to(torch.device("cpu"))
        promises, tokens = model.capabilities, batch.inputs.tokens
        with torch.no_grad():
            outputs = copy.deepcopy(model).cpu().eval()(batch)[0]
        traits = Traits(
            task="translate" if batch.source is not None else TASKS.get(task.output, "translate"),
            per_step=outputs.dim() == 3,
            causal=promises.causal,
            tokens=True,
            vocabulary=int(tokens.max()) + 1,
            outputs=outputs.shape[-1],
            padding="lengths" if promises.variable_length else "unknown",
            has_state=promises.causal,
            fixed_length=not promises.variable_length,
            source=batch.source is not None,
            layers=sequence_layers(model),
            window=promises.window,
            trained=trained,
        )
        super().__init__(label, model, batch, traits, notes=model.notes)
        self.task = task

    @override
    def read(self, batch: Batch, state: State | None = None) -> tuple[Tensor, State | None]:
        try:
            return self.module(batch, state)
        except UserError:
            raise
        except Exception as error:  # a module of the user's own may raise anything
            raise OwnCodeError(
                f"{self.label} failed while it read {len(batch)} sequences of {batch.inputs.steps} tokens: "
                f"{describe(error)}"
            ) from None

    @override
    def start(self, rows: int, batch: Batch) -> State | None:
        return self.module.start(rows, batch.source)

    @override
    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        features, _ = self.module.features(batch, None)
        total, count = self.task.loss(self.module.head, *batch.real(features))
        return total / count

    @override
    def least_loss(self, targets: Sequence[int | float]) -> float:
        return self.task.least_loss(targets, self.traits.outputs)

    @override
    def draw(self, seed: int, rows: int, steps: int) -> Batch:
        """Sequences of the batch's own tokens in random order, with its targets."""
        random = torch.Generator().manual_seed(seed)
        given = self.batch
        known = given.inputs.tokens[given.inputs.mask]
        picked = known[torch.randint(len(known), (rows, steps), generator=random)]
        inputs = Padded(picked, torch.full((rows,), steps))
        again = torch.arange(rows) % len(given)
        source = None if given.source is None else given.source.select(again)
        if not isinstance(given.targets, Padded):
            return Batch(inputs, given.targets[again], source)
        wanted = given.target_values[given.target_mask]
        targets = wanted[torch.randint(len(wanted), (rows, steps), generator=random)]
        return Batch(inputs, Padded(targets, inputs.lengths), source)


def _check(batch: Batch) -> None:
    lengths = batch.inputs.lengths
    rows, longest = len(batch), int(lengths.max()) if len(batch) else 0
    if rows < 2 or longest < 2 or int(lengths.min()) < 1:
        raise UserError(
            "A batch for the checkup must contain at least 2 sequences, none of them empty and one of at "
            f"least 2 tokens. Got lengths {lengths.tolist()}."
        )
    if len(batch.inputs.tokens[batch.inputs.mask].unique()) < 2:
        raise UserError("A batch for the checkup must contain at least 2 different tokens. Got 1.")
