"""Splitting rows so that equal texts are never on both sides. Legend: N rows, G groups of equal texts.

A text that is in training and in validation measures memory, not generalisation. Datasets of real texts have
such duplicates (IMDb has 96 among its training reviews), so all splits are made from groups of equal texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class TextGroups(NamedTuple):
    """Rows grouped by equal texts.

    firsts: (G,) first row of each group. sizes: (G,) rows of each group. group_of: (N,) group of each row.
    """

    firsts: Integers
    sizes: Integers
    group_of: Integers


def group_equal(texts: Integers) -> TextGroups:
    """Groups of rows with equal numbers, in ascending order of the numbers."""
    _, firsts, group_of, sizes = np.unique(texts, return_index=True, return_inverse=True, return_counts=True)
    return TextGroups(firsts, sizes, group_of)


def number_texts(texts: Iterable[str]) -> Integers:
    """Equal numbers for equal texts, from 0 in the order in which texts first occur.

    >>> number_texts(["b", "a", "b"]).tolist()
    [0, 1, 0]
    """
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int64)


def hold_out(texts: Integers, size: int, seed: int) -> Integers:
    """At most `size` random rows, ascending, none of which has a text in common with the others.

    Groups are visited in random order, and each one that still fits is taken. There are fewer rows than
    `size` only if no remaining group is small enough.

    >>> hold_out(np.array([0, 1, 0]), size=1, seed=0).tolist()
    [1]
    """
    groups = group_equal(texts)
    chosen, free = np.zeros(len(groups.sizes), dtype=bool), size
    for group in np.random.default_rng(seed).permutation(len(chosen)).tolist():
        if groups.sizes[group] <= free:
            chosen[group] = True
            free -= int(groups.sizes[group])
    return np.flatnonzero(chosen[groups.group_of])


def split_rows(
    labels: Integers, texts: Integers, shares: Mapping[str, float], seed: int
) -> dict[str, Integers]:
    """Rows of each new split and of `train`, which has the remaining ones; all ascending.

    The split is stratified: each split gets its share of the rows of each label, and at least one text if the
    label has at least as many different texts as there are splits. With fewer texts, `train` comes first and
    the others follow in their order. A text with several labels counts for the label of its first row.

    Args:
        labels: (N,) label of each row.
        texts: (N,) equal numbers for equal texts.
        shares: fraction of the rows for each split except `train`; a split with fraction 0 is not made.
        seed: determines which rows they are.

    >>> rows = np.arange(10)
    >>> {name: part.tolist() for name, part in split_rows(rows // 5, rows, {"valid": 0.2}, seed=0).items()}
    {'train': [0, 1, 3, 4, 5, 6, 7, 8], 'valid': [2, 9]}
    """
    groups = group_equal(texts)
    names = [name for name, share in shares.items() if share > 0]
    random = np.random.default_rng(seed)
    split_of = np.zeros(len(groups.sizes), dtype=np.int64)  # 0 is train, then `names` in their order
    for label in np.unique(labels):
        candidates = np.flatnonzero(labels[groups.firsts] == label)
        candidates = candidates[random.permutation(len(candidates))]
        begin = 0
        for index, name in enumerate(names, start=1):
            target = max(1, round(shares[name] * int(groups.sizes[candidates].sum())))
            chosen = _fill(candidates[begin:], groups.sizes, target)
            split_of[chosen] = index
            begin += len(chosen)
    rows = split_of[groups.group_of]
    return {name: np.flatnonzero(rows == index) for index, name in enumerate(["train", *names])}


def _fill(candidates: Integers, sizes: Integers, target: int) -> Integers:
    """The first groups that have at least `target` rows together; one group at least is left over.

    Reorders the candidates in place: a text that is repeated more often than `target` goes last, so that it
    stays in train if possible.
    """
    candidates[:] = candidates[np.argsort(sizes[candidates] > target, kind="stable")]
    available = max(0, len(candidates) - 1)
    return candidates[: min(available, 1 + int(np.searchsorted(np.cumsum(sizes[candidates]), target)))]
