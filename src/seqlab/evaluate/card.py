"""The evaluation card: what a published number was measured on, and how."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from seqlab.data.dataset import Split
from seqlab.evaluate.fitted import Fitted
from seqlab.measure.item_collector import SplitResult
from seqlab.measure.metric_kinds import METRICS
from seqlab.runs.cards import Card, CurveTable, MatrixTable
from seqlab.runs.run_files import scored_name
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.records import Curve, Matrix, Record, Scalar
from seqlab.tasks.own_metric_spec import metric_name


def numbers(records: Sequence[Record]) -> dict[str, float]:
    """The metrics that are one number, by name."""
    return {record.name: record.value for record in records if isinstance(record, Scalar)}


def matrices(records: Sequence[Record]) -> dict[str, MatrixTable]:
    """The metrics that are a matrix, by name."""
    return {
        record.name: {"rows": record.rows, "columns": record.columns, "values": record.values}
        for record in records
        if isinstance(record, Matrix)
    }


def curves(records: Sequence[Record]) -> dict[str, CurveTable]:
    """The metrics that are a curve, by name."""
    return {
        record.name: {"x": record.x, "y": record.y, "x_unit": record.x_unit, "y_unit": record.y_unit}
        for record in records
        if isinstance(record, Curve)
    }


def write_card(
    run: RunFolder, fitted: Fitted, split: str, metrics: Sequence[str], exact: SplitResult
) -> Card:
    """Write the card of what was scored, and the score of each item; return the card.

    The run's card keeps numbers of the same weights that were not computed this time.
    """
    kind = fitted.adaptation["kind"] if fitted.adaptation is not None else ""
    card, before = describe(run, fitted, split, metrics, exact), run.card(split, kind)
    same_weights = before is not None and _weights(before) == _weights(card)
    # Without the outputs it is not known which targets are right, so scores that say it are kept.
    if not same_weights or any(METRICS[metric].reads == "outputs" for metric in metrics):
        run.write_scores(scored_name(split, kind), exact.scores)
    run.write_card(_merged(before, card) if before is not None and same_weights else card)
    return card


def _weights(card: Card) -> tuple[int, Mapping[str, Any] | None]:
    """What the numbers of a card are of: weights, and how they adapted."""
    adaptation = card.get("adaptation")
    return card["checkpoint_step"], None if adaptation is None else adaptation["settings"]


def _merged(before: Card, card: Card) -> Card:
    """A card with those metrics of an earlier one that it lacks."""
    return {
        **card,
        "metrics": before["metrics"] | card["metrics"],
        "matrices": before["matrices"] | card["matrices"],
        "curves": before["curves"] | card["curves"],
        "signatures": before["signatures"] | card["signatures"],
    }


def describe(run: RunFolder, fitted: Fitted, split: str, metrics: Sequence[str], exact: SplitResult) -> Card:
    """What one has to know to compare a number with another one."""
    dataset, data, records = fitted.dataset, fitted.dataset.splits[split], exact.records
    shared = dataset.shared.get(split, {})
    card: Card = {
        "metrics": numbers(records),
        "matrices": matrices(records),
        "curves": curves(records),
        "loss_unit": f"nats per {fitted.task.unit}",
        "unit": fitted.task.unit,
        "signatures": {metric_name(metric): METRICS.describe(metric) for metric in metrics},
        "dataset": dataset.name,
        "split": split,
        "split_sha256": _digest(data),
        "texts_sha256": data.items_sha256,
        "sequences": len(data),
        "tokens": int(data.text.offsets[-1]),
        "targets": int(exact.scores.targets.sum()),
        "end_token_counts": _end_counts(fitted, data),
        "equal_to_training": shared.pop("train", None),
        "equal_to_others": shared,
        "scored_as": fitted.context(split),
        "vocabulary": len(dataset.tokenizer.vocabulary),
        "tokenizer": fitted.config.data.tokenizer.kind,
        "checkpoint_step": fitted.moment.step,
        "seed": fitted.seed,
        "budget": fitted.budget,
        "test_evaluations": _test_evaluations(run, fitted, split) + 1,
        "run": run.path.name,
        "fingerprint": run.fingerprint,
        "environment": run.environment(),
    }
    if fitted.adaptation is not None:
        card["adaptation"] = fitted.adaptation
    if split in dataset.left_out:
        card["left_out"] = dataset.left_out[split]
    return card


def _digest(split: Split) -> str:
    """SHA-256 of the encoded tokens, their cutting, and what is predicted of each text."""
    digest = hashlib.sha256(split.text.tokens.tobytes())
    digest.update(split.text.offsets.tobytes())
    if split.source is not None:
        digest.update(split.source.tokens.tobytes())
        digest.update(split.source.offsets.tobytes())
    if split.targets is not None:
        digest.update(split.targets.tobytes())
    return digest.hexdigest()


def _end_counts(fitted: Fitted, split: Split) -> bool:
    """Whether the end of a text, or of a line of a running text, is among the targets."""
    vocabulary = fitted.dataset.tokenizer.vocabulary
    if fitted.task.unit != "token":
        return False
    return not split.running or vocabulary.start in split.text.tokens


def _test_evaluations(run: RunFolder, fitted: Fitted, split: str) -> int:
    """How often a split other than validation was scored before with the same kind of adaptation, or none.

    Validation may be scored freely.
    """
    kind = fitted.adaptation["kind"] if fitted.adaptation is not None else ""
    before = None if split == "valid" else run.card(split, kind)
    return 0 if before is None else before["test_evaluations"]
