"""What a diagnostic is given, and its results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from seqlab.data.batch import Batch
from seqlab.data.batches import Batches
from seqlab.models.model import SequenceModel
from seqlab.schema.records import Record
from seqlab.tasks.task import Task


@dataclass(frozen=True)
class Diagnosis:
    """Records, and sentences that say what they mean."""

    records: list[Record]
    sentences: list[str]


@dataclass(frozen=True)
class DiagnosedSplit:
    """What a diagnostic may read of a split.

    name: of the split. rows: some of its sequences. windows: all of it, as whole texts or, of a running text,
    as windows of the length of training, each of which begins with a zero state. unread: ids of tokens that a
    model reads at most at the start of a text.
    """

    name: str
    rows: Batch
    windows: Batches
    unread: frozenset[int] = frozenset()


Diagnostic = Callable[[SequenceModel, Task, DiagnosedSplit], Diagnosis]
"""Inspects a model on a split, dropout off; the model is left as found.

Raises UserError where the model has nothing to inspect.
"""
