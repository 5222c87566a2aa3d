"""The protocol of a method that explains answers. Legend: N texts, V outputs, T tokens, W words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from seqlab.evaluate.text_predictor import TextPredictor
from seqlab.evaluate.word_groups import ReadText
from seqlab.models.token_effects import LOG_ODDS, NUMBER_ITSELF

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class WordEffects:
    """The effect of each word of a text, (W,).

    value: what is explained. baseline: the same of what the text is compared with; None where effects do not
    add up to the difference. steps: of a numerical integral. tolerance: the largest gap that is accepted.
    """

    effects: Floats
    value: float
    baseline: float | None = None
    steps: int | None = None
    tolerance: float = np.inf

    @property
    def gap(self) -> float | None:
        """How far the sum of the effects is from value - baseline."""
        if self.baseline is None:
            return None
        return abs(float(self.effects.sum()) - (self.value - self.baseline))


class Explainer(ABC):
    """Explains the answers of a run, word by word.

    Args:
        loaded: what the run has learned.
        steps: of a numerical integral; None: as many as are needed.

    Raises:
        UserError: the method does not suit the model, or has no steps.
    """

    meaning: str
    """What an effect is, in sentences."""
    reason: ClassVar[str]
    """Why it is the first method that suits a model, a sentence; "": because the one before does not."""

    def __init__(self, loaded: TextPredictor, steps: int | None):
        self.loaded = loaded

    @property
    def quantity(self) -> str:
        """What effects explain, in words."""
        return LOG_ODDS if self.loaded.labels else NUMBER_ITSELF

    @abstractmethod
    def effects(self, read: ReadText, output: int) -> WordEffects:
        """The effects of the words that are read, `read.words_read`, on what is explained of an output.

        Args:
            read: a text.
            output: index of the label; 0 of a number.

        Raises:
            UserError: the text is too long.
        """


def explained(outputs: Float[Tensor, "N V"], output: int) -> Float[Tensor, " N"]:
    """What is explained: a number itself, of a label its logit minus ln(sum of exp(logit) of the others).

    These are its log odds ln(p / (1 - p)), of two labels the difference of the logits.

    >>> import torch
    >>> explained(torch.tensor([[1.0, 3.0]]), 1), explained(torch.tensor([[0.0, 0.0, 2.0]]), 2).exp()
    (tensor([2.], dtype=torch.float64), tensor([3.6945], dtype=torch.float64))
    """
    outputs = outputs.double()
    if outputs.shape[1] == 1:
        return outputs[:, 0]
    others = [index for index in range(outputs.shape[1]) if index != output]
    return outputs[:, output] - outputs[:, others].logsumexp(dim=1)


def summed(effects: Floats, read: ReadText) -> Floats:
    """The sum of the effects of the tokens of each word that is read, (W,)."""
    return np.array([effects[word.tokens].sum() for word in read.words_read], dtype=np.float64)
