"""What generated datasets share: sizes, seed, and one generator of random numbers a split."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from pydantic import Field

from seqlab.data.dataset import Corpus, DatasetConfig
from seqlab.schema.config import plain


class GeneratedConfig(DatasetConfig, ABC):
    """Seeded samples of a known distribution; splits are drawn independently, so short samples repeat."""

    version: ClassVar[int]
    """Raised when the same settings give other samples than before."""

    train: int = Field(default=140_000, ge=1)
    """Sequences of the training split."""
    valid: int = Field(default=5_000, ge=1)
    """Sequences of the validation split."""
    test: int = Field(default=5_000, ge=1)
    """Sequences of the test split."""
    seed: int = Field(default=0, ge=0)
    """Fixes the samples; the size of one split does not change those of another."""

    @abstractmethod
    def draw(self, count: int, random: np.random.Generator) -> list[str]:
        """So many samples; more of them begin with the same ones."""

    @abstractmethod
    def next_token(self, prefix: str) -> dict[str, float]:
        """The exact distribution of what stands behind a prefix: characters, or `.end`.

        A pure function of the settings and the prefix; tokens that cannot follow may be left out.

        Raises:
            UserError: no sample begins so.
        """

    @abstractmethod
    def is_member(self, text: str) -> bool:
        """Whether the text belongs to the language, exactly."""

    def content_hash(self) -> str:
        """SHA-256 of the settings and the generator's version."""
        settings = {key: value for key, value in plain(self).items() if key != "tokenizer"}
        text = json.dumps({**settings, "version": self.version}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def read(self) -> Corpus:
        """Draw every split; see `DatasetConfig.read`."""
        sizes = {"train": self.train, "valid": self.valid, "test": self.test}
        return Corpus(
            {
                name: self.draw(size, np.random.default_rng([self.seed, index]))
                for index, (name, size) in enumerate(sizes.items())
            }
        )
