"""Occlusion: what changes when a word is left out."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from typing_extensions import override

from seqlab.evaluate.explainer import Explainer, WordEffects, explained
from seqlab.evaluate.text_predictor import TextPredictor
from seqlab.evaluate.word_groups import NO_WORD, ReadText
from seqlab.schema.errors import UserError

TOKENS_AT_ONCE = 1_000_000
"""Tokens of shortened texts that exist at a time, at most; more where one text alone has them."""
MOST_TOKENS = 50_000_000
"""Tokens of all shortened texts of one text, at most: each word needs the whole text read once more."""


class Occlusion(Explainer):
    """The text is read once more for each word, without that word."""

    meaning = (
        "An effect is by how much the value is higher with the word than without it, the other words being "
        "left as they are. Effects do not add up to the value: what several words say together counts for "
        "each of them, or for none."
    )
    reason: ClassVar[str] = ""

    def __init__(self, loaded: TextPredictor, steps: int | None):
        super().__init__(loaded, steps)
        self.meaning = f"{type(self).meaning} {loaded.left_out}"
        if steps is not None:
            raise UserError("'steps' needs the method 'integrated-gradients'. Got 'occlusion'.")

    @override
    def effects(self, read: ReadText, output: int) -> WordEffects:
        # Without no word, the text is whole.
        words = [NO_WORD, *read.words_read]
        if (len(words) - 1) * len(read.tokens) > MOST_TOKENS:
            raise UserError(
                f"Occlusion reads a text once for each word, so both together must be at most "
                f"{MOST_TOKENS:,} tokens. Got {len(words) - 1:,} words of {len(read.tokens):,} tokens. "
                "Nearest: a shorter text, or of one network --method integrated-gradients."
            )
        size = max(1, TOKENS_AT_ONCE // max(1, len(read.tokens)))
        parts = [words[begin : begin + size] for begin in range(0, len(words), size)]
        outputs = np.concatenate([self.loaded.without(read, part) for part in parts])
        value, *without = explained(torch.from_numpy(outputs), output).tolist()
        return WordEffects(value - np.array(without, dtype=np.float64), value)
