"""What memory tasks share: sizes, one generator of random numbers a split, and new examples each epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.dataset import Corpus, Dataset, Split
from seqlab.data.ragged import Ragged
from seqlab.data.sources.seeded import SeededConfig
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.data.tokenizers.words import WhitespaceConfig
from seqlab.schema.errors import UserError
from seqlab.schema.registry import ByKind


class Examples(NamedTuple):
    """Examples: tokens between blanks, and of each the id of its label, or a number."""

    texts: list[str]
    labels: NDArray[np.int64] | NDArray[np.float64]


class ExamplesConfig(SeededConfig, ABC):
    """Seeded examples with a label that is exactly known; splits are drawn independently."""

    version: ClassVar[int] = 1
    """See `SeededConfig`."""
    label_names: ClassVar[tuple[str, ...]]
    """The classes in the order of their ids; () where labels are numbers."""

    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = WhitespaceConfig(end_of_line="", unknown="")
    """How texts become tokens."""
    train: int = Field(default=10_000, ge=1)
    """Examples of the training split."""
    valid: int = Field(default=1_000, ge=1)
    """Examples of the validation split."""
    test: int = Field(default=1_000, ge=1)
    """Examples of the test split."""
    seed: int = Field(default=0, ge=0)
    """Fixes the examples; the size of one split does not change those of another."""
    resample_each_epoch: bool = False
    """Whether every epoch learns from `train` new examples, drawn from the run's seed and the epoch's number;
    the vocabulary is that of the split `train`, and validation and test stay what they are."""

    @abstractmethod
    def draw(self, count: int, random: np.random.Generator) -> Examples:
        """So many examples, each independent of the others."""

    @property
    @abstractmethod
    def different(self) -> int:
        """How many different examples there are, at least."""

    def read(self) -> Corpus:
        """Draw every split; see `DatasetConfig.read`."""
        sizes = {"train": self.train, "valid": self.valid, "test": self.test}
        drawn = {
            name: self.draw(size, np.random.default_rng([self.seed, index]))
            for index, (name, size) in enumerate(sizes.items())
        }
        answers = {name: examples.labels.tolist() for name, examples in drawn.items()}
        return Corpus(
            {name: examples.texts for name, examples in drawn.items()},
            answers,
            label_names=self.label_names,
            notes=self._repeated(),
        )

    def check_training(self, dataset: Dataset) -> None:
        """See `DatasetConfig.check_training`.

        Raises:
            UserError: examples are to be new, and those of validation are to be learned from, too.
        """
        if self.resample_each_epoch and "valid" not in dataset.splits:
            raise UserError(
                "'training.fit_on' must be 'train' where 'data.resample_each_epoch' is true. "
                "Got 'train+valid'."
            )

    def training_split(self, dataset: Dataset, seed: int) -> Split:
        """See `DatasetConfig.training_split`.

        Raises:
            UserError: see `check_training`.
        """
        self.check_training(dataset)
        if not self.resample_each_epoch:
            return dataset.splits["train"]
        texts, labels = self.draw(self.train, np.random.default_rng(seed))
        encoded = dataset.tokenizer.encode_batch(texts)
        targets = labels.astype(np.int64 if self.label_names else np.float64)
        return Split(Ragged(encoded.tokens, encoded.offsets), targets=targets)

    def _repeated(self) -> tuple[str, ...]:
        """What to say where there are fewer different examples than are asked for."""
        if self.different >= self.train + self.valid:
            return ()
        return (
            f"There are {self.different:,} different examples, fewer than 'train' and 'valid' have, so many "
            "of 'valid' are in 'train', too. Nearest: a larger 'length', or smaller splits.",
        )
