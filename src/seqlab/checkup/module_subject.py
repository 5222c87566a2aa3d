"""Any module as the subject of a checkup.

Legend: B sequences, T steps, E features, V outputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from seqlab.checkup.subject import Subject, TaskName
from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded
from seqlab.models.model import State
from seqlab.models.module_guess import Guess
from seqlab.models.module_state import StateForm


class ModuleSubject(Subject):
    """A module that is called as was guessed.

    form: how its state is found; None where it has none that can be given back. range: whether outputs are
    logits, probabilities or log-probabilities. several: whether each output is a class of its own, yes or no.
    labels: the argument of forward for targets.
    """

    def __init__(self, *arguments: Any, guessed: Guess, form: StateForm | None, **named: Any):
        super().__init__(*arguments, **named)
        self.guessed, self.form = guessed, form
        self.range, self.several = "logits", False
        self.labels: str | None = None

    @override
    def read(self, batch: Batch, state: State | None = None) -> tuple[Tensor, State | None]:
        batch, form = self.in_type(batch), self.form
        given = None
        if form is not None and state is not None:
            given = form.nested([state.tensors[str(index)] for index in range(len(form.shapes))])
        inputs = batch.inputs
        outputs, found = self.guessed.call(self.module, inputs.tokens, inputs.lengths, given, batch.source)
        if form is None:
            return outputs, None
        tensors = form.flat(form.find(found))
        return outputs, State({str(index): tensor for index, tensor in enumerate(tensors)})

    def read_raw(self, batch: Batch, **arguments: Any) -> Any:
        """Everything that the module returns, given further arguments of forward."""
        batch = self.in_type(batch)
        call = self.guessed.call
        call = replace(call, roles=replace(call.roles, constants={**call.roles.constants, **arguments}))
        return call.raw(self.module, batch.inputs.tokens, batch.inputs.lengths, None, batch.source)

    @override
    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        values, targets = batch.real(outputs)
        if self.traits.task == "regress":
            return functional.mse_loss(values, targets.to(values.dtype).reshape(values.shape))
        if self.several and not targets.is_floating_point():
            targets = functional.one_hot(targets, self.traits.outputs)
        if self.traits.outputs == 1 or self.several:
            wanted = targets.to(values.dtype).reshape(values.shape)
            if self.range == "probabilities":
                return functional.binary_cross_entropy(values.clamp(0, 1), wanted)
            return functional.binary_cross_entropy_with_logits(values, wanted)
        if self.range == "probabilities" and self.loss_function is not None:
            return functional.nll_loss(values.clamp(min=1e-30).log(), targets)
        return functional.cross_entropy(values, targets)

    @override
    def least_loss(self, targets: Sequence[int | float]) -> float:
        values = torch.tensor(targets, dtype=torch.float64)
        if self.traits.task == "regress":
            return float(((values - values.mean(0)) ** 2).mean())
        shares = torch.tensor([*Counter(targets).values()], dtype=torch.float64) / len(targets)
        return float(-(shares * shares.log()).sum())

    @override
    def draw(self, seed: int, rows: int, steps: int) -> Batch:
        return drawn(self.guessed, self.traits.task, seed, rows, steps)


def drawn(guessed: Guess, task: TaskName, seed: int, rows: int, steps: int) -> Batch:
    """Random sequences of full length, with targets that depend on them."""
    random = torch.Generator().manual_seed(seed)
    form, V = guessed.form, guessed.call.outputs
    tokens = form.draw(rows, steps, random, guessed.padding)
    source = None if form.source is None else form.draw_source(rows, steps + 2, random, guessed.padding)
    inputs = Padded(tokens, torch.full((rows,), steps))
    classes = 2 if V == 1 else V
    if not guessed.call.per_token:
        labels = torch.arange(rows) % classes
        if task == "regress":
            return Batch(inputs, torch.randn(rows, V, generator=random).squeeze(1), source)
        return Batch(inputs, labels, source)
    if task == "regress":
        numbers = torch.randn(rows, steps, V, generator=random).squeeze(2)
        return Batch(inputs, Padded(numbers, inputs.lengths), source)
    if task in ("language-model", "translate") and form.tokens and form.size <= V:
        targets = torch.cat([tokens[:, 1:], form.draw(rows, 1, random, guessed.padding)], dim=1)
    else:
        targets = tokens % classes if form.tokens else torch.randint(classes, (rows, steps), generator=random)
    return Batch(inputs, Padded(targets, inputs.lengths), source)
