"""What all drawn datasets share: they come from their settings alone."""

from __future__ import annotations

import hashlib
import json
from abc import ABC
from typing import ClassVar

from seqlab.data.dataset import About
from seqlab.data.dataset_config import DatasetConfig
from seqlab.schema.config import plain


class SeededConfig(DatasetConfig, ABC):
    """Content that the settings, a seed among them, fix."""

    version: ClassVar[int]
    """Raised when the same settings give other content than before."""
    description: ClassVar[str]
    """What the texts are, in one sentence."""

    def about(self) -> About:
        """Origin and licence."""
        return About(self.description, "generated", "none needed")

    def content_hash(self) -> str:
        """SHA-256 of the settings and the generator's version."""
        settings = {key: value for key, value in plain(self).items() if key != "tokenizer"}
        text = json.dumps({**settings, "version": self.version}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
