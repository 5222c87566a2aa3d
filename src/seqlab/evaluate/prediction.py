"""The answers of a model to whole texts: a label or a number each. Legend: N texts, V outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from seqlab.data.batch import unlabelled
from seqlab.data.ragged import Ragged
from seqlab.data.sequences import Padded, pad
from seqlab.models.model import SequenceModel
from seqlab.models.modes import device_of

NUMBER = "number"
"""What an answer that is a number is called."""
TOKENS_AT_ONCE = 20_000
"""Padded tokens of texts that are read together, at most; one text may be longer."""


@torch.no_grad()
def predict(model: SequenceModel, labels: Sequence[str], texts: Ragged) -> list[dict[str, float]]:
    """The answer to each text; the model is in evaluation mode.

    Texts of similar length are read together; padding changes no answer, up to rounding.

    Returns:
        For each text the probability of each label; without labels the number under `NUMBER`.
    """
    answers: list[dict[str, float]] = [{}] * len(texts)
    order = np.argsort(texts.lengths, kind="stable")
    begin = 0
    while begin < len(order):
        # Sorted by length, so the number of texts that fit is bounded by the longest of them.
        count = 1
        while (
            begin + count < len(order) and (count + 1) * texts.lengths[order[begin + count]] <= TOKENS_AT_ONCE
        ):
            count += 1
        rows = order[begin : begin + count]
        for row, answer in zip(rows.tolist(), _answers(model, labels, texts, rows), strict=True):
            answers[row] = answer
        begin += count
    return answers


def _answers(
    model: SequenceModel, labels: Sequence[str], texts: Ragged, rows: np.ndarray
) -> list[dict[str, float]]:
    tokens, lengths = pad(texts, rows)
    inputs = Padded(torch.from_numpy(tokens), torch.from_numpy(lengths)).to(device_of(model))
    outputs = model(unlabelled(inputs))[0].double()
    if not labels:
        return [{NUMBER: number} for number in outputs[:, 0].tolist()]
    return [dict(zip(labels, row, strict=True)) for row in outputs.softmax(dim=-1).tolist()]
