"""Splits made from labelled rows: seeded, every label in each split, equal texts together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def split_rows(
    labels: Integers, texts: Integers, shares: Mapping[str, float], seed: int
) -> dict[str, Integers]:
    """Rows of each made split and of `train`, which has the rest; ascending.

    Of each label, every split gets its share of rows, at least one text where there are as many different
    texts as splits; where there are fewer, `train` comes first and the others follow in their order. A text
    counts under the label it first stands with.

    Args:
        labels: of each row.
        texts: equal numbers stand for equal texts.
        shares: fraction of the rows of each split but `train`; one of 0 is not made.
        seed: fixes which rows they are.

    >>> rows = np.arange(10)
    >>> {name: part.tolist() for name, part in divide(rows // 5, rows, {"valid": 0.2}, seed=0).items()}
    {'train': [0, 1, 3, 4, 5, 6, 7, 8], 'valid': [2, 9]}
    """
    _, firsts, group_of, sizes = np.unique(texts, return_index=True, return_inverse=True, return_counts=True)
    made = [name for name, share in shares.items() if share > 0]
    random = np.random.default_rng(seed)
    place = np.zeros(len(sizes), dtype=np.int64)  # 0 is train, then `made` in its order
    for label in np.unique(labels):
        groups = np.flatnonzero(labels[firsts] == label)
        groups = groups[random.permutation(len(groups))]
        begin = 0
        for index, name in enumerate(made, start=1):
            target = max(1, round(shares[name] * int(sizes[groups].sum())))
            # A text that is repeated more often than the split has rows for this label stays in train.
            groups[begin:] = groups[begin:][np.argsort(sizes[groups[begin:]] > target, kind="stable")]
            room = max(0, len(groups) - begin - 1)
            end = begin + min(room, 1 + int(np.searchsorted(np.cumsum(sizes[groups[begin:]]), target)))
            place[groups[begin:end]] = index
            begin = end
    rows = place[group_of]
    return {name: np.flatnonzero(rows == index) for index, name in enumerate(["train", *made])}
