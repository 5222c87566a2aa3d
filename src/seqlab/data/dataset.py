"""An encoded dataset: flat arrays of token ids, memory-mapped, and what they mean."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import with_config

from seqlab.data.lazy_texts import JoinedTexts
from seqlab.data.ragged import Ragged, concatenate
from seqlab.data.shared_texts import Keys, shared_texts
from seqlab.data.tokenizers.tokenizer import Tokenizer
from seqlab.schema.errors import UserError
from seqlab.schema.json_shapes import EXACT, Positive


@dataclass(frozen=True)
class Split:
    """The encoded texts of a split, with what is to be predicted of each.

    text: the sequences; a running text (ptb, tiny_shakespeare) is one sequence.
    source: what belongs to each text and may be read as a whole, e.g. the sentence it translates.
    targets: of each text the id of its class (int64) or a number (float64), (B,); None where there are none.
    running: whether the text is a running one, without an end, rather than separate sequences.
    texts_sha256: of the texts before they were cut and encoded, "" where there were none.
    keys: a hash of each of them (B,); None of a running text.
    """

    text: Ragged
    source: Ragged | None = None
    targets: NDArray[np.int64 | np.float64] | None = None
    running: bool = False
    texts_sha256: str = ""
    keys: Keys | None = None

    def __len__(self) -> int:
        return len(self.text)

    @property
    def items_sha256(self) -> str:
        """SHA-256 of the texts before they were cut and encoded, and of their targets: which items."""
        digest = hashlib.sha256(self.texts_sha256.encode())
        if self.targets is not None:
            digest.update(self.targets.tobytes())
        return digest.hexdigest()

    def select(self, rows: NDArray[np.int64]) -> Split:
        """The named texts, in that order; the hash stays that of the whole split."""
        return dataclasses.replace(
            self,
            text=self.text.select(rows),
            source=None if self.source is None else self.source.select(rows),
            targets=None if self.targets is None else self.targets[rows],
            keys=None if self.keys is None else self.keys[rows],
        )

    def subsample(self, count: int) -> Split:
        """At most `count` texts at equal distances, from the first one to the last.

        >>> text = Ragged(np.arange(6, dtype=np.int32), np.array([0, 3, 4, 6]))
        >>> Split(text).subsample(2).text.tokens.tolist()
        [0, 1, 2, 4, 5]
        """
        rows = np.linspace(0, len(self) - 1, min(count, len(self)))
        return self.select(np.unique(rows.astype(np.int64)))


@dataclass(frozen=True)
class About:
    """Where a dataset comes from and on what terms; shown by `seqlab data info` and in reports."""

    description: str
    origin: str
    licence: str


@with_config(EXACT)
@dataclass(frozen=True)
class Limit:
    """Longer texts are cut to their first or last `max_length` tokens; None cuts nothing."""

    max_length: Positive | None = None
    keep: Literal["first", "last"] = "first"


@dataclass(frozen=True)
class Dataset:
    """Everything a task and a model need to know of the data.

    `labels` are class names in the order of their ids, () without classes.
    `source_tokenizer` is that of the sources, None without sources.
    `content_hash` is the SHA-256 of the sources (or of the generator's settings), part of a run's
    fingerprint. `notes` are sentences about the data that its user should read. `unlabelled` are further
    texts without targets, None where there are none; `left_out` says of each split how many of them were left
    out because it has them, too.
    """

    name: str
    splits: Mapping[str, Split]
    tokenizer: Tokenizer
    labels: tuple[str, ...]
    limit: Limit
    content_hash: str
    about: About
    notes: tuple[str, ...] = ()
    source_tokenizer: Tokenizer | None = None
    unlabelled: Split | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """Whether every split is one running text."""
        return self.splits["train"].running

    @property
    def shared(self) -> dict[str, dict[str, int]]:
        """Of each split, how many of its texts are also in each other one; empty for running text."""
        return shared_texts(
            {name: split.keys for name, split in self.splits.items() if split.keys is not None}
        )

    def target_text(self, split: Split, index: int) -> str:
        """The label of a text, or its number with four digits; "" where there is neither."""
        if split.targets is None:
            return ""
        target = split.targets[index]
        return self.labels[int(target)] if self.labels else f"{target:.4g}"

    def with_valid_in_train(self) -> Dataset:
        """The same dataset with the texts of `valid` after those of `train`, and without the split `valid`.

        The vocabulary remains that of `train` alone. Two running texts become one.

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

    def with_unlabelled_in_train(self) -> Dataset:
        """The same dataset with the unlabelled texts after those of `train`, which then have no targets."""
        if self.unlabelled is None:
            return self
        whole = _joined(self.splits["train"], self.unlabelled)
        return dataclasses.replace(self, splits={**self.splits, "train": whole}, unlabelled=None)


def _joined(first: Split, second: Split) -> Split:
    text = concatenate(first.text, second.text)
    if first.running:
        text = Ragged(text.tokens, np.array([0, len(text.tokens)]))
    source = targets = keys = None
    if first.keys is not None and second.keys is not None:
        keys = np.concatenate([first.keys, second.keys])
    if first.source is not None and second.source is not None:
        source = concatenate(first.source, second.source)
    if first.targets is not None and second.targets is not None:
        targets = np.concatenate([first.targets, second.targets])
    digest = hashlib.sha256(f"{first.texts_sha256} {second.texts_sha256}".encode()).hexdigest()
    return dataclasses.replace(
        first, text=text, source=source, targets=targets, texts_sha256=digest, keys=keys
    )


@dataclass(frozen=True)
class Corpus:
    """A dataset before encoding: texts by split, with what is to be predicted of each.

    targets: the id of each text's label where `label_names` are given, a number where they are not.
    sources: a source for each text, see `Split.source`.
    running: each split is one running text, which has no end and no start but a line break.
    limit: how long texts are cut, after the vocabulary was built from the whole ones.
    drawn: splits are independent draws from one distribution, so texts recur in several by chance.
    notes: what is no error but should be reported.
    unlabelled: further texts, for the vocabulary and for language models; see `unlabelled.leave_out`.
    left_out: how many of them each split has, too, by its name.
    Texts may be read again from their file each time they are iterated over.
    """

    texts: Mapping[str, Sequence[str]]
    targets: Mapping[str, Sequence[int] | Sequence[float]] = field(default_factory=dict)
    label_names: tuple[str, ...] = ()
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)
    running: bool = False
    drawn: bool = False
    limit: Limit = Limit()
    notes: tuple[str, ...] = ()
    unlabelled: Sequence[str] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def vocabulary_texts(self) -> Sequence[str]:
        """The texts that a vocabulary is made from."""
        train = self.texts["train"]
        return JoinedTexts(train, self.unlabelled) if self.unlabelled else train
