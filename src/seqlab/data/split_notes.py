"""Sentences about encoded splits that the user of the data should read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from seqlab.data.dataset import Split
from seqlab.data.shared_texts import shared_texts, sharing_note

LONG, TIMES_THE_MEDIAN = 100_000, 1_000
"""A text of so many tokens, and so many times as long as the median, is reported."""


def split_notes(splits: Mapping[str, Split], *, drawn: bool) -> list[str]:
    """What to say about the splits of a dataset.

    Args:
        splits: by name.
        drawn: whether they are independent draws, which share texts by chance.
    """
    notes = [*_empty_texts(splits), *_long_texts(splits)]
    if not drawn:
        keys = {name: split.keys for name, split in splits.items() if split.keys is not None}
        notes += sharing_note(shared_texts(keys), {name: len(split) for name, split in splits.items()})
    return notes


def _empty_texts(splits: Mapping[str, Split]) -> Iterator[str]:
    """Texts without a token; they are kept, and a model reads nothing in them."""
    for name, split in splits.items():
        if count := int((split.text.lengths == 0).sum()):
            yield (
                f"{count:,} of {len(split):,} texts in {name!r} hold no token: they are empty, or the "
                "tokenizer finds nothing in them. They are kept."
            )


def _long_texts(splits: Mapping[str, Split]) -> Iterator[str]:
    """Texts so long that the batch they are in needs many times the memory of all others."""
    median = float(np.median(splits["train"].text.lengths))
    for name, split in splits.items():
        longest = int(split.text.lengths.max())
        if not split.running and longest >= max(LONG, TIMES_THE_MEDIAN * median):
            yield (
                f"The longest text in {name!r} has {longest:,} tokens, the median {median:,.0f}. The batch "
                "that holds it needs memory and time for as many; 'data.max_length' cuts longer texts."
            )
