"""The answers of a model to whole texts: a label or a number each. Legend: N texts, V outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from seqlab.data.batch import unlabelled
from seqlab.data.batching import TokensConfig
from seqlab.data.ragged import Ragged
from seqlab.data.sequences import Padded, padded
from seqlab.models.model import SequenceModel
from seqlab.models.modes import device_of

NUMBER = "number"
"""What an answer that is a number is called."""
TOKENS_AT_ONCE = 20_000
"""Padded tokens of texts that are read together, at most; more where one text alone is longer."""


@torch.no_grad()
def predict(model: SequenceModel, labels: Sequence[str], texts: Ragged) -> list[dict[str, float]]:
    """The answer to each text; the model is in evaluation mode.

    Texts of similar length are read together; padding changes no answer, up to rounding.

    Returns:
        For each text the probability of each label; without labels the number under `NUMBER`.
    """
    answers: list[dict[str, float]] = [{}] * len(texts)
    tokens = max(TOKENS_AT_ONCE, int(texts.lengths.max(initial=0)))
    for rows in TokensConfig(tokens=tokens).plan(texts.lengths, seed=None):
        for row, answer in zip(rows.tolist(), _answers(model, labels, padded(texts, rows)), strict=True):
            answers[row] = answer
    return answers


def _answers(model: SequenceModel, labels: Sequence[str], texts: Padded) -> list[dict[str, float]]:
    outputs = model(unlabelled(texts.to(device_of(model))))[0].double()
    if not labels:
        return [{NUMBER: number} for number in outputs[:, 0].tolist()]
    return [dict(zip(labels, row, strict=True)) for row in outputs.softmax(dim=-1).tolist()]
