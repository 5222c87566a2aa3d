"""What a dataset is and holds, for people."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqlab.data.dataset import Dataset, DatasetConfig, Split

EXAMPLES = 3
SHOWN_TOKENS = 40


def origin(config: DatasetConfig) -> dict[str, Any]:
    """Description, origin and licence; the data itself is not needed."""
    about = config.about()
    return {"name": config.kind, "about": about.description, "origin": about.origin, "licence": about.licence}


def describe(config: DatasetConfig) -> dict[str, Any]:
    """Origin, sizes of every split, and the first examples of training."""
    dataset = config.build()
    return {
        **origin(config),
        "tokenizer": config.tokenizer.kind,
        "vocabulary": len(dataset.tokenizer.vocabulary),
        "labels": ", ".join(dataset.labels) or "none",
        "content": dataset.content_hash,
        "splits": {name: _sizes(dataset, split) for name, split in dataset.splits.items()},
        "examples": _examples(dataset),
    }


def _sizes(dataset: Dataset, split: Split) -> dict[str, Any]:
    unknown, lengths = dataset.tokenizer.vocabulary.unknown, split.lengths
    share = float(np.mean(np.asarray(split.tokens) == unknown)) if unknown is not None else 0.0
    return {
        "sequences": len(split),
        "tokens": int(split.offsets[-1]),
        "median length": int(np.median(lengths)),
        "longest": int(lengths.max()),
        "unknown tokens": f"{share:.2%}",
    }


def _examples(dataset: Dataset) -> list[str]:
    split = dataset.splits["train"]
    examples = []
    for index in range(min(EXAMPLES, len(split))):
        begin, end = int(split.offsets[index]), int(split.offsets[index + 1])
        text = dataset.tokenizer.decode(split.tokens[begin : min(end, begin + SHOWN_TOKENS)].tolist())
        label = f"{dataset.labels[split.labels[index]]}: " if split.labels is not None else ""
        examples.append(f"{label}{text}{' ...' if end - begin > SHOWN_TOKENS else ''}")
    return examples
