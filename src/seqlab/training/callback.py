"""What a run reports while it is trained."""

from __future__ import annotations

from typing import Protocol

from seqlab.training.progress import Progress


class RunCallback(Protocol):
    """Receives the progress of a run, for a progress bar, a study or a notebook."""

    def step(self, progress: Progress, loss: float, total_epochs: float) -> None:
        """After each optimizer step; loss in nats per target, epochs until the end at the latest."""
        ...

    def validated(self, progress: Progress, metrics: dict[str, float], best: bool) -> bool:
        """After each validation; returns whether to stop here, after everything is saved."""
        ...

    def scored(self, done: int, total: int) -> None:
        """After each batch of an evaluation."""
        ...

    def message(self, text: str) -> None:
        """A message for the user."""
        ...
