"""Texts that several splits share, found by a hash of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.int64]
"""A hash of each text; among a million texts, two different ones have the same one with probability 3e-8."""
SharedTexts = Mapping[str, Mapping[str, int]]
"""Of each split, how many of its texts are also in each other split."""


def text_keys(texts: Iterable[str]) -> Keys:
    """The hashes of some texts."""
    digests = (hashlib.blake2b(t.encode("utf-8", "surrogatepass"), digest_size=8).digest() for t in texts)
    return np.frombuffer(b"".join(digests), dtype=np.int64)


def shared_texts(keys: Mapping[str, Keys]) -> dict[str, dict[str, int]]:
    """How many texts of each split are also in each other one.

    >>> shared_texts({"train": text_keys(["a", "b", "a"]), "valid": text_keys(["a", "c"])})
    {'train': {'valid': 2}, 'valid': {'train': 1}}
    """
    return {
        name: {other: int(np.isin(own, keys[other]).sum()) for other in keys if other != name}
        for name, own in keys.items()
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
