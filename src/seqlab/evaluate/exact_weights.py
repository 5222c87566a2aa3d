"""Explanations of models whose outputs are sums over tokens."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from typing_extensions import override

from seqlab.evaluate.explainer import Explainer, Integers, WordEffects, summed
from seqlab.evaluate.text_predictor import TextPredictor
from seqlab.evaluate.word_groups import ReadText
from seqlab.models.token_effects import TokenEffects
from seqlab.schema.errors import UserError


class ExactWeights(Explainer):
    """The weights of a linear model, exactly: effects add up to the difference from a text without words."""

    meaning = (
        "An effect is what the model adds for the word: the weights of its features. That of a feature that "
        "occurs several times is shared equally, and that of a pair of words by both of them."
    )
    reason: ClassVar[str] = "The model is a sum over words."

    def __init__(self, loaded: TextPredictor, steps: int | None):
        super().__init__(loaded, steps)
        if steps is not None:
            raise UserError("'steps' needs the method 'integrated-gradients'. Got 'weights'.")
        self._model = loaded.one_model().model
        self._quantity = self._of(np.zeros(0, dtype=np.int64), 0).quantity

    @property
    @override
    def quantity(self) -> str:
        return self._quantity

    @override
    def effects(self, read: ReadText, output: int) -> WordEffects:
        found = self._of(read.tokens, output)
        value = found.empty + float(found.effects.sum())
        return WordEffects(summed(found.effects, read), value, found.empty)

    def _of(self, tokens: Integers, output: int) -> TokenEffects:
        found = self._model.token_effects(tokens, output)
        if found is None:
            raise UserError(
                "The method 'weights' must be used for a model that is a sum over words, such as nb-svm. "
                f"Got {self.loaded.run.path.name!r}. Nearest: integrated-gradients."
            )
        return found
