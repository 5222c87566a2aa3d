"""The distribution that generated texts are drawn from, as a predictor. Legend: N targets, V tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
from typing_extensions import override

from seqlab.baselines.baseline import (
    Arrays,
    Baseline,
    BaselineConfig,
    FitContext,
    Floats,
    Integers,
    TargetScores,
)
from seqlab.data.dataset import Split
from seqlab.data.ragged import Ragged
from seqlab.data.token_oracle import TokenOracle
from seqlab.schema.errors import UserError

TEXTS_AT_ONCE = 64
"""Texts that are scored together: bounds memory, changes no number."""


class OracleBaselineConfig(BaselineConfig):
    """The distribution itself that texts are drawn from: its loss is the lower bound for every model.

    Nothing is fitted.
    """

    kind: Literal["oracle"] = "oracle"
    """Name of the baseline."""
    task: ClassVar[str] = "language-model"

    @override
    def check(self, context: FitContext, train: Split) -> None:
        oracle_of(context)

    @override
    def fit(self, context: FitContext, train: Split) -> Baseline:
        return OracleBaseline(oracle_of(context))

    @override
    def restore(self, context: FitContext, arrays: Arrays) -> Baseline:
        return OracleBaseline(oracle_of(context))


def oracle_of(context: FitContext) -> TokenOracle:
    """The exact distribution of a dataset.

    Raises:
        UserError: the distribution is unknown, or it is not over the tokens of the tokenizer.
    """
    oracle = context.data.oracle(context.tokenizer)
    if oracle is None:
        raise UserError(
            "'baseline.kind' must not be 'oracle' where the distribution of the data is unknown: it takes "
            "generated data and data.tokenizer.kind='characters', or 'whitespace' for words. "
            f"Got data.kind={context.data.kind!r} and data.tokenizer.kind={context.data.tokenizer.kind!r}. "
            "Nearest: baseline.kind=n-gram."
        )
    return oracle


class OracleBaseline(Baseline):
    """Each next token with its exact probability; the mean loss is `seqlab.data.oracle_floor.floor`."""

    causal: ClassVar[bool] = True

    def __init__(self, oracle: TokenOracle):
        self._oracle = oracle

    @override
    def arrays(self) -> Arrays:
        return {}

    @override
    def parameters(self) -> dict[str, int]:
        return {}

    @override
    def score(self, split: Split, *, dense: bool) -> Iterator[TargetScores]:
        for begin in range(0, len(split), TEXTS_AT_ONCE):
            texts = split.text.slice(begin, begin + TEXTS_AT_ONCE)
            probabilities = np.concatenate([self._oracle.probabilities(ids) for ids in texts])
            # The end of every text is a target, too.
            targets = np.concatenate([np.append(ids, self._oracle.end) for ids in texts]).astype(np.int64)
            yield _scores(_log(probabilities), targets, texts.lengths + 1)

    @override
    def predict(self, rows: Ragged) -> Floats:
        """Log probabilities of the token after each prefix.

        Raises:
            UserError: no text begins as a row does.
        """
        return _log(np.stack([self._oracle.after(prefix[1:]) for prefix in rows]))


def _scores(outputs: Floats, targets: Integers, counts: Integers) -> TargetScores:
    """Scores of whole texts; `counts` are their numbers of targets."""
    positions = np.arange(len(targets)) - np.repeat(np.cumsum(counts) - counts, counts)
    return TargetScores(-outputs[np.arange(len(targets)), targets], targets, positions, outputs)


def _log(probabilities: Floats) -> Floats:
    """Natural logarithm, minus infinity for what never happens."""
    with np.errstate(divide="ignore"):
        return np.log(probabilities)
