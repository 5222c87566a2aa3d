"""What a look inside a model comes to."""

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
"""Looks at a model on some rows of the split so named, dropout off; the model is left as found.

Raises UserError where the model has nothing to look at.
"""
