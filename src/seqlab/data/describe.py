"""Descriptions and statistics of datasets, as `seqlab data` shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.data.batching import Rows, SequencesConfig
from seqlab.data.dataset import Dataset, Split
from seqlab.data.dataset_config import DatasetConfig
from seqlab.schema.visible import shortened

EXAMPLES = 3
"""Training examples that are shown."""
SHOWN_TOKENS = 40
"""Tokens shown of each example."""
SHOWN_OF_RUNNING_TEXT = 300
"""Tokens shown of running text, which is a single example."""
BATCH_SIZES = (8, 32, 128)
"""Batch sizes for which padding is computed."""


def origin(config: DatasetConfig) -> dict[str, Any]:
    """Description, origin and licence; does not need the data itself."""
    about = config.about()
    return {"name": config.kind, "about": about.description, "origin": about.origin, "licence": about.licence}


def describe(config: DatasetConfig) -> dict[str, Any]:
    """Origin, sizes and statistics of every split, and the first training examples.

    Shares are fractions from 0 to 1, lengths are numbers of tokens. `splits` includes the share of unknown
    tokens; `shared` counts the texts of a split that are also in another one. `shared`, `lengths` and
    `padding` are empty for running text; `classes` is empty without labels, otherwise it has the share of
    each class in every split. `unlabelled` is empty where there are no such texts, otherwise it counts them,
    and those that were left out of them because a split has them, too. `notes` are the sentences that
    training prints, too.
    """
    dataset = config.build()
    running = dataset.running
    return {
        **origin(config),
        "tokenizer": config.tokenizer.kind,
        "vocabulary": len(dataset.tokenizer.vocabulary),
        "content": dataset.content_hash,
        "splits": {name: _sizes(dataset, split) for name, split in dataset.splits.items()},
        "unlabelled": _unlabelled(dataset),
        "shared": {
            name: {other: others.get(other) for other in dataset.splits}
            for name, others in dataset.shared.items()
        },
        "lengths": {} if running else {name: _lengths(split) for name, split in dataset.splits.items()},
        "classes": _classes(dataset),
        "padding": {} if running else _padding(dataset.splits["train"].text.lengths),
        "notes": list(dataset.notes),
        "examples": _examples(dataset, SHOWN_OF_RUNNING_TEXT if running else SHOWN_TOKENS),
    }


def padding_share(lengths: Rows, plan: Sequence[Rows]) -> float:
    """Share of padding in one epoch, in which each batch is as long as its longest sequence.

    Args:
        lengths: tokens of each sequence.
        plan: the sequences of each batch.

    >>> padding_share(np.array([1, 2, 4]), [np.array([0, 1]), np.array([2])])
    0.125
    """
    begins = np.cumsum([0, *map(len, plan)])[:-1]
    longest = np.maximum.reduceat(lengths[np.concatenate(plan)], begins)
    padded = int(longest @ np.array([len(rows) for rows in plan]))
    return 1 - int(lengths.sum()) / padded


def _sizes(dataset: Dataset, split: Split) -> dict[str, Any]:
    unknown = dataset.tokenizer.vocabulary.unknown
    share = float(np.mean(np.asarray(split.text.tokens) == unknown)) if unknown is not None else 0.0
    return {"sequences": len(split), "tokens": int(split.text.offsets[-1]), "unknown": share}


def _unlabelled(dataset: Dataset) -> dict[str, dict[str, Any]]:
    if dataset.unlabelled is None:
        return {}
    left_out = {f"left out, in {name}": count for name, count in dataset.left_out.items()}
    return {"texts": {**_sizes(dataset, dataset.unlabelled), **left_out}}


def _lengths(split: Split) -> dict[str, Any]:
    lengths = split.text.lengths
    return {
        "median": float(np.median(lengths)),
        "mean": float(np.mean(lengths)),
        "95 %": float(np.percentile(lengths, 95)),
        "longest": int(lengths.max()),
    }


def _classes(dataset: Dataset) -> dict[str, dict[str, float]]:
    return {
        label: {name: _share(split.targets, index) for name, split in dataset.splits.items()}
        for index, label in enumerate(dataset.labels)
    }


def _share(targets: NDArray[Any] | None, index: int) -> float:
    return 0.0 if targets is None else float(np.mean(targets == index))


def _padding(lengths: Rows) -> dict[str, dict[str, float]]:
    """By batch size: with sequences of similar length in a batch, as in training, and with random ones."""
    return {
        f"{size} sequences per batch": {
            "similar lengths together": padding_share(
                lengths, SequencesConfig(batch_size=size).plan(lengths, seed=0)
            ),
            "any lengths together": padding_share(
                lengths, SequencesConfig(batch_size=size, pool=1).plan(lengths, seed=0)
            ),
        }
        for size in BATCH_SIZES
    }


def _examples(dataset: Dataset, shown: int) -> list[str]:
    split = dataset.splits["train"]
    examples = []
    for index in range(min(EXAMPLES, len(split))):
        ids = split.text[index]
        text = dataset.tokenizer.decode(ids[:shown].tolist())
        label = f"{shortened(found)}: " if (found := dataset.target_text(split, index)) else ""
        examples.append(f"{label}{text}{' ...' if len(ids) > shown else ''}")
    return examples
