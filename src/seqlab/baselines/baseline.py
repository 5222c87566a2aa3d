"""The protocols of a baseline and its settings. Legend: N targets or rows, V outputs (labels or tokens)."""

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
from seqlab.models.token_effects import TokenEffects
from seqlab.schema.config import Config

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
    """Scores of some targets of a split; each target occurs in exactly one piece.

    nats: -ln of the probability of each target, for a number of its density, (N,). targets: ids of labels or
    tokens, or numbers, (N,). positions: index of each target in its text, from 0, (N,). outputs: log
    probabilities of every label or token, (N, V), in nats, or the predicted numbers, (N, 1); None where they
    were not requested.
    """

    nats: Floats
    targets: NDArray[np.int64 | np.float64]
    positions: Integers
    outputs: Floats | None


class Baseline(ABC):
    """A fitted baseline; `arrays` hold everything that was fitted, and its config restores it from them."""

    causal: ClassVar[bool]
    """Whether it predicts each next token; otherwise it predicts the label or the number of a text."""

    @abstractmethod
    def arrays(self) -> Arrays:
        """What was fitted, by name, to be stored."""

    @abstractmethod
    def parameters(self) -> dict[str, int]:
        """The number of fitted values, by part."""

    @abstractmethod
    def score(self, split: Split, *, dense: bool) -> Iterator[TargetScores]:
        """Score every target of a split once, in order, in pieces.

        Args:
            split: any texts with ids of the same vocabulary.
            dense: whether the probabilities of all outputs are needed, not only those of the targets.
        """

    @abstractmethod
    def predict(self, rows: Ragged) -> Floats:
        """The outputs for each row.

        Args:
            rows: texts; for a causal baseline each begins with the start token.

        Returns:
            Log probabilities (N, V), in nats, of the labels of texts or of the token after each row; for
            numbers the predicted ones, (N, 1).
        """

    def token_effects(self, tokens: Integers, output: int) -> TokenEffects | None:
        """What each token of a text (T,) adds to an output; None where outputs are no sums over tokens."""
        return None


class BaselineConfig(Config, ABC):
    """Settings of a baseline. A subclass is in the file of its baseline, with one line in `BASELINES`.

    Its file must import without torch, scipy and scikit-learn: listing and parsing settings import it.
    """

    kind: str
    """Name of the baseline."""
    task: ClassVar[str]
    """Kind of the task it is for."""

    def check(self, context: FitContext, train: Split) -> None:
        """Make sure, before anything is fitted, that the data suits the baseline. By default any data does.

        Raises:
            UserError: the data is not what the baseline needs.
        """
        return

    @abstractmethod
    def fit(self, context: FitContext, train: Split) -> Baseline:
        """The baseline fitted on the training split; it sees no other split."""

    @abstractmethod
    def restore(self, context: FitContext, arrays: Arrays) -> Baseline:
        """The baseline that returned these arrays, equal bit for bit."""
