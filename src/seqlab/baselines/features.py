"""Binary features: sequences of neighbouring tokens of a text. Legend: N texts, F features, V tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seqlab.baselines.baseline import Integers
from seqlab.data.ragged import Ragged

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def most_keys(vocabulary: int, length: int) -> int:
    """Different keys that features of up to `length` tokens can have."""
    return sum(vocabulary**n for n in range(1, length + 1))


def occurrences(texts: Ragged, vocabulary: int, length: int) -> tuple[Integers, Integers]:
    """Every sequence of up to `length` neighbouring tokens of every text.

    Returns:
        The text of each occurrence and its key: token a is a, tokens a b are V + V a + b, tokens a b c are
        V + V² + V² a + V b + c, and so on.

    >>> rows, keys = occurrences(Ragged(np.array([2, 1, 0], np.int32), np.array([0, 2, 3])), 3, 2)
    >>> rows.tolist(), keys.tolist()
    ([0, 0, 1, 0], [2, 1, 0, 10])
    """
    tokens = texts.tokens.astype(np.int64)
    rows = np.repeat(np.arange(len(texts)), texts.lengths)
    numbers = tokens
    found, keys = [rows], [tokens]
    for n in range(2, length + 1):
        # The tokens as the digits of a number, which begins with those of the sequence one token shorter.
        numbers = numbers[:-1] * vocabulary + tokens[n - 1 :]
        within = rows[n - 1 :] == rows[: len(numbers)]
        found.append(rows[n - 1 :][within])
        keys.append(most_keys(vocabulary, n - 1) + numbers[within])
    return np.concatenate(found), np.concatenate(keys)


def fit_transform(texts: Ragged, vocabulary: int, length: int) -> tuple[Integers, csr_array]:
    """The keys of all features that occur, ascending (F,), and in which texts they do, (N, F)."""
    rows, keys = occurrences(texts, vocabulary, length)
    fitted, columns = np.unique(keys, return_inverse=True)
    return fitted, _binary(rows, columns, (len(texts), len(fitted)))


def transform(texts: Ragged, fitted: Integers, vocabulary: int, length: int) -> csr_array:
    """In which texts features with the fitted keys occur, (N, F); other features are ignored."""
    rows, keys = occurrences(texts, vocabulary, length)
    columns = np.minimum(np.searchsorted(fitted, keys), max(0, len(fitted) - 1))
    kept = fitted[columns] == keys
    return _binary(rows[kept], columns[kept], (len(texts), len(fitted)))


def fitted_columns(keys: Integers, fitted: Integers) -> tuple[Integers, Integers]:
    """The column of each key of one text, and how often the key occurs in it; 0 of one that is not fitted.

    >>> columns, counts = fitted_columns(np.array([4, 9, 4, 7]), np.array([4, 7]))
    >>> columns[counts > 0].tolist(), counts.tolist()
    ([0, 0, 1], [2, 0, 2, 1])
    """
    columns = np.minimum(np.searchsorted(fitted, keys), max(0, len(fitted) - 1))
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return columns, np.where(fitted[columns] == keys, counts[inverse], 0)


def _binary(rows: Integers, columns: Integers, shape: tuple[int, int]) -> csr_array:
    """1 where there is an occurrence or several; columns of a row ascend."""
    from scipy.sparse import coo_array

    matrix = coo_array((np.ones(len(rows)), (rows.astype(np.int32), columns.astype(np.int32))), shape).tocsr()
    # Repeated occurrences are summed first, then every stored entry is set to 1.
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix
