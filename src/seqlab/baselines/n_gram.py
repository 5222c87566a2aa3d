"""Interpolated modified Kneser-Ney. Legend: V tokens, G sequences that occur, N places, B rows.

Chen and Goodman 1998, "An empirical study of smoothing techniques", section 3. For a history h and the
same without its first token, h', the order of h w being k:

    p_k(w | h) = max(0, a(h w) - D(a(h w))) / A(h) + B(h) p_(k-1)(w | h'),    A(h) = sum_w a(h w)
    B(h) = (D_1 N_1(h) + D_2 N_2(h) + D_3 N_3+(h)) / A(h),    p_0(w) = 1 / V

N_c(h) counts the tokens w with a(h w) = c, N_3+ those with 3 or more; D(a) is D_1, D_2 or D_3 alike, and
p_k(w | h) = p_(k-1)(w | h') behind a history that never occurred. In the highest order a(g) is how often g
occurs. In lower ones it is in how many ways g goes on to the left: the number of different tokens before
it, and each occurrence at the beginning of a text, which has none, counts as one. Each order's discounts
come from n_c, the number of its sequences with a(g) = c:

    Y = n_1 / (n_1 + 2 n_2),    D_c = c - (c + 1) Y n_(c+1) / n_c

Probabilities are exact and sum to 1 over all V tokens, none of them being 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from seqlab.baselines.baseline import Arrays, Baseline, Floats, Integers, TargetScores
from seqlab.baselines.lines import Lines, bare, lines
from seqlab.data.dataset import Split
from seqlab.data.ragged import Ragged
from seqlab.data.tokenizers.vocabulary import Vocabulary

PLACES_AT_ONCE, CHANCES_AT_ONCE = 1 << 18, 1 << 22
"""Places, or probabilities of all outputs, that are in memory together; changes no number."""
FALLBACK = (0.5, 1.0, 1.5)
"""Discounts where there is too little to estimate them: some n_c is 0, or D_c not between 0 and c."""


@dataclass(frozen=True)
class Counts:
    """Sequences of one length: `keys` (G,) are history V + w, ascending, and `counts` (G,) their a(h w).

    A history is known by its place among the sequences one shorter; a single token by its id.
    """

    keys: Integers
    counts: Integers


class Order:
    """What one order of the model adds, as a function of its counts.

    shares (G + 1,) are (a - D(a)) / A of its sequences, `left` is B of each history. Both end with what
    holds where nothing occurred, 0 and 1, so that the index -1 finds it.
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
        self._single = first.shares[:-1] + first.left[0] / size
        self._orders: list[Order] = []
        for k in range(2, order + 1):
            histories = len(self._orders[-1].keys) if self._orders else size
            self._orders.append(Order(Counts(arrays[f"keys.{k}"], arrays[f"counts.{k}"]), size, histories))

    @classmethod
    def fit(cls, train: Split, vocabulary: Vocabulary, order: int) -> NGram:
        """Count the sequences of the training split, up to `order` tokens long."""
        counted = count(lines(train.text, vocabulary), len(vocabulary), order)
        arrays = {f"counts.{k}": one.counts for k, one in enumerate(counted, start=1)}
        arrays |= {f"keys.{k}": one.keys for k, one in enumerate(counted, start=1) if k > 1}
        return cls(arrays, vocabulary, order)

    @override
    def arrays(self) -> Arrays:
        return self._arrays

    def parameters(self) -> dict[str, int]:
        """Counts of sequences, by their length, and three discounts an order."""
        counts = {f"sequences of {k}": self._arrays[f"counts.{k}"].size for k in range(1, self._order + 1)}
        return {**counts, "discounts": 3 * self._order}

    def score(self, split: Split, *, dense: bool) -> Iterator[TargetScores]:
        """See `Baseline.score`; a running text's history goes back to its start token."""
        text = lines(split.text, self._vocabulary)
        at_once = max(1, CHANCES_AT_ONCE // len(self._vocabulary)) if dense else PLACES_AT_ONCE
        for begin in range(0, len(text.tokens), at_once):
            # Further back than its history nothing changes a probability.
            seen = slice(max(0, begin - self._order + 1), begin + at_once)
            part = Lines(text.tokens[seen], text.places[seen])
            targets = (part.places > 0) & (np.arange(len(part.places)) >= begin - seen.start)
            if targets.any():
                yield self._score(part, targets, dense=dense)

    @override
    def answer(self, rows: Ragged) -> Floats:
        last = rows.offsets[1:] - 1
        histories = [ids[last] for ids in self._sequences(bare(rows))[: self._order - 1]]
        return np.log(self._all(histories, len(rows)))

    def _score(self, text: Lines, targets: NDArray[np.bool_], *, dense: bool) -> TargetScores:
        sequences, tokens = self._sequences(text), text.tokens[targets]
        histories = [_before(ids, text.places)[targets] for ids in sequences[: self._order - 1]]
        if dense:
            probabilities = np.log(self._all(histories, len(tokens)))
            nats = -probabilities[np.arange(len(tokens)), tokens]
            return TargetScores(nats, tokens, text.places[targets] - 1, probabilities)
        found = self._single[tokens]
        for order, history, ids in zip(self._orders, histories, sequences[1:], strict=True):
            found = order.left[history] * found + order.shares[ids[targets]]
        return TargetScores(-np.log(found), tokens, text.places[targets] - 1, None)

    def _sequences(self, text: Lines) -> list[Integers]:
        """Which sequence of each length ends at each place (N,), -1 where none does that is known."""
        found = [text.tokens]
        for order in self._orders:
            before = _before(found[-1], text.places)
            wanted = np.where(before >= 0, before * len(self._vocabulary) + text.tokens, -1)
            found.append(_find(order.keys, wanted))
        return found

    def _all(self, histories: list[Integers], rows: int) -> Floats:
        """Probabilities (B, V) behind histories of every length, known by their place (B,) or -1."""
        size = len(self._vocabulary)
        probabilities = np.tile(self._single, (rows, 1))
        for order, history in zip(self._orders, histories, strict=True):
            occurs = np.flatnonzero(history >= 0)
            probabilities[occurs] *= order.left[history[occurs], None]
            begins, ends = (np.searchsorted(order.keys, (history[occurs] + more) * size) for more in (0, 1))
            counts = ends - begins
            # One after the other, the places of every row's own sequences.
            places = np.arange(counts.sum()) + np.repeat(begins - np.cumsum(counts) + counts, counts)
            probabilities[np.repeat(occurs, counts), order.keys[places] % size] += order.shares[places]
        return probabilities


def count(text: Lines, vocabulary: int, order: int) -> list[Counts]:
    """The sequences of 1 to `order` tokens that end at a target, and their a(g)."""
    ids, targets = text.tokens, text.places > 0
    found, keys = [], np.arange(vocabulary)
    for k in range(2, order + 1):
        whole = text.places >= k - 1
        longer = (_before(ids, text.places) * vocabulary + text.tokens)[whole]
        known, firsts, inverse = np.unique(longer, return_index=True, return_inverse=True)
        # Each longer sequence is another way in which its end, one token shorter, goes on to the left.
        ways = np.bincount(ids[whole][firsts], minlength=len(keys))
        ways += np.bincount(ids[targets & (text.places == k - 2)], minlength=len(keys))
        found.append(Counts(keys, ways))
        keys, ids = known, np.full(len(text.tokens), -1)
        ids[whole] = inverse
        targets = whole
    found.append(Counts(keys, np.bincount(ids[targets], minlength=len(keys))))
    return found


def discounts(counts: Integers) -> Floats:
    """What is taken off counts of 0, 1, 2, and 3 or more, (4,).

    >>> discounts(np.array([1, 1, 1, 1, 1, 1, 2, 2, 3, 3, 4])).round(3).tolist()
    [0.0, 0.6, 0.2, 1.8]
    >>> discounts(np.array([7, 7])).tolist()
    [0.0, 0.5, 1.0, 1.5]
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6)[1:5]
    if not n.all():
        return np.array([0.0, *FALLBACK])
    c = np.arange(1, 4)
    found = c - (c + 1) * n[0] / (n[0] + 2 * n[1]) * n[1:] / n[:-1]
    fits = bool(np.all((found > 0) & (found < c)))
    return np.array([0.0, *(found if fits else FALLBACK)])


def _before(ids: Integers, places: Integers) -> Integers:
    """What ends one place before, in the same text; -1 where there is none."""
    return np.where(places > 0, np.concatenate([[-1], ids[:-1]]), -1)


def _find(keys: Integers, wanted: Integers) -> Integers:
    """Places of ascending keys, -1 where there is none."""
    if not len(keys):
        return np.full(len(wanted), -1)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1)
