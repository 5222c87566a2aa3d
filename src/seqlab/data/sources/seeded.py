"""What all generated datasets share: their content follows from their settings."""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC
from typing import ClassVar

from typing_extensions import override

from seqlab.data.dataset import About
from seqlab.data.dataset_config import DatasetConfig
from seqlab.schema.config import plain
from seqlab.schema.errors import UserError

APPLIED_LATER = frozenset({"tokenizer", "train_size"})
"""Settings that do not change which texts are generated."""
MAX_TOKENS = 100_000_000
"""Tokens of a split above which it is not generated."""


class SeededConfig(DatasetConfig, ABC):
    """A dataset whose content is determined by its settings, one of which is a seed."""

    version: ClassVar[int]
    """Increased when the same settings give different content than before."""
    description: ClassVar[str]
    """What the texts are, in one sentence."""

    @override
    def about(self) -> About:
        return About(self.description, "generated", "none needed")

    @override
    def content_hash(self) -> str:
        settings = {key: value for key, value in plain(self).items() if key not in APPLIED_LATER}
        text = json.dumps({**settings, "version": self.version}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def check_size(setting: str, count: int, tokens: float) -> None:
    """Make sure that a split is small enough to be generated, before it is.

    Args:
        setting: the one that asks for the number of texts.
        count: texts of the split.
        tokens: of a text, on average or at most.

    Raises:
        UserError: it is too large.
    """
    # Not their product, because a count may be too large for a float.
    if count > MAX_TOKENS / tokens:
        most = int(MAX_TOKENS / tokens)
        nearest = f"{setting}={most}, or shorter texts" if most else "shorter texts"
        raise UserError(
            f"{setting!r} must ask for at most {MAX_TOKENS:,} tokens. Got {count:,} texts of {tokens:,.0f} "
            f"tokens, {count * math.ceil(tokens):,} together. Nearest: {nearest}."
        )
