"""Interpolated modified Kneser-Ney. Legend: V tokens, G sequences that occur, N positions, B rows.

Chen and Goodman 1998, "An empirical study of smoothing techniques", section 3. For a history h of the order
k and the same without its first token, h':

    p_k(w | h) = max(0, a(h w) - D(a(h w))) / A(h) + B(h) p_(k-1)(w | h'),    A(h) = sum_w a(h w)
    B(h) = (D_1 N_1(h) + D_2 N_2(h) + D_3 N_3+(h)) / A(h),    p_0(w) = 1 / V

N_c(h) is the number of tokens w with a(h w) = c, N_3+ of those with 3 or more; D(a) is D_1, D_2 or D_3
likewise, and p_k(w | h) = p_(k-1)(w | h') after a history that never occurred. In the highest order a(g) is
the number of occurrences of g. In lower orders it is the number of ways to extend g to the left: the number
of different tokens before it, and each occurrence at the beginning of a text, which has none, counts as one.
Each order's discounts come from n_c, the number of its sequences with a(g) = c:

    Y = n_1 / (n_1 + 2 n_2),    D_c = c - (c + 1) Y n_(c+1) / n_c

Probabilities are exact, positive, and sum to 1 over all V tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
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
from seqlab.baselines.token_stream import TokenStream, started_stream, stream_of
from seqlab.data.dataset import Split
from seqlab.data.ragged import Ragged
from seqlab.data.tokenizers.vocabulary import Vocabulary

POSITIONS_AT_ONCE, PROBABILITIES_AT_ONCE = 1 << 18, 1 << 22
"""Positions, or probabilities of all outputs, that are in memory together; changes no number."""
FALLBACK = (0.5, 1.0, 1.5)
"""Discounts where there is too little text to estimate them: some n_c is 0, or D_c not between 0 and c."""


class NGramConfig(BaselineConfig):
    """The next token by how often it followed the preceding few tokens; interpolated modified Kneser-Ney.

    Chen and Goodman 1998; see `seqlab.baselines.n_gram` for the equations. Order 1 is the unigram model.
    """

    kind: Literal["n-gram"] = "n-gram"
    """Name of the baseline."""
    task: ClassVar[str] = "language-model"
    order: int = Field(default=5, ge=1, le=100)
    """Tokens of the longest counted sequence: the predicted one and up to order - 1 before it."""

    @override
    def fit(self, context: FitContext, train: Split) -> Baseline:
        return NGram.fit(train, context.tokenizer.vocabulary, self.order)

    @override
    def restore(self, context: FitContext, arrays: Arrays) -> Baseline:
        return NGram(arrays, context.tokenizer.vocabulary, self.order)


@dataclass(frozen=True)
class Counts:
    """Sequences of one length: `keys` (G,) are history V + w, ascending, and `counts` (G,) their a(h w).

    A history is identified by its index among the sequences that are one token shorter; a single token by
    its id.
    """

    keys: Integers
    counts: Integers


class Order:
    """The terms that one order contributes, as a function of its counts.

    shares (G + 1,) are (a - D(a)) / A of its sequences, `left` is B of each history. Both end with the value
    of a sequence that never occurred, 0 and 1, so that the index -1 finds it.
    """

    def __init__(self, counted: Counts, vocabulary: int, histories: int):
        self.keys = counted.keys
        off = discounts(counted.counts)[np.minimum(counted.counts, 3)]
        history = counted.keys // vocabulary
        total = np.bincount(history, weights=counted.counts, minlength=histories)
        divisor = np.maximum(total, 1.0)  # a history that nothing follows has no share to divide
        self.shares = np.append((counted.counts - off) / divisor[history], 0.0)
        left = np.bincount(history, weights=off, minlength=histories) / divisor
        self.left = np.append(np.where(total > 0, left, 1.0), 1.0)


class NGram(Baseline):
    """The fitted model: counts of every order, and the probabilities that follow from them."""

    causal: ClassVar[bool] = True

    def __init__(self, arrays: Arrays, vocabulary: Vocabulary, order: int):
        """Restore from `counts.1` (V,), and `keys.k` and `counts.k` of the orders k from 2."""
        self._arrays, self._vocabulary, self._order = arrays, vocabulary, order
        size = len(vocabulary)
        first = Order(Counts(np.arange(size), arrays["counts.1"]), size, 1)
        self._unigram = first.shares[:-1] + first.left[0] / size
        self._orders: list[Order] = []
        for k in range(2, order + 1):
            histories = len(self._orders[-1].keys) if self._orders else size
            self._orders.append(Order(Counts(arrays[f"keys.{k}"], arrays[f"counts.{k}"]), size, histories))

    @classmethod
    def fit(cls, train: Split, vocabulary: Vocabulary, order: int) -> NGram:
        """Count the sequences of the training split, up to `order` tokens long."""
        counted = count(stream_of(train.text, vocabulary), len(vocabulary), order)
        arrays = {f"counts.{k}": counts.counts for k, counts in enumerate(counted, start=1)}
        arrays |= {f"keys.{k}": counts.keys for k, counts in enumerate(counted, start=1) if k > 1}
        return cls(arrays, vocabulary, order)

    @override
    def arrays(self) -> Arrays:
        return self._arrays

    @override
    def parameters(self) -> dict[str, int]:
        counts = {f"sequences of {k}": self._arrays[f"counts.{k}"].size for k in range(1, self._order + 1)}
        return {**counts, "discounts": 3 * self._order}

    @override
    def score(self, split: Split, *, dense: bool) -> Iterator[TargetScores]:
        stream = stream_of(split.text, self._vocabulary)
        at_once = max(1, PROBABILITIES_AT_ONCE // len(self._vocabulary)) if dense else POSITIONS_AT_ONCE
        for begin in range(0, len(stream.tokens), at_once):
            # Tokens before the order - 1 preceding ones cannot change a probability.
            context = slice(max(0, begin - self._order + 1), begin + at_once)
            part = TokenStream(stream.tokens[context], stream.positions[context])
            targets = (part.positions > 0) & (np.arange(len(part.positions)) >= begin - context.start)
            if targets.any():
                yield self._score(part, targets, dense=dense)

    @override
    def predict(self, rows: Ragged) -> Floats:
        last = rows.offsets[1:] - 1
        histories = [ids[last] for ids in self._sequences(started_stream(rows))[: self._order - 1]]
        return np.log(self._all(histories, len(rows)))

    def _score(self, stream: TokenStream, targets: NDArray[np.bool_], *, dense: bool) -> TargetScores:
        sequences, tokens = self._sequences(stream), stream.tokens[targets]
        histories = [_previous(ids, stream.positions)[targets] for ids in sequences[: self._order - 1]]
        if dense:
            outputs = np.log(self._all(histories, len(tokens)))
            nats = -outputs[np.arange(len(tokens)), tokens]
            return TargetScores(nats, tokens, stream.positions[targets] - 1, outputs)
        probabilities = self._unigram[tokens]
        for order, history, ids in zip(self._orders, histories, sequences[1:], strict=True):
            probabilities = order.left[history] * probabilities + order.shares[ids[targets]]
        return TargetScores(-np.log(probabilities), tokens, stream.positions[targets] - 1, None)

    def _sequences(self, stream: TokenStream) -> list[Integers]:
        """Indices (N,) of the sequences of each length that end at each position, -1 where unknown."""
        indices = [stream.tokens]
        for order in self._orders:
            previous = _previous(indices[-1], stream.positions)
            wanted = np.where(previous >= 0, previous * len(self._vocabulary) + stream.tokens, -1)
            indices.append(_find(order.keys, wanted))
        return indices

    def _all(self, histories: list[Integers], rows: int) -> Floats:
        """Probabilities (B, V) after histories of every length, given by their indices (B,) or -1."""
        size = len(self._vocabulary)
        probabilities = np.tile(self._unigram, (rows, 1))
        for order, history in zip(self._orders, histories, strict=True):
            occurs = np.flatnonzero(history >= 0)
            probabilities[occurs] *= order.left[history[occurs], None]
            # Keys ascend, so the sequences that extend one history are neighbours.
            begins, ends = (np.searchsorted(order.keys, (history[occurs] + more) * size) for more in (0, 1))
            counts = ends - begins
            # The concatenated ranges begins[i]:ends[i], without a loop over rows.
            indices = np.arange(counts.sum()) + np.repeat(begins - np.cumsum(counts) + counts, counts)
            probabilities[np.repeat(occurs, counts), order.keys[indices] % size] += order.shares[indices]
        return probabilities


def count(stream: TokenStream, vocabulary: int, order: int) -> list[Counts]:
    """The sequences of 1 to `order` tokens that end at a target, and their a(g)."""
    ids, targets = stream.tokens, stream.positions > 0
    counted, keys = [], np.arange(vocabulary)
    for k in range(2, order + 1):
        whole = stream.positions >= k - 1
        longer = (_previous(ids, stream.positions) * vocabulary + stream.tokens)[whole]
        distinct, firsts, inverse = np.unique(longer, return_index=True, return_inverse=True)
        # Each longer sequence is one more way to extend its end, one token shorter, to the left.
        extensions = np.bincount(ids[whole][firsts], minlength=len(keys))
        extensions += np.bincount(ids[targets & (stream.positions == k - 2)], minlength=len(keys))
        counted.append(Counts(keys, extensions))
        keys, ids = distinct, np.full(len(stream.tokens), -1)
        ids[whole] = inverse
        targets = whole
    counted.append(Counts(keys, np.bincount(ids[targets], minlength=len(keys))))
    return counted


def discounts(counts: Integers) -> Floats:
    """Discounts of counts of 0, 1, 2, and 3 or more, (4,).

    >>> discounts(np.array([1, 1, 1, 1, 1, 1, 2, 2, 3, 3, 4])).round(3).tolist()
    [0.0, 0.6, 0.2, 1.8]
    >>> discounts(np.array([7, 7])).tolist()
    [0.0, 0.5, 1.0, 1.5]
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6)[1:5]
    if not n.all():
        return np.array([0.0, *FALLBACK])
    c = np.arange(1, 4)
    estimated = c - (c + 1) * n[0] / (n[0] + 2 * n[1]) * n[1:] / n[:-1]
    valid = bool(np.all((estimated > 0) & (estimated < c)))
    return np.array([0.0, *(estimated if valid else FALLBACK)])


def _previous(ids: Integers, positions: Integers) -> Integers:
    """The id that ends one position earlier in the same text; -1 where there is none."""
    return np.where(positions > 0, np.concatenate([[-1], ids[:-1]]), -1)


def _find(keys: Integers, wanted: Integers) -> Integers:
    """Indices of the wanted values among ascending keys, -1 where there is none."""
    if not len(keys):
        return np.full(len(wanted), -1)
    indices = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[indices] == wanted, indices, -1)
