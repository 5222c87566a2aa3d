"""What memory tasks share: sizes, one random generator per split, and new examples in each epoch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import override

from seqlab.data.data_kinds import TOKENIZERS
from seqlab.data.dataset import Corpus, Dataset, Split
from seqlab.data.ragged import Ragged
from seqlab.data.sources.seeded import SeededConfig, check_size
from seqlab.data.tokenizers.tokenizer import TokenizerConfig
from seqlab.data.tokenizers.whitespace import WhitespaceConfig
from seqlab.schema.errors import UserError
from seqlab.schema.registry import ByKind


class Examples(NamedTuple):
    """Texts with a space between tokens, and for each one the id of its label, or a number."""

    texts: list[str]
    labels: NDArray[np.int64] | NDArray[np.float64]


class ExamplesConfig(SeededConfig, ABC):
    """Seeded examples with exactly known labels; splits are drawn independently."""

    version: ClassVar[int] = 1
    label_names: ClassVar[tuple[str, ...]]
    """The classes in the order of their ids; () if labels are numbers."""

    tokenizer: Annotated[TokenizerConfig, ByKind(TOKENIZERS)] = WhitespaceConfig(end_of_line="", unknown="")
    """How texts become tokens."""
    train: int = Field(default=10_000, ge=1)
    """Examples of the training split."""
    valid: int = Field(default=1_000, ge=1)
    """Examples of the validation split."""
    test: int = Field(default=1_000, ge=1)
    """Examples of the test split."""
    seed: int = Field(default=0, ge=0)
    """Determines the examples; the size of one split does not change those of another."""
    resample_each_epoch: bool = False
    """Whether every epoch trains on as many new examples, determined by the run's seed and the epoch. The
    vocabulary is that of the split `train`; validation and test do not change."""

    @abstractmethod
    def draw(self, count: int, random: np.random.Generator) -> Examples:
        """Independent random examples."""

    @property
    @abstractmethod
    def longest_example(self) -> int:
        """Maximum number of tokens of an example."""

    @property
    @abstractmethod
    def distinct_examples(self) -> int:
        """A lower bound on the number of different examples."""

    @override
    def subset_seed(self) -> int:
        return self.seed

    @override
    def read(self) -> Corpus:
        sizes = {"train": self.train, "valid": self.valid, "test": self.test}
        for name, size in sizes.items():
            check_size(name, size, self.longest_example)
        # One generator per split: with a common one, a larger `train` would change `valid` and `test`.
        drawn = {
            name: self.draw(size, np.random.default_rng([self.seed, index]))
            for index, (name, size) in enumerate(sizes.items())
        }
        answers = {name: examples.labels.tolist() for name, examples in drawn.items()}
        return Corpus(
            {name: examples.texts for name, examples in drawn.items()},
            answers,
            label_names=self.label_names,
            drawn=True,
            notes=self._repetitions(),
        )

    @override
    def check_training(self, dataset: Dataset) -> None:
        if self.resample_each_epoch and "valid" not in dataset.splits:
            raise UserError(
                "'training.fit_on' must be 'train' where 'data.resample_each_epoch' is true. "
                "Got 'train+valid'."
            )

    @override
    def training_split(self, dataset: Dataset, seed: int) -> Split:
        self.check_training(dataset)
        if not self.resample_each_epoch:
            return dataset.splits["train"]
        texts, labels = self.draw(len(dataset.splits["train"]), np.random.default_rng(seed))
        # The vocabulary stays that of the split `train`, or the ids of the model would change their meaning.
        encoded = dataset.tokenizer.encode_batch(texts)
        targets = labels.astype(np.int64 if self.label_names else np.float64)
        return Split(Ragged(encoded.tokens, encoded.offsets), targets=targets)

    def _repetitions(self) -> tuple[str, ...]:
        """A note if there are fewer different examples than requested."""
        kept = self.train if self.train_size is None else self.train_size
        if self.distinct_examples >= kept + self.valid:
            return ()
        return (
            f"There are {self.distinct_examples:,} different examples, fewer than 'train' and 'valid' have, "
            "so many of 'valid' are in 'train' too. Nearest: a larger 'length', or smaller splits.",
        )
