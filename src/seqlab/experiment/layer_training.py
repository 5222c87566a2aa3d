"""Discriminative learning rates and gradual unfreezing (Howard and Ruder 2018), for every optimizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from seqlab.experiment.row_wise import RowWiseSgd
from seqlab.nn.layer import LayerGroup
from seqlab.stats.formatting import counted


class LayerTraining:
    """Which layer groups of a model are trained in an epoch, and with what rate.

    Group k, counted from 0 at the head, has the rate η d^k, where η is the rate of the step and d the decay.
    With gradual unfreezing the head alone is trained at first, and after every n epochs one group more. A
    frozen parameter has no gradient, and the optimizer does not step its group: neither momentum nor weight
    decay acts. The backward pass ends at the lowest group that is trained.

    Args:
        groups: from the head to the embedding; a parameter of several groups belongs to the first.
        optimizer: of the parameters; its groups are divided so that each has one rate, the head's first.
        rows: moves the rows of an embedding table in place of the optimizer, or None.
        decay: d; 1 is one rate for all.
        unfreeze_every: n epochs; 0 trains all groups from the start.
    """

    def __init__(
        self,
        groups: Sequence[LayerGroup],
        optimizer: torch.optim.Optimizer,
        rows: RowWiseSgd | None,
        *,
        decay: float = 1.0,
        unfreeze_every: int = 0,
    ):
        self._optimizer, self._rows = optimizer, rows
        self._decay, self._every = decay, unfreeze_every
        self._groups = _distinct(groups)
        self._trained = len(self._groups)
        # The layer group of each group of the optimizer, and of the rows.
        self._of_groups, self._of_rows = [0] * len(optimizer.param_groups), 0
        if self._differ:
            self._divide()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the groups are, where they differ from each other."""
        if not self._differ:
            return ()
        names = [
            group.name if self._decay == 1.0 else f"{group.name} {self._decay**k:.3g}"
            for k, group in enumerate(self._groups)
        ]
        rates = "" if self._decay == 1.0 else ", with the factor of the learning rate of each"
        sentence = f"Layer groups from the output to the input{rates}: {', '.join(names)}."
        if self._every:
            first, every = self._groups[0].name, counted(self._every, "epoch")
            sentence += f" At first {first} is trained, and after every {every} one group more."
        return (sentence,)

    def unfreeze(self, epoch: int) -> None:
        """Train the groups of an epoch, counted from 0, and freeze the others."""
        if not self._every:
            return
        self._trained = 1 + epoch // self._every
        for k, group in enumerate(self._groups):
            for parameter in group.parameters:
                parameter.requires_grad_(k < self._trained)

    def step(self, rate: float, factor: float) -> None:
        """One step of the optimizer and of the rows.

        Args:
            rate: η.
            factor: what the gradients of the rows are multiplied by; the optimizer's are already.
        """
        every = self._optimizer.param_groups
        for k, group in zip(self._of_groups, every, strict=True):
            group["lr"] = rate * self._decay**k
        # A group of an optimizer may count its steps, so a frozen one must not take part.
        self._optimizer.param_groups = [
            group for k, group in zip(self._of_groups, every, strict=True) if k < self._trained
        ]
        try:
            self._optimizer.step()
        finally:
            self._optimizer.param_groups = every
        if self._rows is not None:
            self._rows.step(rate * self._decay**self._of_rows, factor)

    @property
    def _differ(self) -> bool:
        """Whether groups are not all trained alike."""
        return self._decay != 1.0 or self._every > 0

    def _divide(self) -> None:
        """Divide the optimizer's groups by layer group; what is in none of these goes with the head."""
        index = {id(p): k for k, group in enumerate(self._groups) for p in group.parameters}
        divided: list[tuple[int, dict[str, object]]] = []
        for k in range(len(self._groups)):
            for group in self._optimizer.param_groups:
                members = [p for p in group["params"] if index.get(id(p), 0) == k]
                if members:
                    divided.append((k, {**group, "params": members}))
        self._optimizer.param_groups[:] = [group for _, group in divided]
        self._of_groups = [k for k, _ in divided]
        if self._rows is not None:
            self._of_rows = index[id(self._rows.weight)]


def _distinct(groups: Sequence[LayerGroup]) -> list[LayerGroup]:
    """The groups with parameters that are trained, each parameter once."""
    return [LayerGroup(name, kept) for name, kept in _first_uses(groups) if kept]


def _first_uses(groups: Sequence[LayerGroup]) -> Iterator[tuple[str, tuple[torch.nn.Parameter, ...]]]:
    seen: set[int] = set()
    for group in groups:
        kept = [p for p in group.parameters if p.requires_grad and id(p) not in seen]
        seen |= {id(p) for p in kept}
        yield group.name, tuple(kept)
