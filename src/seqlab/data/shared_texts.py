"""Texts that several splits share, counted as a model reads them: token by token."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import combinations

from seqlab.data.ragged import Ragged

SharedTexts = Mapping[str, Mapping[str, int]]
"""Of each split, how many of its texts are also in each other split."""


def shared_texts(texts: Mapping[str, Ragged]) -> dict[str, dict[str, int]]:
    """How many texts of each split are also in each other one.

    >>> import numpy as np
    >>> a = Ragged(np.array([1, 1, 2, 1], dtype=np.int32), np.array([0, 1, 3, 4]))
    >>> b = Ragged(np.array([1, 3], dtype=np.int32), np.array([0, 1, 2]))
    >>> shared_texts({"train": a, "valid": b})
    {'train': {'valid': 2}, 'valid': {'train': 1}}
    """
    # 16 bytes for each text, so that a large split is never in memory whole.
    keys = {
        name: [hashlib.blake2b(ids.tobytes(), digest_size=16).digest() for ids in rows]
        for name, rows in texts.items()
    }
    distinct = {name: frozenset(found) for name, found in keys.items()}
    return {
        name: {other: sum(map(distinct[other].__contains__, keys[name])) for other in texts if other != name}
        for name in texts
    }


def sharing_note(shared: SharedTexts, sizes: Mapping[str, int]) -> list[str]:
    """A sentence on texts that splits share; none where they share nothing.

    >>> sharing_note({"train": {"valid": 2}, "valid": {"train": 1}}, {"train": 3, "valid": 2})
    ["Splits share texts: 1 of 2 in 'valid' is in 'train', too."]
    """
    found = [
        f"{count:,} of {sizes[later]:,} in {later!r} {'is' if count == 1 else 'are'} in {earlier!r}, too"
        for earlier, later in combinations(shared, 2)
        if (count := shared[later][earlier])
    ]
    return [f"Splits share texts: {'; '.join(found)}."] if found else []
