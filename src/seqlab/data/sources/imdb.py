"""IMDb film reviews with their sentiment (Maas et al. 2011)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field
from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.dataset import About, Corpus, Limit
from seqlab.data.dataset_config import DatasetConfig
from seqlab.data.fetch import checksums_of, source_file
from seqlab.data.sources.splitting import hold_out, number_texts
from seqlab.data.sources.text_archives import archive_texts
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.data.tokenizers.words import WordsConfig
from seqlab.schema.errors import UserError
from seqlab.schema.registry import ByKind

# Of the original archive, and of one with the same text files and nothing else.
_CHECKSUMS = ("md5:7c2ac02c03563afcf9b574c7e56c153a", "md5:2a9bfc966d79b783d60ac2a4948f61dd")
_URL = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
_MEMBER = re.compile(r"aclImdb/(train|test)/(neg|pos)/(\d+)_\d+\.txt")
_UNLABELLED = re.compile(r"aclImdb/train/unsup/(\d+)_\d+\.txt")
_LABELS = {"neg": 0, "pos": 1}


class Review(NamedTuple):
    """The text of a review, and its label: 0 is negative, 1 positive."""

    text: str
    label: int


class ImdbConfig(DatasetConfig):
    """25,000 reviews for training and 25,000 for test, half of each positive.

    >>> tokenizer = ImdbConfig().tokenizer.train(["Bad. A bad film!", "A GREAT film<br />"])
    >>> tokenizer.vocabulary.names(tokenizer.encode("A great, bad story"))
    ['a', 'great', 'bad', '.unk']
    >>> choose_valid(["same", "other", "same"], size=1, seed=0)
    [1]
    """

    even_labels: ClassVar[bool] = True

    kind: Literal["imdb"] = "imdb"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = WordsConfig()
    """How texts become tokens."""
    valid_size: int = Field(default=5_000, ge=1, lt=25_000)
    """Reviews held out of the 25,000 training reviews for validation; ignored if `final`."""
    train_size: int | None = Field(default=None, ge=2)
    """Reviews to train on, half of each label; none: all that are left. A smaller size keeps a part of what
    a larger one keeps."""
    split_seed: int = Field(default=0, ge=0)
    """Determines which reviews are held out, and which are trained on."""
    final: bool = False
    """Whether to train on all 25,000 reviews: then there is no split `valid`."""
    unlabelled: bool = False
    """Whether the vocabulary comes from the 50,000 reviews without a label, too, and a language model learns
    from them. Those that are in `valid` or `test` are left out."""
    max_length: int | None = Field(default=None, ge=1)
    """Maximum number of tokens of a review; none: no limit."""
    keep: Literal["first", "last"] = "first"
    """Which tokens of a longer review are kept."""

    @override
    def about(self) -> About:
        return About(
            "50,000 film reviews from IMDb, at most 30 per film, labelled by their star ratings.",
            "Maas et al. 2011, ai.stanford.edu/~amaas/data/sentiment",
            "for research; the reviews belong to their authors",
        )

    @override
    def content_hash(self) -> str:
        return checksums_of(_path()).sha256

    @override
    def subset_seed(self) -> int:
        return self.split_seed

    @override
    def read(self) -> Corpus:
        reviews = read_reviews(_path())
        if not self.final:
            reviews = {
                **_train_and_valid(reviews["train"], self.valid_size, self.split_seed),
                "test": reviews["test"],
            }
        return Corpus(
            texts={split: [review.text for review in part] for split, part in reviews.items()},
            targets={split: [review.label for review in part] for split, part in reviews.items()},
            label_names=("negative", "positive"),
            limit=Limit(self.max_length, self.keep),
            unlabelled=read_unlabelled(_path()) if self.unlabelled else (),
        )


def read_reviews(archive: Path) -> dict[str, list[Review]]:
    """The labelled reviews of `train` and `test`, negative ones first, in the order of their numbers."""
    found: dict[str, list[tuple[int, int, str]]] = {"train": [], "test": []}
    for name, text in archive_texts(archive, lambda name: _MEMBER.fullmatch(name) is not None):
        match = _MEMBER.fullmatch(name)
        assert match is not None, "only these were requested"
        split, label, number = match.groups()
        found[split].append((_LABELS[label], int(number), text))
    return {split: [Review(text, label) for label, _, text in sorted(part)] for split, part in found.items()}


def read_unlabelled(archive: Path) -> list[str]:
    """The reviews without a label, in the order of their numbers.

    Raises:
        UserError: there is none.
    """
    found: list[tuple[int, str]] = []
    for name, text in archive_texts(archive, lambda name: _UNLABELLED.fullmatch(name) is not None):
        match = _UNLABELLED.fullmatch(name)
        assert match is not None, "only these were requested"
        found.append((int(match[1]), text))
    if not found:
        raise UserError(f"{archive} must hold reviews without a label. Got none; see 'data.unlabelled'.")
    return [text for _, text in sorted(found)]


def choose_valid(texts: Sequence[str], *, size: int, seed: int) -> list[int]:
    """Indices of exactly `size` texts for validation, ascending; equal texts are all chosen or none is.

    Raises:
        UserError: no selection of whole groups of equal texts has this size.
    """
    chosen = hold_out(number_texts(texts), size, seed).tolist()
    if len(chosen) != size or len(chosen) == len(texts):
        raise UserError(
            f"'data.valid_size' must keep equal reviews together and leave some to train on. "
            f"Got {size} of {len(texts)} reviews. Nearest: {len(chosen)}."
        )
    return chosen


def _train_and_valid(reviews: Sequence[Review], size: int, seed: int) -> dict[str, list[Review]]:
    valid = choose_valid([review.text for review in reviews], size=size, seed=seed)
    chosen = set(valid)
    return {
        "train": _take(reviews, (index for index in range(len(reviews)) if index not in chosen)),
        "valid": _take(reviews, valid),
    }


def _take(reviews: Sequence[Review], indices: Iterable[int]) -> list[Review]:
    return [reviews[index] for index in indices]


def _path() -> Path:
    return source_file("imdb/aclImdb_v1.tar.gz", checksums=_CHECKSUMS, urls=[_URL])
