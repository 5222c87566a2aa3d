"""The protocol of a fitted baseline. Legend: N targets or rows, V outputs (labels or tokens)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seqlab.data.dataset import Split
from seqlab.data.dataset_config import DatasetConfig
from seqlab.data.ragged import Ragged
from seqlab.data.tokenizers.tokenizer import Tokenizer

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class FitContext:
    """What a baseline knows besides the texts it is fitted on; a run folder keeps all of it.

    data: settings of the dataset. tokenizer: with its vocabulary. labels: names of the classes, () without.
    """

    data: DatasetConfig
    tokenizer: Tokenizer
    labels: tuple[str, ...]


@dataclass(frozen=True)
class TargetScores:
    """Some targets of a split, each one once.

    nats: -ln of the probability of each target, of a number its density, (N,). targets: ids of labels or
    tokens, or numbers, (N,). positions: where each one stands in its text, from 0, (N,). outputs: log
    probabilities of every label or token, (N, V), in nats, or the numbers predicted, (N, 1); None where they
    were not asked for.
    """

    nats: Floats
    targets: NDArray[np.int64 | np.float64]
    positions: Integers
    outputs: Floats | None


class Baseline(ABC):
    """A fitted baseline; `arrays` hold all that was fitted, and their config restores it from them."""

    causal: ClassVar[bool]
    """Whether it predicts each next token; otherwise it predicts the label or the number of a text."""

    @abstractmethod
    def arrays(self) -> Arrays:
        """What was fitted, by name, to be kept."""

    @abstractmethod
    def parameters(self) -> dict[str, int]:
        """How many numbers were fitted, part by part."""

    @abstractmethod
    def score(self, split: Split, *, dense: bool) -> Iterator[TargetScores]:
        """Every target of a split once, in order, in pieces.

        Args:
            split: any texts with ids of the same vocabulary.
            dense: whether the probabilities of all outputs are needed, not only those of the targets.
        """

    @abstractmethod
    def answer(self, rows: Ragged) -> Floats:
        """The answer to each row.

        Args:
            rows: texts; where tokens are predicted, each begins with the start token.

        Returns:
            Log probabilities (N, V), in nats, of the labels of texts, or of the token after each row; or the
            numbers of texts, (N, 1).
        """
