"""The distribution that generated texts are drawn from, as a predictor. Legend: N targets, V tokens."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar

import numpy as np

from seqlab.baselines.baseline import Arrays, Baseline, Floats, Integers, TargetScores
from seqlab.data.dataset import Split
from seqlab.data.sources.generated import GeneratedConfig
from seqlab.data.token_oracle import TokenOracle
from seqlab.data.tokenizers.tokenizer import Tokenizer

TEXTS_AT_ONCE = 64
"""Texts that are scored together: bounds memory, changes no number."""


class OracleBaseline(Baseline):
    """Each next token with its exact probability; the mean loss is that of `seqlab.data.oracle_floor.floor`."""

    causal: ClassVar[bool] = True

    def __init__(self, data: GeneratedConfig, tokenizer: Tokenizer):
        """The truth about a dataset.

        Raises:
            UserError: tokens are not those that the truth speaks of.
        """
        self._known = TokenOracle(data.language(), tokenizer)

    def arrays(self) -> Arrays:
        """Nothing is fitted."""
        return {}

    def parameters(self) -> dict[str, int]:
        """Nothing is fitted."""
        return {}

    def score(self, split: Split, *, dense: bool) -> Iterator[TargetScores]:
        """See `Baseline.score`; every text's end is a target, too."""
        end = self._known.end
        bounds = list(pairwise(split.offsets.tolist()))
        for place in range(0, len(bounds), TEXTS_AT_ONCE):
            probabilities, targets = [], []
            for first, last in bounds[place : place + TEXTS_AT_ONCE]:
                ids = split.tokens[first:last]
                probabilities.append(self._known.probabilities(ids))
                targets.append(np.append(ids, end).astype(np.int64))
            yield self._scores(
                _log(np.concatenate(probabilities)), np.concatenate(targets), split.lengths[place:]
            )

    def answer(self, rows: Split) -> Floats:
        """See `Baseline.answer`.

        Raises:
            UserError: no text begins as a row does.
        """
        begins = [rows.tokens[first + 1 : last] for first, last in pairwise(rows.offsets.tolist())]
        return _log(np.stack([self._known.behind(ids) for ids in begins]))

    def _scores(self, probabilities: Floats, targets: Integers, lengths: Integers) -> TargetScores:
        """Of whole texts; `lengths` are theirs and perhaps of more behind them."""
        counts = lengths[:TEXTS_AT_ONCE] + 1
        positions = np.arange(len(targets)) - np.repeat(np.cumsum(counts) - counts, counts)
        return TargetScores(
            -probabilities[np.arange(len(targets)), targets], targets, positions, probabilities
        )


def _log(probabilities: Floats) -> Floats:
    """Minus infinity for what never happens."""
    with np.errstate(divide="ignore"):
        return np.log(probabilities)
