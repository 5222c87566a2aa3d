"""The names of Unicode's characters: short texts of few, long words, on every machine."""

from __future__ import annotations

import hashlib
import sys
import unicodedata
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.dataset import About, Corpus
from seqlab.data.dataset_config import DatasetConfig
from seqlab.data.tokenizers.characters import CharactersConfig
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.schema.registry import ByKind

_NUMBERED = (
    "CJK ",
    "HANGUL SYLLABLE",
    "TANGUT IDEOGRAPH",
    "NUSHU CHARACTER",
    "KHITAN SMALL",
    "VARIATION SELECTOR",
)
"""Beginnings of names that are a number or a sound: most of the names, with little to learn."""
_SHARE = 20  # of the names, one in so many is valid, another one test


class UnicodeNamesConfig(DatasetConfig):
    r"""One name a line, in lower case and random order; of the names, 5 % for valid, 5 % for test.

    The names are those of the running Python's `unicodedata`, without those that only number an ideograph.

    >>> corpus = UnicodeNamesConfig(max_names=1000).read()
    >>> {split: text.count("\n") for split, (text,) in corpus.texts.items()}
    {'train': 900, 'valid': 50, 'test': 50}
    """

    kind: Literal["unicode_names"] = "unicode_names"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = CharactersConfig()
    """How texts become tokens."""
    max_names: int = Field(default=50_000, ge=_SHARE)
    """Maximum number of names; others are left out, at random."""
    seed: int = Field(default=0, ge=0)
    """Determines the order of the names, and so which are taken and which split each is in."""

    @override
    def about(self) -> About:
        return About(
            f"Names of the characters of Unicode {unicodedata.unidata_version}.",
            "Unicode Character Database, in Python's unicodedata",
            "Unicode License",
        )

    @override
    def content_hash(self) -> str:
        return hashlib.sha256("".join(self._lines()).encode()).hexdigest()

    @override
    def read(self) -> Corpus:
        lines = self._lines()
        size = len(lines) // _SHARE
        parts = {"train": lines[2 * size :], "valid": lines[:size], "test": lines[size : 2 * size]}
        return Corpus({split: ["".join(part)] for split, part in parts.items()}, running=True)

    def _lines(self) -> list[str]:
        known = names()
        order = np.random.default_rng(self.seed).permutation(len(known))[: self.max_names]
        return [f"{known[index]}\n" for index in order.tolist()]


def names() -> list[str]:
    """The names in lower case, in the order of their characters."""
    found = (unicodedata.name(chr(code), "") for code in range(sys.maxunicode + 1))
    return [name.lower() for name in found if name and not name.startswith(_NUMBERED)]
