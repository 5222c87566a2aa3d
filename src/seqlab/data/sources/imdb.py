"""IMDb film reviews with their sentiment (Maas et al. 2011)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field
from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.dataset import About, Corpus, Limit
from seqlab.data.dataset_config import DatasetConfig
from seqlab.data.fetch import source, sums
from seqlab.data.sources.text_files import archive_texts
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.data.tokenizers.words import WordsConfig
from seqlab.schema.errors import UserError
from seqlab.schema.registry import ByKind

# The original archive, and one with the same text files and nothing else.
_CHECKSUMS = ("md5:7c2ac02c03563afcf9b574c7e56c153a", "md5:2a9bfc966d79b783d60ac2a4948f61dd")
_ADDRESS = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
_MEMBER = re.compile(r"aclImdb/(train|test)/(neg|pos)/(\d+)_\d+\.txt")
_LABELS = {"neg": 0, "pos": 1}


class Review(NamedTuple):
    """A review as the archive holds it; label 0 is negative, 1 positive."""

    text: str
    label: int


class ImdbConfig(DatasetConfig):
    """25,000 reviews to learn from and 25,000 to test on, half of each positive.

    >>> tokenizer = ImdbConfig().tokenizer.train(["Bad. A bad film!", "A GREAT film<br />"])
    >>> tokenizer.vocabulary.names(tokenizer.encode("A great, bad story"))
    ['a', 'great', 'bad', '.unk']
    >>> pick_valid(["same", "other", "same"], size=1, seed=0)
    [1]
    """

    kind: Literal["imdb"] = "imdb"
    """Name of the dataset."""
    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = WordsConfig()
    """How texts become tokens."""
    valid_size: int = Field(default=5_000, ge=1, lt=25_000)
    """Reviews taken out of the 25,000 training ones to validate on; without meaning when `final`."""
    train_size: int | None = Field(default=None, ge=2, lt=25_000)
    """Reviews to train on, half of each label; none: all that are left."""
    split_seed: int = Field(default=0, ge=0)
    """Fixes which reviews those are, and which are trained on."""
    final: bool = False
    """Whether to train on all 25,000 reviews: then there is no split `valid`."""
    max_length: int | None = Field(default=None, ge=1)
    """Tokens of a review at most; none: no limit."""
    keep: Literal["first", "last"] = "first"
    """Which tokens of a longer review are kept."""

    def about(self) -> About:
        """Origin and licence."""
        return About(
            "50,000 film reviews from IMDb, at most 30 of a film, labelled by their stars.",
            "Maas et al. 2011, ai.stanford.edu/~amaas/data/sentiment",
            "for research; the reviews belong to their authors",
        )

    def content_hash(self) -> str:
        """SHA-256 of the archive."""
        return sums(_path()).sha256

    @override
    def read(self) -> Corpus:
        reviews = read_reviews(_path())
        if not self.final:
            reviews = {
                **_hold_out(reviews["train"], self.valid_size, self.split_seed),
                "test": reviews["test"],
            }
        if self.train_size is not None:
            reviews["train"] = _some(reviews["train"], self.train_size, self.split_seed)
        return Corpus(
            texts={split: [review.text for review in part] for split, part in reviews.items()},
            targets={split: [review.label for review in part] for split, part in reviews.items()},
            label_names=("negative", "positive"),
            limit=Limit(self.max_length, self.keep),
        )


def read_reviews(archive: Path) -> dict[str, list[Review]]:
    """The labelled reviews of `train` and `test`, negative ones first, in the order of their numbers."""
    found: dict[str, list[tuple[int, int, str]]] = {"train": [], "test": []}
    for name, text in archive_texts(archive, lambda name: _MEMBER.fullmatch(name) is not None):
        match = _MEMBER.fullmatch(name)
        assert match is not None, "only these were asked for"
        split, label, number = match.groups()
        found[split].append((_LABELS[label], int(number), text))
    return {split: [Review(text, label) for label, _, text in sorted(part)] for split, part in found.items()}


def pick_valid(texts: Sequence[str], *, size: int, seed: int) -> list[int]:
    """Which texts go to valid, in ascending order: exactly `size`, equal ones never torn apart.

    Raises:
        UserError: no choice of whole groups of equal texts has this size.
    """
    groups: dict[str, list[int]] = {}
    for index, text in enumerate(texts):
        groups.setdefault(text, []).append(index)
    members = list(groups.values())
    picked: list[int] = []
    for index in np.random.default_rng(seed).permutation(len(members)).tolist():
        if len(picked) + len(members[index]) <= size:
            picked += members[index]
    if len(picked) != size or len(picked) == len(texts):
        raise UserError(
            f"'data.valid_size' must leave equal reviews together and some to train on. "
            f"Got {size} of {len(texts)} reviews. Nearest: {len(picked)}."
        )
    return sorted(picked)


def _hold_out(reviews: Sequence[Review], size: int, seed: int) -> dict[str, list[Review]]:
    valid = pick_valid([review.text for review in reviews], size=size, seed=seed)
    chosen = set(valid)
    return {
        "train": _take(reviews, (index for index in range(len(reviews)) if index not in chosen)),
        "valid": _take(reviews, valid),
    }


def _some(reviews: Sequence[Review], size: int, seed: int) -> list[Review]:
    """So many reviews in their order, half of each label; of more of them the fewer are a part."""
    order = np.random.default_rng(seed).permutation(len(reviews)).tolist()
    chosen: list[int] = []
    for label in sorted(_LABELS.values()):
        alike = [index for index in order if reviews[index].label == label]
        chosen += alike[: size // 2 if label else size - size // 2]
    if len(chosen) != size:
        raise UserError(
            f"'data.train_size' must leave the held-out reviews apart. Got {size}, with {len(reviews)} left."
        )
    return _take(reviews, sorted(chosen))


def _take(reviews: Sequence[Review], indices: Iterable[int]) -> list[Review]:
    return [reviews[index] for index in indices]


def _path() -> Path:
    return source("imdb/aclImdb_v1.tar.gz", checksums=_CHECKSUMS, addresses=[_ADDRESS])
