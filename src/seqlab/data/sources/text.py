"""A user's own running text: a file, several files, or a folder."""

from __future__ import annotations

import hashlib
from itertools import chain, pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator
from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.dataset import About, Corpus
from seqlab.data.dataset_config import DatasetConfig
from seqlab.data.locations import Location
from seqlab.data.sources.file_search import FoundFiles, find_files, require_pattern
from seqlab.data.sources.text_files import file_checksums, known_encoding, require_name, user_path, whole_text
from seqlab.data.tokenizers.characters import CharactersConfig
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.schema.errors import UserError
from seqlab.schema.registry import ByKind

_MAX_LINE = 10_000  # characters; splits begin at a line break unless lines are longer than this

_SHOWN = 3  # copies that a note names


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
    path: Annotated[tuple[str, ...], Location()] = Field(min_length=1)
    """Files and folders, separated by commas; of a folder, all files that match `pattern`, sorted by name."""
    pattern: str = Field(default="*.txt", min_length=1)
    """Which files of a folder and of its subfolders are read; hidden ones and links never are."""
    valid_path: Annotated[tuple[str, ...], Location()] = ()
    """Files and folders of the split `valid`; empty: it is taken from the text."""
    test_path: Annotated[tuple[str, ...], Location()] = ()
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

    @field_validator("path", "valid_path", "test_path")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(require_name, value))

    @field_validator("pattern")
    @classmethod
    def _inside_the_folder(cls, value: str) -> str:
        return require_pattern(require_name(value))

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
        for split, found in self._found().items():
            for file in _files(found):
                digest.update(f"{split} {file_checksums(file).sha256}\n".encode())
        return digest.hexdigest()

    @override
    def read(self) -> Corpus:
        found = self._found()
        texts = {split: "".join(map(self._read, _files(parts))) for split, parts in found.items()}
        shares = {"valid": self.valid_fraction, "test": self.test_fraction}
        missing = {name: share for name, share in shares.items() if name not in texts}
        splits = {**texts, **split_at_lines(texts["train"], missing)}
        for name, text in splits.items():
            if not text:
                raise UserError(f"The text must be long enough to be split. Got none for {name!r}.")
        return Corpus({name: [text] for name, text in splits.items()}, running=True, notes=_notes(found))

    def _paths(self) -> dict[str, tuple[str, ...]]:
        paths = {"train": self.path, "valid": self.valid_path, "test": self.test_path}
        return {split: names for split, names in paths.items() if names}

    def _found(self) -> dict[str, list[FoundFiles]]:
        return {
            split: [find_files(user_path(name), self.pattern) for name in names]
            for split, names in self._paths().items()
        }

    def _read(self, file: Path) -> str:
        """A file's text. A line break is added at its end if it is missing, so that files do not merge."""
        text = whole_text(file, self.encoding)
        if not text:
            raise UserError(f"{file} must contain text. Got an empty file.")
        return text if text.endswith("\n") else f"{text}\n"


def _files(found: list[FoundFiles]) -> list[Path]:
    return [file for one in found for file in one.files]


def _notes(found: dict[str, list[FoundFiles]]) -> tuple[str, ...]:
    """How many files of each folder are read, and which files hold the same as another."""
    folders = [one.note() for parts in found.values() for one in parts if one.files != [one.folder]]
    first: dict[str, Path] = {}
    copies = []
    for file in chain.from_iterable(map(_files, found.values())):
        original = first.setdefault(file_checksums(file).sha256, file)
        if original is not file:
            copies.append(f"{file} holds the same text as {original}")
    more = f" {len(copies) - _SHOWN:,} more files are copies." if len(copies) > _SHOWN else ""
    return (*folders, *([f"{'; '.join(copies[:_SHOWN])}.{more}"] if copies else []))


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
