"""A user's own running text: a file, several files, or a folder."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator
from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.dataset import About, Corpus
from seqlab.data.dataset_config import DatasetConfig
from seqlab.data.fetch import checksums_of
from seqlab.data.sources.text_files import known_encoding, open_text, require_file
from seqlab.data.tokenizers.characters import CharactersConfig
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.schema.errors import UserError
from seqlab.schema.registry import ByKind

_MAX_LINE = 10_000  # characters; splits begin at a line break unless lines are longer than this


class TextConfig(DatasetConfig):
    r"""All files as one running text in their order; its beginning is train, its end test.

    Splits begin at a line break. A split with files of its own takes nothing from the text.

    >>> split_at_lines("One.\nTwo.\nThree.\n", {"valid": 0.3, "test": 0.2})
    {'train': 'One.\n', 'valid': 'Two.\n', 'test': 'Three.\n'}
    """

    kind: Literal["text"] = "text"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = CharactersConfig()
    """How texts become tokens."""
    path: tuple[str, ...] = Field(min_length=1)
    """Files and folders, separated by commas; of a folder, all files that match `pattern`, sorted by name."""
    pattern: str = Field(default="*.txt", min_length=1)
    """Which files of a folder and of its subfolders are read."""
    valid_path: tuple[str, ...] = ()
    """Files and folders of the split `valid`; empty: it is taken from the text."""
    test_path: tuple[str, ...] = ()
    """Files and folders of the split `test`; empty: it is taken from the text."""
    valid_fraction: float = Field(default=0.05, gt=0.0, lt=1.0)
    """Fraction of the characters for `valid` if it has no files."""
    test_fraction: float = Field(default=0.05, gt=0.0, lt=1.0)
    """Fraction of the characters for `test` if it has no files."""
    encoding: str = "utf-8"
    """Encoding of the files, e.g. cp1252."""

    @field_validator("path", "valid_path", "test_path", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        return known_encoding(value)

    @model_validator(mode="after")
    def _some_text_is_left(self) -> TextConfig:
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError(
                "'valid_fraction' and 'test_fraction' must leave text to train on. "
                f"Got {self.valid_fraction:g} and {self.test_fraction:g}."
            )
        return self

    @override
    def about(self) -> About:
        names = [name for paths in self._paths().values() for name in paths]
        return About("Your own running text.", ", ".join(names), "your own data")

    @override
    def content_hash(self) -> str:
        digest = hashlib.sha256()
        for split, files in self._files().items():
            for file in files:
                digest.update(f"{split} {checksums_of(file).sha256}\n".encode())
        return digest.hexdigest()

    @override
    def read(self) -> Corpus:
        texts = {split: "".join(map(self._read, files)) for split, files in self._files().items()}
        shares = {"valid": self.valid_fraction, "test": self.test_fraction}
        missing = {name: share for name, share in shares.items() if name not in texts}
        splits = {**texts, **split_at_lines(texts["train"], missing)}
        for name, text in splits.items():
            if not text:
                raise UserError(f"The text must be long enough to be split. Got none for {name!r}.")
        return Corpus({name: [text] for name, text in splits.items()}, running=True)

    def _paths(self) -> dict[str, tuple[str, ...]]:
        paths = {"train": self.path, "valid": self.valid_path, "test": self.test_path}
        return {split: names for split, names in paths.items() if names}

    def _files(self) -> dict[str, list[Path]]:
        return {
            split: [file for name in names for file in find_files(Path(name), self.pattern)]
            for split, names in self._paths().items()
        }

    def _read(self, file: Path) -> str:
        """A file's text. A line break is added at its end if it is missing, so that files do not merge."""
        with open_text(file, self.encoding) as stream:
            text = stream.read()
        if not text:
            raise UserError(f"{file} must contain text. Got an empty file.")
        return text if text.endswith("\n") else f"{text}\n"


def find_files(path: Path, pattern: str) -> list[Path]:
    """The file itself, or the matching files of a folder and its subfolders, sorted by name.

    Raises:
        UserError: there is no such file, or none in the folder matches.
    """
    if not path.is_dir():
        require_file(path)
        return [path]
    files = sorted(file for file in path.rglob(pattern) if file.is_file())
    if not files:
        extensions = sorted({file.suffix for file in path.rglob("*") if file.is_file()})
        raise UserError(
            f"{path} must contain files that match 'data.pattern', {pattern!r}. "
            f"Got none; its files have the extensions: {', '.join(extensions) or 'none at all'}."
        )
    return files


def split_at_lines(text: str, shares: dict[str, float]) -> dict[str, str]:
    """The text cut into `train` and the other splits, in this order, each with its share of characters."""
    ends = [len(text)]
    # From the end: each split gets its share of the whole text, and train what is left.
    for share in reversed(shares.values()):
        ends.append(_line_begin(text, ends[-1] - max(1, round(share * len(text)))))
    bounds = [0, *reversed(ends)]
    names = ["train", *shares]
    return {name: text[begin:end] for name, (begin, end) in zip(names, pairwise(bounds), strict=True)}


def _line_begin(text: str, position: int) -> int:
    """The last beginning of a line up to a position; the position itself if that is far away."""
    position = max(0, position)
    return text.rfind("\n", max(position // 2, position - _MAX_LINE), position) + 1 or position
