"""The shipped workloads, so small that a step takes milliseconds."""

from __future__ import annotations

from dataclasses import replace

from seqlab.bench.workload import Classifying, LanguageModelling, Workload
from seqlab.bench.workloads import WORKLOADS

VOCABULARY = 2_500
"""So many words that seqlab moves only the used rows of a table, as it does at full size."""


def small(name: str) -> Workload:
    """A workload with nothing left but what is particular to it; without dropout both sides can be equal."""
    work = replace(WORKLOADS[name], vocabulary=VOCABULARY, rows=3, window=5, dropout=0.0, rate=0.5)
    if isinstance(work, LanguageModelling):
        return replace(work, embedding=6 if work.tied else 4, hidden=6)
    assert isinstance(work, Classifying)
    return replace(work, embedding=4, hidden=6 if work.hidden else 0, linear=7)


SMALL = {name: small(name) for name in WORKLOADS}
