"""The scores of each item of a split: the raw material of paired comparisons. Legend: N items."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from seqlab.runs import atomic
from seqlab.runs.plain_files import read_bytes
from seqlab.runs.seal import check_of
from seqlab.schema.errors import DamagedFileError

_NAMES, _CHECK = ("nats", "targets", "right"), "check"


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


def write_split_scores(path: Path, scores: SplitScores, subject: str) -> None:
    """Write the scores of a split, whole or not at all, with a check that binds them to their subject.

    Raises:
        WorkError: the disk is full.
    """
    # safetensors stores memory as it is, so strided views must be copied.
    arrays = {name: np.ascontiguousarray(getattr(scores, name)) for name in _NAMES}
    arrays["running"] = np.array([scores.running])
    atomic.write_bytes(path, save(arrays, {_CHECK: check_of(save(arrays), subject)}))


def read_split_scores(path: Path, subject: str) -> SplitScores:
    """The scores of a split.

    Raises:
        UserError: the file is damaged, or of another split or run.
    """
    content = read_bytes(path)
    try:
        arrays = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        if header["__metadata__"][_CHECK] == check_of(save(arrays), subject):
            named = {name: arrays[name] for name in _NAMES}
            return SplitScores(**named, running=bool(arrays["running"][0]))
    except (SafetensorError, KeyError, ValueError, IndexError, TypeError):
        pass
    raise DamagedFileError(f"{path} is damaged. Delete it; `seqlab evaluate` writes it again.")
