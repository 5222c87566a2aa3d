"""Tiny Shakespeare: 1,115,394 characters of plays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.dataset import About, Corpus
from seqlab.data.dataset_config import DatasetConfig
from seqlab.data.fetch import checksums_of, source_file
from seqlab.data.sources.text_files import read_text
from seqlab.data.tokenizers.characters import CharactersConfig
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.schema.registry import ByKind

_CHECKSUM = "sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
_URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"


class TinyShakespeareConfig(DatasetConfig):
    r"""One running text, in order: 90 % for train, 5 % for valid, 5 % for test.

    >>> split_text("First Citizen:\nSpeak.")
    {'train': 'First Citizen:\nSpe', 'valid': 'a', 'test': 'k.'}
    """

    kind: Literal["tiny_shakespeare"] = "tiny_shakespeare"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = CharactersConfig()
    """How texts become tokens."""

    @override
    def about(self) -> About:
        return About(
            "Speeches from Shakespeare's plays, 1,115,394 characters.",
            "github.com/karpathy/char-rnn, data/tinyshakespeare",
            "public domain",
        )

    @override
    def content_hash(self) -> str:
        return checksums_of(_path()).sha256

    @override
    def read(self) -> Corpus:
        return Corpus({name: [text] for name, text in split_text(read_text(_path())).items()}, running=True)


def split_text(text: str) -> dict[str, str]:
    """The first 90 % of the characters for train, the next 5 % for valid, the rest for test."""
    valid, test = len(text) * 90 // 100, len(text) * 95 // 100
    return {"train": text[:valid], "valid": text[valid:test], "test": text[test:]}


def _path() -> Path:
    return source_file("tiny_shakespeare/input.txt", checksums=[_CHECKSUM], urls=[_URL])
