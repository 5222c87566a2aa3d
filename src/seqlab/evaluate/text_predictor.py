"""What answers texts: a model with its tokenizer, or several of them. Legend: N texts, V outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seqlab.data.ragged import Ragged
from seqlab.data.tokenizers.tokenizer import Tokenizer
from seqlab.evaluate.prediction import Floats, named
from seqlab.evaluate.word_groups import ReadText, WordGroup
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.models.model import SequenceModel
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError


@dataclass(frozen=True)
class TextAnswers:
    """The answers to some texts.

    outputs: the logits of the labels, or the number, for each text, (N, V). unknown: which texts have no
    known token, (N,).
    """

    outputs: Floats
    unknown: NDArray[np.bool_]


def no_answers(labels: Sequence[str]) -> TextAnswers:
    """The answers of a model with these labels, () for a number, to no text."""
    return TextAnswers(np.zeros((0, max(1, len(labels)))), np.zeros(0, dtype=np.bool_))


@dataclass(frozen=True)
class TokenModel:
    """One model of the tokens of a tokenizer; of a text it reads `max_length`, None: all."""

    model: SequenceModel
    tokenizer: Tokenizer
    max_length: int | None

    @property
    def vocabulary(self) -> int:
        """The number of tokens, above all ids."""
        return len(self.tokenizer.vocabulary)


class TextPredictor(ABC):
    """What a run has learned, as answers to texts; labels: names of the outputs, () for a number."""

    left_out: ClassVar[str]
    """How `without` leaves out words, a sentence."""

    run: RunFolder
    config: AnyExperimentConfig
    labels: tuple[str, ...]

    @abstractmethod
    def answers(self, texts: Sequence[str]) -> TextAnswers:
        """The answers to some texts.

        Raises:
            UserError: a text is not UTF-8.
        """

    @abstractmethod
    def read(self, text: str) -> ReadText:
        """The words of a text, and which of them are read."""

    @abstractmethod
    def without(self, read: ReadText, words: Sequence[WordGroup]) -> Floats:
        """The outputs, as those of `answers`, for a text without each of these words, (N, V)."""

    @abstractmethod
    def one_model(self) -> TokenModel:
        """The model, which may be looked into.

        Raises:
            UserError: there are several.
        """

    def predict(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Probability of each label, for each text; where labels are numbers, the one number under `NUMBER`.

        Raises:
            UserError: the model is a language model, there is no text, or one is not UTF-8.
        """
        self.check_predicts()
        if not texts:
            raise UserError("There must be at least one text to predict. Got none.")
        return named(self.labels, self.answers(texts).outputs)

    def check_predicts(self) -> None:
        """Make sure that there is an answer to a text.

        Raises:
            UserError: the model is a language model.
        """
        if self.config.task.output not in ("class", "number"):
            raise UserError(f"{self.run.path} must hold a classifier. Use `seqlab sample`.")


def without_known_tokens(texts: Ragged, unknown: int | None) -> NDArray[np.bool_]:
    """Which texts, (N,), have no token but the unknown one.

    >>> without_known_tokens(Ragged(np.array([3, 5, 3]), np.array([0, 2, 3, 3])), 3).tolist()
    [False, True, True]
    """
    known = np.concatenate([[0], np.cumsum(texts.tokens != (-1 if unknown is None else unknown))])
    return known[texts.offsets[1:]] == known[texts.offsets[:-1]]
