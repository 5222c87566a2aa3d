"""An encoded dataset: flat arrays of token ids, memory-mapped, and what they mean."""

from __future__ import annotations

import dataclasses
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.tokenizers.tokenizer import Tokenizer, TokenizerConfig
from seqlab.schema.config import Config
from seqlab.schema.errors import UserError
from seqlab.schema.registry import ByKind


@dataclass(frozen=True)
class Split:
    """Sequences of token ids, one behind the other: sequence i is `tokens[offsets[i]:offsets[i+1]]`.

    A running text (ptb, tiny_shakespeare) is one sequence. Tokens are int32, offsets int64 (n + 1),
    labels int64 (n) or None, numbers to be predicted float64 (n) or None. `texts_sha256`: of the texts before
    they were cut and encoded, "" where there were none.
    """

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]
    labels: NDArray[np.int64] | None = None
    texts_sha256: str = ""
    numbers: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each sequence."""
        return np.diff(self.offsets)

    def take(self, rows: NDArray[np.int64]) -> Split:
        """Only the named sequences, in that order; what texts they are of stays said."""
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        places = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        labels = None if self.labels is None else self.labels[rows]
        numbers = None if self.numbers is None else self.numbers[rows]
        return Split(self.tokens[places], offsets, labels, self.texts_sha256, numbers)

    def spread(self, count: int) -> Split:
        """So many sequences, or all where there are fewer, from the first one to the last at equal distances.

        >>> Split(np.arange(6, dtype=np.int32), np.array([0, 3, 4, 6])).spread(2).tokens.tolist()
        [0, 1, 2, 4, 5]
        """
        places = np.linspace(0, len(self) - 1, min(count, len(self)))
        return self.take(np.unique(places.astype(np.int64)))


@dataclass(frozen=True)
class About:
    """Where a dataset comes from and on what terms; shown by `seqlab data info` and in reports."""

    description: str
    origin: str
    licence: str


@dataclass(frozen=True)
class Limit:
    """Longer texts are cut to their first or last `max_length` tokens; None cuts nothing.

    >>> Limit(2, "last").cut([7, 8, 9])
    [8, 9]
    """

    max_length: int | None = None
    keep: Literal["first", "last"] = "first"

    def cut(self, ids: list[int]) -> list[int]:
        """The tokens of one text that are kept."""
        if self.max_length is None:
            return ids
        return ids[: self.max_length] if self.keep == "first" else ids[-self.max_length :]


@dataclass(frozen=True)
class Dataset:
    """Everything a task and a model need to know of the data.

    `labels` are class names in the order of their ids, () without classes.
    `content_hash` is the SHA-256 of the sources (or of the generator's settings), part of a run's
    fingerprint. `notes` are sentences about the data that its user should read.
    """

    name: str
    splits: Mapping[str, Split]
    tokenizer: Tokenizer
    labels: tuple[str, ...]
    limit: Limit
    content_hash: str
    about: About
    notes: tuple[str, ...] = ()

    def label_of(self, split: Split, index: int) -> str:
        """The label of a text, or its number with four digits; "" where there is neither."""
        if split.numbers is not None:
            return f"{split.numbers[index]:.4g}"
        return "" if split.labels is None else self.labels[split.labels[index]]

    def with_valid_in_train(self) -> Dataset:
        """The same dataset, the texts of `valid` behind those of `train`, and no split `valid`.

        The vocabulary stays that of `train` alone. Of running texts one is made.

        Raises:
            UserError: there is no split `valid`.
        """
        if "valid" not in self.splits:
            raise UserError(
                f"'training.fit_on' must be 'train' where there is no split 'valid'. Got {self.name!r}, "
                f"which has {', '.join(self.splits)}."
            )
        rest = {name: split for name, split in self.splits.items() if name not in ("train", "valid")}
        whole = _joined(self.splits["train"], self.splits["valid"])
        return dataclasses.replace(self, splits={"train": whole, **rest})


def _joined(first: Split, second: Split) -> Split:
    tokens = np.concatenate([first.tokens, second.tokens])
    digest = hashlib.sha256(f"{first.texts_sha256} {second.texts_sha256}".encode()).hexdigest()
    if len(first) == len(second) == 1 and first.labels is None:
        return Split(tokens, np.array([0, len(tokens)]), texts_sha256=digest)
    offsets = np.concatenate([first.offsets, second.offsets[1:] + first.offsets[-1]])
    labels = [split.labels for split in (first, second) if split.labels is not None]
    numbers = [split.numbers for split in (first, second) if split.numbers is not None]
    return Split(
        tokens,
        offsets,
        np.concatenate(labels) if labels else None,
        digest,
        np.concatenate(numbers) if numbers else None,
    )


@dataclass(frozen=True)
class Corpus:
    """A dataset before encoding: texts by split, with the id of each text's label, or its number.

    `running`: each split is one running text, which has no end and no start but a line break.
    `limit`: how long texts are cut, after the vocabulary was built from the whole ones. `notes`: what is
    no error but should be said. Texts may be read anew from their file each time they are gone through.
    """

    texts: Mapping[str, Sequence[str]]
    labels: Mapping[str, Sequence[int]] = field(default_factory=dict)
    label_names: tuple[str, ...] = ()
    running: bool = False
    limit: Limit = Limit()
    notes: tuple[str, ...] = ()
    numbers: Mapping[str, Sequence[float]] = field(default_factory=dict)


class DatasetConfig(Config, ABC):
    """Settings of a dataset. Subclasses: one file each in this room, one line in `kinds.py`."""

    kind: str
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)]
    """How texts become tokens; its vocabulary comes from the training split only."""

    @abstractmethod
    def about(self) -> About:
        """Origin and licence."""

    @abstractmethod
    def content_hash(self) -> str:
        """SHA-256 of the sources' bytes, or of the generator's settings."""

    @abstractmethod
    def read(self) -> Corpus:
        """Read or generate the texts of every split."""

    def check_training(self, dataset: Dataset) -> None:
        """Whether an epoch can be learned from these splits, before anything is begun.

        Raises:
            UserError: it cannot.
        """
        return

    def training_split(self, dataset: Dataset, seed: int) -> Split:
        """What one epoch learns from: the split `train`, or examples drawn from the seed of that epoch."""
        return dataset.splits["train"]

    def build(self) -> Dataset:
        """The encoded dataset, from the cache when it is there."""
        from seqlab.data.cache import load_or_encode

        return load_or_encode(self)
