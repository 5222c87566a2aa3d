"""The evaluation card: what a published number was measured on, and how."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqlab.data.dataset import Dataset, Split
from seqlab.evaluate.fitted import Fitted
from seqlab.measure.item_collector import SplitResult
from seqlab.measure.metric_kinds import METRICS
from seqlab.runs.cards import Card
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.records import Matrix, Record, Scalar


def numbers(records: Sequence[Record]) -> dict[str, float]:
    """The metrics that are one number, by name."""
    return {record.name: record.value for record in records if isinstance(record, Scalar)}


def write_card(run: RunFolder, fitted: Fitted, split: str, exact: SplitResult) -> Card:
    """Write the card of what was scored, and the score of each item; return the card."""
    card = describe(run, fitted, split, exact)
    run.write_scores(split, exact.scores)
    run.write_card(card)
    return card


def describe(run: RunFolder, fitted: Fitted, split: str, exact: SplitResult) -> Card:
    """What one has to know to compare a number with another one."""
    dataset, data, records = fitted.dataset, fitted.dataset.splits[split], exact.records
    return {
        "metrics": numbers(records),
        "matrices": {
            record.name: {"rows": record.rows, "columns": record.columns, "values": record.values}
            for record in records
            if isinstance(record, Matrix)
        },
        "loss_unit": f"nats per {fitted.task.unit}",
        "unit": fitted.task.unit,
        "signatures": {metric: METRICS.describe(metric) for metric in fitted.task.metrics},
        "dataset": dataset.name,
        "split": split,
        "split_sha256": _digest(data),
        "texts_sha256": _texts_digest(data),
        "sequences": len(data),
        "tokens": int(data.text.offsets[-1]),
        "targets": int(exact.scores.targets.sum()),
        "end_token_counts": _end_counts(fitted, data),
        "equal_to_training": _shared_with_training(dataset, data),
        "scored_as": fitted.context(split),
        "vocabulary": len(dataset.tokenizer.vocabulary),
        "tokenizer": fitted.config.data.tokenizer.kind,
        "checkpoint_step": fitted.moment.step,
        "seed": fitted.seed,
        "budget": fitted.budget,
        "test_evaluations": _test_evaluations(run, split) + 1,
        "run": run.path.name,
        "fingerprint": run.fingerprint,
        "environment": run.environment(),
    }


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


def _texts_digest(split: Split) -> str:
    """SHA-256 of the texts before they were cut and encoded, and of their targets: which items."""
    digest = hashlib.sha256(split.texts_sha256.encode())
    if split.targets is not None:
        digest.update(split.targets.tobytes())
    return digest.hexdigest()


def _end_counts(fitted: Fitted, split: Split) -> bool:
    """Whether the end of a text, or of a line of a running text, is among the targets."""
    vocabulary = fitted.dataset.tokenizer.vocabulary
    if fitted.task.unit != "token":
        return False
    return not split.running or vocabulary.start in split.text.tokens


def _test_evaluations(run: RunFolder, split: str) -> int:
    """How often a split other than validation was scored before; validation may be scored freely."""
    before = None if split == "valid" else run.card(split)
    return 0 if before is None else before["test_evaluations"]


def _shared_with_training(dataset: Dataset, split: Split) -> int | None:
    """Sequences that also occur in the training split, token by token; None for running text."""
    train = dataset.splits["train"]
    if split.running or split is train:
        return None
    seen = {_key(ids) for ids in train.text}
    return sum(_key(ids) in seen for ids in split.text)


def _key(tokens: NDArray[np.int32]) -> bytes:
    """16 bytes that identify a sequence, so that a large split does not come into memory whole."""
    return hashlib.blake2b(tokens.tobytes(), digest_size=16).digest()
