"""What a model takes from a finished run in place of drawn weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Taken:
    """What is taken from a model of one kind.

    weights: beginnings of the names of the weights, which both models have. settings: those that must be the
    same in both, each with the value that a model without this setting has. same_task: whether the run must
    be one of the same task and the same labels.
    """

    weights: tuple[str, ...]
    settings: Mapping[str, Any]
    same_task: bool = False


@dataclass(frozen=True)
class Transfer:
    """A run by its name or path, and what is taken from it, by the kind of its model."""

    run: str
    sources: Mapping[str, Taken]
