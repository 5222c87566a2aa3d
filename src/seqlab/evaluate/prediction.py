"""The answers of a model to whole texts: a label or a number each. Legend: N texts, V outputs, K labels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from seqlab.data.batch import unlabelled
from seqlab.data.batching import TokensConfig
from seqlab.data.ragged import Ragged
from seqlab.data.sequences import padded
from seqlab.models.model import SequenceModel
from seqlab.models.modes import device_of

NUMBER = "number"
"""What an answer that is a number is called."""
TOKENS_AT_ONCE = 20_000
"""Padded tokens of texts that are read together, at most; more where one text alone is longer."""

Floats = NDArray[np.float64]


class Predictor:
    """Answers of a model in evaluation mode, whose weights do not change as long as it is used.

    Args:
        model: its outputs are logits, or one number.
        vocabulary: tokens that it knows.
    """

    def __init__(self, model: SequenceModel, vocabulary: int):
        self._model, self._vocabulary = model, vocabulary

    @torch.no_grad()
    def outputs(self, texts: Ragged) -> Float[np.ndarray, "N V"]:
        """The outputs of the model for each text.

        Texts of similar length are read together; padding changes no answer, up to rounding.
        """
        model = self._tabulated if len(texts.tokens) > self._vocabulary else self._model
        device = device_of(self._model)
        tokens = max(TOKENS_AT_ONCE, int(texts.lengths.max(initial=0)))
        plan = TokensConfig(tokens=tokens).plan(texts.lengths, seed=None)
        parts = [model(unlabelled(padded(texts, rows).to(device)))[0].double().cpu() for rows in plan]
        found = torch.cat(parts).numpy()
        answers = np.empty_like(found)
        answers[np.concatenate(plan)] = found
        return answers

    @cached_property
    def _tabulated(self) -> SequenceModel:
        """Pays for itself once there are more tokens than the table has rows."""
        return self._model.tabulated()


def probabilities(outputs: Float[np.ndarray, "N K"], temperature: float = 1.0) -> Floats:
    """The softmax of logits, (N, K), each divided by the temperature.

    >>> probabilities(np.log([[1.0, 3.0]])).round(9).tolist()
    [[0.25, 0.75]]
    >>> probabilities(np.array([[1.0, 3.0]]), 1e-320).tolist()
    [[0.0, 1.0]]
    """
    with np.errstate(over="ignore"):  # of a small temperature: to -inf, whose probability is 0
        scaled = (outputs - outputs.max(axis=1, keepdims=True)) / temperature
    powers = np.exp(scaled)
    return powers / powers.sum(axis=1, keepdims=True)


def named(
    labels: Sequence[str], outputs: Float[np.ndarray, "N V"], temperature: float = 1.0
) -> list[dict[str, float]]:
    """For each text the probability of each label; without labels the number under `NUMBER`."""
    if not labels:
        return [{NUMBER: number} for number in outputs[:, 0].tolist()]
    return [dict(zip(labels, row, strict=True)) for row in probabilities(outputs, temperature).tolist()]
