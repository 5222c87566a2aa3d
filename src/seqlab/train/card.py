"""The evaluation card: what a published number was measured on, and how."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from seqlab.data.dataset import Dataset, Split
from seqlab.runs import atomic
from seqlab.runs.folder import RunFolder
from seqlab.schema.records import Matrix, Record, Scalar
from seqlab.train.way import Scorer


def numbers(records: Sequence[Record]) -> dict[str, float]:
    """The metrics that are one number, by name."""
    return {record.name: record.value for record in records if isinstance(record, Scalar)}


def write_card(run: RunFolder, scorer: Scorer, split: str, records: Sequence[Record]) -> dict[str, Any]:
    """Write `cards/<split>.json` on what was scored, and return its content."""
    card = describe(run, scorer, split, records)
    atomic.write_text(run.cards / f"{split}.json", json.dumps(card, indent=1))
    return card


def describe(run: RunFolder, scorer: Scorer, split: str, records: Sequence[Record]) -> dict[str, Any]:
    """What one has to know to compare a number with another one."""
    dataset, data = scorer.dataset, scorer.dataset.splits[split]
    return {
        "metrics": numbers(records),
        "matrices": {
            record.name: {"rows": record.rows, "columns": record.columns, "values": record.values}
            for record in records
            if isinstance(record, Matrix)
        },
        "loss_unit": f"nats per {scorer.task.unit}",
        "dataset": dataset.name,
        "split": split,
        "split_sha256": _digest(data),
        "sequences": len(data),
        "tokens": int(data.offsets[-1]),
        "equal_to_training": _shared_with_training(dataset, data),
        "scored_as": scorer.context(split),
        "vocabulary": len(dataset.tokenizer.vocabulary),
        "tokenizer": scorer.config.data.tokenizer.kind,
        "checkpoint_step": scorer.moment.step,
        "seed": scorer.seed,
        "run": run.path.name,
        "fingerprint": run.fingerprint,
        "environment": run.read_json("environment.json"),
    }


def _digest(split: Split) -> str:
    """SHA-256 of the encoded tokens, their cutting, and their labels."""
    digest = hashlib.sha256(split.tokens.tobytes())
    digest.update(split.offsets.tobytes())
    if split.labels is not None:
        digest.update(split.labels.tobytes())
    return digest.hexdigest()


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
