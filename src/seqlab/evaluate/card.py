"""The evaluation card: what a published number was measured on, and how."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from seqlab.data.dataset import Dataset, Split
from seqlab.measure.item_collector import SplitResult
from seqlab.measure.metric_kinds import METRICS
from seqlab.runs.cards import Card
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.records import Matrix, Record, Scalar
from seqlab.training.way import Scorer


def numbers(records: Sequence[Record]) -> dict[str, float]:
    """The metrics that are one number, by name."""
    return {record.name: record.value for record in records if isinstance(record, Scalar)}


def write_card(run: RunFolder, scorer: Scorer, split: str, exact: SplitResult) -> Card:
    """Write the card of what was scored, and the score of each item; return the card."""
    card = describe(run, scorer, split, exact)
    run.write_scores(split, exact.scores)
    run.write_card(card)
    return card


def describe(run: RunFolder, scorer: Scorer, split: str, exact: SplitResult) -> Card:
    """What one has to know to compare a number with another one."""
    dataset, data, records = scorer.dataset, scorer.dataset.splits[split], exact.records
    return {
        "metrics": numbers(records),
        "matrices": {
            record.name: {"rows": record.rows, "columns": record.columns, "values": record.values}
            for record in records
            if isinstance(record, Matrix)
        },
        "loss_unit": f"nats per {scorer.task.unit}",
        "unit": scorer.task.unit,
        "signatures": {metric: METRICS.describe(metric) for metric in scorer.task.metrics},
        "dataset": dataset.name,
        "split": split,
        "split_sha256": _digest(data),
        "texts_sha256": _texts_digest(data),
        "sequences": len(data),
        "tokens": int(data.offsets[-1]),
        "targets": int(exact.scores.targets.sum()),
        "end_token_counts": _end_counts(scorer, data),
        "equal_to_training": _shared_with_training(dataset, data),
        "scored_as": scorer.context(split),
        "vocabulary": len(dataset.tokenizer.vocabulary),
        "tokenizer": scorer.config.data.tokenizer.kind,
        "checkpoint_step": scorer.moment.step,
        "seed": scorer.seed,
        "budget": scorer.budget,
        "test_evaluations": _test_evaluations(run, split) + 1,
        "run": run.path.name,
        "fingerprint": run.fingerprint,
        "environment": run.environment(),
    }


def _digest(split: Split) -> str:
    """SHA-256 of the encoded tokens, their cutting, and their labels or numbers."""
    digest = hashlib.sha256(split.tokens.tobytes())
    digest.update(split.offsets.tobytes())
    for answers in (split.labels, split.numbers):
        if answers is not None:
            digest.update(answers.tobytes())
    return digest.hexdigest()


def _texts_digest(split: Split) -> str:
    """SHA-256 of the texts before they were cut and encoded, and of their labels or numbers: which items."""
    digest = hashlib.sha256(split.texts_sha256.encode())
    for answers in (split.labels, split.numbers):
        if answers is not None:
            digest.update(answers.tobytes())
    return digest.hexdigest()


def _end_counts(scorer: Scorer, split: Split) -> bool:
    """Whether the end of a text, or of a line of a running text, is among the targets."""
    vocabulary = scorer.dataset.tokenizer.vocabulary
    if scorer.task.unit != "token":
        return False
    return vocabulary.end is not None or vocabulary.start in split.tokens


def _test_evaluations(run: RunFolder, split: str) -> int:
    """How often a split other than validation was scored before; validation may be scored freely."""
    before = None if split == "valid" else run.card(split)
    return 0 if before is None else before["test_evaluations"]


def _shared_with_training(dataset: Dataset, split: Split) -> int | None:
    """Sequences that also occur in the training split, token by token; None for running text."""
    train = dataset.splits["train"]
    if len(split) == 1 or split is train:
        return None
    seen = {_key(train, index) for index in range(len(train))}
    return sum(_key(split, index) in seen for index in range(len(split)))


def _key(split: Split, index: int) -> bytes:
    """16 bytes that stand for a sequence, so that a large split does not come into memory whole."""
    tokens = split.tokens[split.offsets[index] : split.offsets[index + 1]]
    return hashlib.blake2b(tokens.tobytes(), digest_size=16).digest()
