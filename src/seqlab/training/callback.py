"""What a run reports while it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from seqlab.schema.records import Text
from seqlab.training.progress import Progress


@dataclass(frozen=True)
class Counted:
    """How many of a total."""

    count: int
    total: int


class RunCallback(Protocol):
    """Receives the progress of a run, for a progress bar, a study or a notebook."""

    def step(self, progress: Progress, loss: float, total_epochs: float) -> None:
        """After each optimizer step; loss in nats per target, epochs until the end at the latest."""
        ...

    def validated(self, progress: Progress, metrics: dict[str, float], best: bool) -> bool:
        """After each validation; returns whether to stop here, after everything is saved."""
        ...

    def sampled(self, samples: Sequence[Text], valid: Counted | None) -> None:
        """After a validation: what a language model wrote, at least one text, and how much is valid.

        `valid` is of the samples that are compared with the true distribution, more than those given; None
        where it is not known or none are compared.
        """
        ...

    def scored(self, done: int, total: int) -> None:
        """After each batch of an evaluation."""
        ...

    def message(self, text: str) -> None:
        """A message for the user."""
        ...
