"""The average of a model's weights, kept while they are trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from seqlab.evaluate.weights import unique_tensors
from seqlab.experiment.averaging import Averaging
from seqlab.experiment.state_check import check_state
from seqlab.training.diverged import weight_not_finite

_WEIGHT = "weight."
"""Before the names of weights in a checkpoint."""


class AveragedWeights:
    """The average of every weight of a model, tied ones once. Buffers have none: they are always as they are.

    Args:
        model: whose weights are averaged; they remain those of the last step.
        averaging: from when on they are averaged, and with which shares.
    """

    def __init__(self, model: nn.Module, averaging: Averaging):
        # Integers, which are not trained, have no average either.
        named = {n: p for n, p in model.named_parameters() if p.is_floating_point() or p.is_complex()}
        unique, _ = unique_tensors({name: parameter.detach() for name, parameter in named.items()})
        self._weights = {name: named[name] for name in unique}
        self._averages: dict[str, Tensor] = {}
        self._averaging = averaging

    @torch.no_grad()
    def begin(self) -> None:
        """Begin the average with the weights as they are now, where averaging has started."""
        if self._averaging.started and not self._averages:
            self._averages = {name: weight.clone() for name, weight in self._weights.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Average the weights after a step, counted from 1: one pass over them, without further memory."""
        if self._averages:
            averages, weights = list(self._averages.values()), list(self._weights.values())
            torch._foreach_lerp_(averages, weights, self._averaging.share(step))  # pyright: ignore

    @property
    def waiting(self) -> bool:
        """Whether a validation may still begin the average; see `Averaging`."""
        return self._averaging.waiting

    def observe(self, step: int, gain: float) -> bool:
        """Count a validation; returns whether the average begins with it, from the weights as they are."""
        before = self._averaging.started
        self._averaging.observe(step, gain)
        self.begin()
        return self._averaging.started and not before

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model with its averages, where it has any; afterwards the weights are the same bits again."""
        before = {name: self._weights[name].detach().clone() for name in self._averages}
        # Copied, not exchanged: own code may have views of the weights.
        self._set(self._averages)
        try:
            yield
        finally:
            self._set(before)

    def not_finite(self) -> str | None:
        """The first average that is NaN or infinite; None if all are finite."""
        found = weight_not_finite(self._averages.items())
        return None if found is None else f"average of {found}"

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint whose model has the averages needs besides: the weights, and what began them."""
        weights = {f"{_WEIGHT}{name}": self._weights[name].detach() for name in self._averages}
        numbers = self._averaging.state().items()
        return weights | {name: torch.tensor(each, dtype=torch.float64) for name, each in numbers}

    def restore(self, state: Mapping[str, Tensor], step: int) -> None:
        """Restore the state after a step: the model has the averages, and gets the weights.

        Raises:
            ValueError: it is not the state of such a model.
        """
        weights = {n.removeprefix(_WEIGHT): t for n, t in state.items() if n.startswith(_WEIGHT)}
        others = {n: t.flatten().tolist() for n, t in state.items() if not n.startswith(_WEIGHT)}
        self._averaging.restore(others, step)
        self.begin()
        if len(weights) != len(self._averages):
            raise ValueError(f"'averaging' must have {len(self._averages)} weights. Got {len(weights)}.")
        check_state(self._averages, weights, "averaging")
        self._set(weights)

    @torch.no_grad()
    def _set(self, values: Mapping[str, Tensor]) -> None:
        """Copy values into the weights of these names."""
        for name, value in values.items():
            self._weights[name].copy_(value)
