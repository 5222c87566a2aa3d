"""The scores of each item of a split: the raw material of paired comparisons. Legend: N items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from seqlab.runs import atomic
from seqlab.schema.errors import UserError

_NAMES = ("nats", "targets", "right")


@dataclass(frozen=True, kw_only=True)
class SplitScores:
    """Item i is text i of the split in the order of the data or, of a running text, its token i.

    nats: -log probability of the item's targets, summed (N,). targets: their number (N,). right: how many of
    them had the largest logit (N,). running: whether items are neighbours in one text.
    """

    nats: NDArray[np.float64]
    targets: NDArray[np.int64]
    right: NDArray[np.int64]
    running: bool


def write_split_scores(path: Path, scores: SplitScores) -> None:
    """Write the scores of a split, whole or not at all.

    Raises:
        WorkError: the disk is full.
    """
    # safetensors stores memory as it is, so strided views must be copied.
    arrays = {name: np.ascontiguousarray(getattr(scores, name)) for name in _NAMES}
    arrays["running"] = np.array([scores.running])
    atomic.write_bytes(path, save(arrays))


def read_split_scores(path: Path) -> SplitScores:
    """The scores of a split.

    Raises:
        UserError: the file is damaged.
    """
    try:
        arrays = load_file(path)
        return SplitScores(**{name: arrays[name] for name in _NAMES}, running=bool(arrays["running"][0]))
    except (SafetensorError, KeyError, ValueError, IndexError):
        raise UserError(f"{path} is damaged. `seqlab evaluate` writes it again.") from None
