"""Which tokens and pairs of neighbours a text holds. Legend: N texts, F features, V vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seqlab.baselines.baseline import Integers
from seqlab.data.ragged import Ragged

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def occurrences(texts: Ragged, vocabulary: int, length: int) -> tuple[Integers, Integers]:
    """Every token, and with length 2 every pair of neighbours, of every text.

    Returns:
        The text of each occurrence and its key: token a is a, tokens a b are V + V a + b.

    >>> rows, keys = occurrences(Ragged(np.array([2, 1, 0], np.int32), np.array([0, 2, 3])), 3, 2)
    >>> rows.tolist(), keys.tolist()
    ([0, 0, 1, 0], [2, 1, 0, 10])
    """
    tokens = texts.tokens.astype(np.int64)
    rows = np.repeat(np.arange(len(texts)), texts.lengths)
    if length == 1:
        return rows, tokens
    within = rows[1:] == rows[:-1]
    pairs = (vocabulary + vocabulary * tokens[:-1] + tokens[1:])[within]
    return np.concatenate([rows, rows[1:][within]]), np.concatenate([tokens, pairs])


def learned(texts: Ragged, vocabulary: int, length: int) -> tuple[Integers, csr_array]:
    """The keys of all features that occur, ascending (F,), and where they do, (N, F)."""
    rows, keys = occurrences(texts, vocabulary, length)
    known, columns = np.unique(keys, return_inverse=True)
    return known, _binary(rows, columns, (len(texts), len(known)))


def known(texts: Ragged, keys: Integers, vocabulary: int, length: int) -> csr_array:
    """Where features with these keys occur, (N, F); others are left out."""
    rows, found = occurrences(texts, vocabulary, length)
    columns = np.minimum(np.searchsorted(keys, found), max(0, len(keys) - 1))
    kept = keys[columns] == found
    return _binary(rows[kept], columns[kept], (len(texts), len(keys)))


def _binary(rows: Integers, columns: Integers, shape: tuple[int, int]) -> csr_array:
    """1 where there is an occurrence or several; columns of a row ascend."""
    from scipy.sparse import coo_array

    matrix = coo_array((np.ones(len(rows)), (rows.astype(np.int32), columns.astype(np.int32))), shape).tocsr()
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix
