"""Occlusion: what changes when a word is left out. Legend: W words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
import torch
from typing_extensions import override

from seqlab.data.ragged import ragged
from seqlab.evaluate.explainer import Explainer, Floats, Integers, WordEffects, explained
from seqlab.evaluate.loaded import LoadedRun
from seqlab.schema.errors import UserError

TOKENS_AT_ONCE = 1_000_000
"""Tokens of shortened texts that exist at a time, at most; more where one text alone has them."""
MOST_TOKENS = 50_000_000
"""Tokens of all shortened texts of one text, at most: each word needs the whole text read once more."""


class Occlusion(Explainer):
    """The text is read once more for each word, without the tokens of that word."""

    meaning: ClassVar[str] = (
        "An effect is by how much the value is higher with the word than without it, the other words being "
        "left as they are. Effects do not add up to the value: what several words say together counts for "
        "each of them, or for none."
    )
    reason: ClassVar[str] = ""

    def __init__(self, loaded: LoadedRun, steps: int | None):
        super().__init__(loaded, steps)
        if steps is not None:
            raise UserError("'steps' needs the method 'integrated-gradients'. Got 'occlusion'.")

    @override
    def effects(self, tokens: Integers, words: Sequence[Integers], output: int) -> WordEffects:
        if len(words) * len(tokens) > MOST_TOKENS:
            raise UserError(
                f"Occlusion reads a text once for each word, so both together must be at most "
                f"{MOST_TOKENS:,} tokens. Got {len(words):,} words of {len(tokens):,} tokens. Nearest: "
                "--method integrated-gradients, or a shorter text."
            )
        parts = [self._values(part, output) for part in _shortened(tokens, words)]
        # The whole text comes first.
        value, *without = np.concatenate(parts).tolist()
        return WordEffects(value - np.array(without, dtype=np.float64), value)

    def _values(self, texts: list[Integers], output: int) -> Floats:
        outputs = torch.from_numpy(self.loaded.outputs(ragged(texts)))
        return explained(outputs, output).numpy()


def _shortened(tokens: Integers, words: Sequence[Integers]) -> Iterator[list[Integers]]:
    """The text, then the text without each of its words, some at a time."""
    left_out = [np.zeros(0, dtype=np.int64), *words]
    count = max(1, TOKENS_AT_ONCE // max(1, len(tokens)))
    for begin in range(0, len(left_out), count):
        yield [np.delete(tokens, word) for word in left_out[begin : begin + count]]
