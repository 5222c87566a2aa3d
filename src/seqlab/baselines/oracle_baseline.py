"""The distribution that generated texts are drawn from, as a predictor. Legend: N targets, V tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from seqlab.baselines.baseline import Arrays, Baseline, Floats, Integers, TargetScores
from seqlab.data.dataset import Split
from seqlab.data.ragged import Ragged
from seqlab.data.token_oracle import TokenOracle

TEXTS_AT_ONCE = 64
"""Texts that are scored together: bounds memory, changes no number."""


class OracleBaseline(Baseline):
    """Each next token with its exact probability; the mean loss is that of `seqlab.data.oracle_floor.floor`."""

    causal: ClassVar[bool] = True

    def __init__(self, oracle: TokenOracle):
        """The baseline of this distribution."""
        self._oracle = oracle

    def arrays(self) -> Arrays:
        """Nothing is fitted."""
        return {}

    def parameters(self) -> dict[str, int]:
        """Nothing is fitted."""
        return {}

    def score(self, split: Split, *, dense: bool) -> Iterator[TargetScores]:
        """See `Baseline.score`; every text's end is a target, too."""
        end = self._oracle.end
        for begin in range(0, len(split), TEXTS_AT_ONCE):
            texts = split.text.slice(begin, begin + TEXTS_AT_ONCE)
            probabilities = [self._oracle.probabilities(ids) for ids in texts]
            targets = [np.append(ids, end).astype(np.int64) for ids in texts]
            yield _scores(_log(np.concatenate(probabilities)), np.concatenate(targets), texts.lengths)

    def answer(self, rows: Ragged) -> Floats:
        """See `Baseline.answer`.

        Raises:
            UserError: no text begins as a row does.
        """
        return _log(np.stack([self._oracle.after(ids[1:]) for ids in rows]))


def _scores(probabilities: Floats, targets: Integers, lengths: Integers) -> TargetScores:
    """Of texts of these lengths, whose ends are targets, too."""
    counts = lengths + 1
    positions = np.arange(len(targets)) - np.repeat(np.cumsum(counts) - counts, counts)
    return TargetScores(-probabilities[np.arange(len(targets)), targets], targets, positions, probabilities)


def _log(probabilities: Floats) -> Floats:
    """Minus infinity for what never happens."""
    with np.errstate(divide="ignore"):
        return np.log(probabilities)
