"""What a task is judged by; free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Goal:
    """The metric that picks the best checkpoint, and whether more or less of it is better."""

    metric: str
    better: Literal["higher", "lower"]

    @classmethod
    def of(cls, metric: str) -> Goal:
        """The goal of a metric: less of an error, more of anything else.

        >>> Goal.of("loss").better, Goal.of("mse").better, Goal.of("accuracy").better
        ('lower', 'lower', 'higher')
        """
        return cls(metric, "lower" if metric in ("loss", "mse") else "higher")

    def improves(self, value: float, best: float | None) -> bool:
        """Whether a value beats the best one so far."""
        if best is None:
            return True
        return value > best if self.better == "higher" else value < best
