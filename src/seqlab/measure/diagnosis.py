"""The results of a diagnostic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from seqlab.data.batch import Batch
from seqlab.models.model import SequenceModel
from seqlab.schema.records import Record
from seqlab.tasks.task import Task


@dataclass(frozen=True)
class Diagnosis:
    """Records, and sentences that say what they mean."""

    records: list[Record]
    sentences: list[str]


Diagnostic = Callable[[SequenceModel, Task, Batch, str], Diagnosis]
"""Inspects a model on some rows of the split with this name, dropout off; the model is left as found.

Raises UserError where the model has nothing to inspect.
"""
