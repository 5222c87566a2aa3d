"""The answers to texts as columns of a table: labels with probabilities, or a number. Legend: N, K, V."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from seqlab.evaluate.prediction import NUMBER, probabilities
from seqlab.schema.errors import UserError

LABEL, PROBABILITY = "label", "probability"
"""The columns of the likeliest label; those of the next ones end in _2, _3, and so on."""
PREFIX = "predicted_"
"""Before the names of all these columns where the table has one of them already."""


@dataclass(frozen=True, kw_only=True)
class AnswerOptions:
    """How answers are given.

    top: labels of each text, the likeliest first. temperature: divides the logits. abstain_below: probability
    under which the likeliest label is left empty; None never is.
    """

    top: int = 1
    temperature: float = 1.0
    abstain_below: float | None = None

    def check(self, labels: Sequence[str]) -> None:
        """Make sure that a model with these labels, () for a number, can answer so.

        Raises:
            UserError: it cannot.
        """
        if not labels and self != AnswerOptions():
            raise UserError(
                "'top', 'temperature' and 'abstain-below' must be left out for a model that predicts a "
                "number."
            )
        if labels and not 1 <= self.top <= len(labels):
            nearest = 1 if self.top < 1 else len(labels)
            raise UserError(
                f"'top' must be between 1 and the number of labels, {len(labels)}. Got {self.top}. "
                f"Nearest: {nearest}."
            )
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise UserError(f"'temperature' must be a number above 0. Got {self.temperature:g}.")
        if self.abstain_below is not None and not 0 <= self.abstain_below <= 1:
            nearest = 0 if self.abstain_below < 0 else 1
            raise UserError(
                f"'abstain-below' must be between 0 and 1. Got {self.abstain_below:g}. Nearest: {nearest}."
            )


class Answers:
    """Makes the columns of answers, and counts the texts without one.

    Args:
        labels: names of the outputs; () for a number.
        options: how answers are given.
        taken: names of the other columns of the table.

    Raises:
        UserError: a model with these labels cannot answer so, or the names of the columns are taken.
    """

    def __init__(self, labels: Sequence[str], options: AnswerOptions, taken: Collection[str] = ()):
        options.check(labels)
        self._labels, self._options = np.array(labels, dtype=object), options
        self.abstained = 0
        self.names = _names(bool(labels), options.top)
        self.renamed = [name for name in self.names if name in taken]
        if self.renamed:
            self.names = [f"{PREFIX}{name}" for name in self.names]
        if both := [name for name in self.names if name in taken]:
            raise UserError(
                f"The table must not have columns {self.renamed[0]!r} and {both[0]!r}, as answers are "
                "written there. Rename one, or name the only column to keep: --id-column."
            )

    @property
    def types(self) -> Mapping[str, type]:
        """What the cells of each column are, str or float, where they are not empty."""
        # Labels and their probabilities alternate.
        return {
            name: str if len(self._labels) and not index % 2 else float
            for index, name in enumerate(self.names)
        }

    def columns(self, outputs: Float[np.ndarray, "N V"]) -> Mapping[str, Sequence[Any]]:
        """Cells of the answers to some texts, from the outputs of a model; an empty one is None."""
        if not len(self._labels):
            return {self.names[0]: outputs[:, 0].tolist()}
        shares = probabilities(outputs, self._options.temperature)
        # Of equal ones the first, as everywhere.
        order = shares.argmax(axis=1)[:, None]
        if self._options.top > 1:
            order = np.argsort(-shares, axis=1, kind="stable")[:, : self._options.top]
        found = np.take_along_axis(shares, order, axis=1)
        names = self._labels[order]
        if self._options.abstain_below is not None:
            unsure = found[:, 0] < self._options.abstain_below
            names[unsure, 0] = None
            self.abstained += int(unsure.sum())
        cells = [cells for rank in range(order.shape[1]) for cells in (names[:, rank], found[:, rank])]
        return {name: column.tolist() for name, column in zip(self.names, cells, strict=True)}


def _names(classes: bool, top: int) -> list[str]:
    if not classes:
        return [NUMBER]
    endings = ["", *(f"_{rank}" for rank in range(2, top + 1))]
    return [f"{name}{ending}" for ending in endings for name in (LABEL, PROBABILITY)]
