"""A trial as a search sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

TrialState = Literal["open", "finished", "failed", "diverged", "pruned"]
ValidationCurve = Sequence[tuple[float, float]]
"""(epoch, value of the monitored metric) of each validation."""


@dataclass(frozen=True, kw_only=True)
class SearchTrial:
    """A setting that was run or is running.

    value: of the monitored metric; None while the trial is open, or where it failed or diverged. curve: every
    validation so far.
    """

    setting: Mapping[str, Any]
    state: TrialState
    value: float | None
    curve: ValidationCurve = ()
