"""The shipped workloads with small sizes, so that a step takes milliseconds."""

from __future__ import annotations

from dataclasses import replace

from seqlab.bench.workload import (
    Attending,
    Classifying,
    Convolving,
    Flattening,
    RecurrentModelling,
    Workload,
)
from seqlab.bench.workloads import WORKLOADS

VOCABULARY = 2_500
"""Large enough that seqlab updates only the used rows of a table, as it does at full size."""


def small(name: str) -> Workload:
    """A workload at small sizes; without dropout both sides can be equal."""
    work = replace(
        WORKLOADS[name],
        vocabulary=VOCABULARY,
        batch_size=3,
        sequence_length=5,
        dropout=0.0,
        learning_rate=0.5,
    )
    if isinstance(work, RecurrentModelling):
        return replace(work, embedding=6 if work.tied else 4, hidden=6)
    if isinstance(work, Attending):
        return replace(work, hidden=8, layers=2, heads=2, feed_forward=6, learning_rate=0.01)
    if isinstance(work, Convolving):
        return replace(work, embedding=4, filters=3, learning_rate=0.01)
    if isinstance(work, Flattening):
        return replace(work, embedding=4, window=8, dense=6, learning_rate=0.01)
    assert isinstance(work, Classifying)
    return replace(work, embedding=4, hidden=6 if work.hidden else 0, linear=7)


SMALL = {name: small(name) for name in WORKLOADS}
