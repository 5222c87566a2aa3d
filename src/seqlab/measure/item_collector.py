"""What each item of a split came to, so that models can be compared item by item. Legend: N targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from seqlab.measure.growing_array import GrowingArray
from seqlab.measure.metric import Scored
from seqlab.runs.split_scores import SplitScores
from seqlab.schema.records import Record


@dataclass(frozen=True)
class SplitResult:
    """What an exact pass over a split found: the records of its metrics, and the score of each item.

    outputs: of each text, those of the head, (N, V) float64; None where they were not asked for.
    """

    records: list[Record]
    scores: SplitScores
    outputs: NDArray[np.float64] | None = None


class ItemCollector:
    """Collects what `evaluate` scores: sums for each text, or every token of a running text by itself.

    Args:
        order: the text that row i of the pass is, rows counted through all batches; None for a running
            text, whose targets come in the order of the text.
        outputs: whether the outputs of texts with one target each are kept.
    """

    def __init__(self, order: NDArray[np.int64] | None, *, outputs: bool = False):
        self._order, self._outputs = order, list[NDArray[np.float64]]() if outputs else None
        self._rows, self._nats = GrowingArray(np.int64), GrowingArray(np.float64)
        self._right = GrowingArray(np.bool_)

    def add(self, rows: Int[Tensor, " N"], scored: Scored) -> None:
        """Count some targets, each standing in a row of the pass; without logits none counts as right."""
        self._rows.extend(rows.cpu().numpy())
        self._nats.extend(scored.nats.double().cpu().numpy())
        self._right.extend(scored.right.cpu().numpy())
        if self._outputs is not None:
            self._outputs.append(scored.logits.double().cpu().numpy())

    def outputs(self) -> NDArray[np.float64] | None:
        """The outputs of all texts that were added, (N, V), in the order of the data."""
        if self._outputs is None or self._order is None:
            return None
        found = np.concatenate(self._outputs)
        outputs = np.empty_like(found)
        outputs[self._order[self._rows.values]] = found
        return outputs

    def scores(self) -> SplitScores:
        """All that was added, in the order of the data."""
        rows, nats, right = self._rows.values, self._nats.values, self._right.values
        if self._order is None:
            ones = np.ones(len(nats), dtype=np.int64)
            return SplitScores(nats=nats, targets=ones, right=right.astype(np.int64), running=True)
        items, count = self._order[rows], len(self._order)
        return SplitScores(
            nats=np.bincount(items, weights=nats, minlength=count).astype(np.float64),
            targets=np.bincount(items, minlength=count),
            right=np.bincount(items[right], minlength=count),
            running=False,
        )
