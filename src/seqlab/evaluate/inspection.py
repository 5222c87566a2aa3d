"""What it takes to trust a classifier: its wrong texts, and its probabilities after temperature scaling.

Legend: N texts, K labels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch.nn import functional

from seqlab.data.dataset import Split
from seqlab.data.shared_texts import text_keys
from seqlab.evaluate.fitted import Fitted, split_of
from seqlab.evaluate.prediction import Floats, probabilities
from seqlab.measure.evaluate import tally
from seqlab.measure.metric import Scored
from seqlab.measure.metric_kinds import METRICS
from seqlab.measure.odds import log_odds, tied
from seqlab.measure.temperature import fit_temperature
from seqlab.runs.cards import WrongText, WrongTexts
from seqlab.schema.errors import UserError
from seqlab.schema.records import Record, Scalar

TRUST = (
    *("label_scores", "macro_precision", "macro_recall", "macro_f1", "confusion_matrix"),
    *("brier", "calibration", "abstention", "accuracy_by_length"),
)
"""Metrics that say how far a classifier can be trusted, besides those of its task."""
DEFAULT_ERRORS = 10
"""Wrong texts that are kept unless the user says how many."""
CALIBRATED = "calibrated_"
"""Before the names of what was measured with divided logits."""
FITTED_ON = "valid"
"""The split on which temperatures are fitted."""


@dataclass(frozen=True)
class Inspection:
    """What is to be found besides metrics.

    errors: wrong texts to keep. calibrate: whether a temperature is fitted, too.
    """

    errors: int
    calibrate: bool = False


@dataclass(frozen=True)
class LabelledTexts:
    """What a classifier answers to the texts of a split: ids of labels (N,), and probabilities (N,)."""

    targets: np.ndarray
    predicted: np.ndarray
    probability: Floats

    @property
    def right(self) -> np.ndarray:
        """Which answers are right, (N,)."""
        return self.targets == self.predicted


def labelled_texts(
    fitted: Fitted, split: str, outputs: Float[np.ndarray, "N K"], temperature: float = 1.0
) -> LabelledTexts:
    """The likeliest label of each text, and its probability with logits divided by a temperature."""
    targets = split_of(fitted.dataset, split).targets
    assert targets is not None, "checked when the task was built"
    # Of equal ones the first, as in metrics.
    return LabelledTexts(
        np.asarray(targets), outputs.argmax(axis=1), probabilities(outputs, temperature).max(axis=1)
    )


def check_classifies(fitted: Fitted, what: str) -> None:
    """Make sure that a run labels texts.

    Raises:
        UserError: it does not.
    """
    if fitted.task.output != "class":
        raise UserError(f"{what} needs the run of a classifier. Got task {fitted.config.task.kind!r}.")


def wrong_texts(
    fitted: Fitted, split: str, outputs: Float[np.ndarray, "N K"], count: int, *, texts: bool
) -> WrongTexts:
    """The wrongly labelled texts of a split, the most confident first, equal ones in their order.

    texts: whether they are shown.
    """
    answers, labels = labelled_texts(fitted, split, outputs), fitted.dataset.labels
    wrong = np.flatnonzero(~answers.right)
    first = wrong[np.argsort(-tied(log_odds(answers.probability[wrong])), kind="stable")][:count]
    shown = texts_of(fitted, split, first) if texts else [None] * len(first)
    return {
        "split": split,
        "checkpoint_step": fitted.moment.step,
        "wrong": len(wrong),
        "texts": len(answers.targets),
        "shown": [
            WrongText(
                index=row,
                text=text,
                label=labels[answers.targets[row]],
                predicted=labels[answers.predicted[row]],
                probability=float(answers.probability[row]),
            )
            for row, text in zip(first.tolist(), shown, strict=True)
        ],
    }


def texts_of(fitted: Fitted, split: str, rows: Sequence[int] | np.ndarray) -> list[str]:
    """Some texts of a split, as they are in the data; decoded tokens where these were joined from splits."""
    data, dataset = split_of(fitted.dataset, split), fitted.dataset
    found = _originals(fitted, split, data, set(map(int, rows)))
    return [
        found[row] if row in found else dataset.tokenizer.decode(data.text[row].tolist())
        for row in map(int, rows)
    ]


def _originals(fitted: Fitted, split: str, data: Split, rows: set[int]) -> dict[int, str]:
    """The wanted texts, of which the data has the same hash at the same index."""
    if not rows or data.keys is None:
        return {}
    texts = {
        index: text for index, text in enumerate(fitted.config.data.read().texts[split]) if index in rows
    }
    keys = text_keys(texts.values())
    return {
        index: text
        for (index, text), key in zip(texts.items(), keys.tolist(), strict=True)
        if index < len(data) and data.keys[index] == key
    }


def best_temperature(fitted: Fitted) -> float:
    """The temperature that fits the validation split; a function of the model and the data alone.

    Raises:
        UserError: there is no validation split.
    """
    outputs = fitted.score(FITTED_ON, ("loss",), outputs=True).outputs
    targets = split_of(fitted.dataset, FITTED_ON).targets
    assert outputs is not None, "a classifier has outputs"
    assert targets is not None, "checked when the task was built"
    return fit_temperature(outputs, np.asarray(targets, dtype=np.int64))


def calibrated_records(fitted: Fitted, split: str, outputs: Float[np.ndarray, "N K"]) -> list[Record]:
    """The temperature, and what loss and calibration of a split are with logits divided by it."""
    temperature = best_temperature(fitted)
    targets = torch.from_numpy(np.array(split_of(fitted.dataset, split).targets, dtype=np.int64))
    logits = torch.from_numpy(outputs / temperature)
    nats = functional.cross_entropy(logits, targets, reduction="none")
    found = tally(
        [(torch.arange(len(targets)), Scored(nats, logits, targets, torch.zeros_like(targets)))],
        unit=fitted.task.unit,
        labels=fitted.task.labels,
        split=split,
        metrics=("loss", "brier", "calibration"),
    )
    unit = f"divides logits; fitted on {FITTED_ON}"
    return [
        Scalar(name="temperature", value=temperature, unit=unit, split=split),
        *(dataclasses.replace(record, name=f"{CALIBRATED}{record.name}") for record in found),
    ]


def trust_metrics(fitted: Fitted, metrics: Sequence[str]) -> tuple[str, ...]:
    """These metrics, and of a classifier also those of `TRUST` that its number of labels allows."""
    if fitted.task.output != "class":
        return tuple(metrics)
    outputs = len(fitted.dataset.labels)
    fitting = (key for key in TRUST if outputs <= (METRICS[key].most_outputs or outputs))
    return tuple(dict.fromkeys((*metrics, *fitting)))


def predictions(fitted: Fitted, split: str, *, texts: bool) -> Iterator[tuple[str, Sequence[object]]]:
    """Names and cells of the columns of a table with the answer to each text of a split.

    Raises:
        UserError: the run is not that of a classifier, or there is no such split.
    """
    check_classifies(fitted, "A table of predictions")
    outputs = fitted.score(split, ("loss",), outputs=True).outputs
    assert outputs is not None, "a classifier has outputs"
    answers, labels = labelled_texts(fitted, split, outputs), fitted.dataset.labels
    if texts:
        yield "text", texts_of(fitted, split, np.arange(len(answers.targets)))
    yield "label", [labels[index] for index in answers.targets.tolist()]
    yield "predicted", [labels[index] for index in answers.predicted.tolist()]
    yield "probability", answers.probability.tolist()
    yield "correct", answers.right.tolist()
