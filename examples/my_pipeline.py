"""A data pipeline to be checked: seqlab check --data my_pipeline.py:splits padding=0 end=2."""

import torch
from torch.utils.data import DataLoader

EXAMPLES = [([3 + i, 4 + i % 5, 5, 2], i % 2) for i in range(10)]


def collate(examples):
    """Tokens, padded with 0; 2 ends a text."""
    longest = max(len(tokens) for tokens, _ in examples)
    return {
        "tokens": torch.tensor([tokens + [0] * (longest - len(tokens)) for tokens, _ in examples]),
        "lengths": torch.tensor([len(tokens) for tokens, _ in examples]),
        "labels": torch.tensor([label for _, label in examples]),
    }


def splits():
    """Each split as a loader; its dataset holds the examples."""
    return {"train": DataLoader(EXAMPLES, batch_size=4, shuffle=True, collate_fn=collate)}
