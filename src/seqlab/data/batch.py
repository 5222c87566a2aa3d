"""What a model is given at once. Legend: B sequences, T steps, H features, N targets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray
from torch import Tensor

from seqlab.data.sequences import Padded

Targets = Padded | Int[Tensor, " B"] | Float[Tensor, " B"]
"""What is predicted: tokens with lengths of their own, or a class or a number for each sequence."""


@dataclass(frozen=True)
class Batch:
    """Sequences with what is to be predicted of them.

    inputs: what the model reads from left to right.
    targets: tokens, one for each step of `inputs`, or a class or a number for each sequence.
    source: what the model may read as a whole before it begins, e.g. the sentence to be translated.
    """

    inputs: Padded
    targets: Targets
    source: Padded | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def target_mask(self) -> Tensor:
        """True at every real target: (B, T) for tokens, (B,) otherwise."""
        if isinstance(self.targets, Padded):
            return self.targets.mask
        return torch.ones_like(self.targets, dtype=torch.bool)

    @property
    def target_values(self) -> Tensor:
        """The targets (B, T) or (B,), padding included."""
        return self.targets.tokens if isinstance(self.targets, Padded) else self.targets

    @property
    def last_targets(self) -> tuple[Tensor, ...]:
        """The index of the last target of every sequence that has one, for features and for targets."""
        rows = self.inputs.lengths.nonzero().squeeze(1)
        if isinstance(self.targets, Padded):
            return rows, self.targets.lengths[rows] - 1
        return (rows,)

    def real(self, features: Float[Tensor, "B *T H"]) -> tuple[Float[Tensor, "N H"], Shaped[Tensor, " N"]]:
        """The features and the targets without padding."""
        mask, targets = self.target_mask, self.target_values
        if bool(mask.all()):
            return features.flatten(0, -2), targets.flatten()
        return features[mask], targets[mask]

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        if self.inputs.tokens.device == device:
            return self
        source = None if self.source is None else self.source.to(device)
        return Batch(self.inputs.to(device), self.targets.to(device), source)

    def select(self, rows: Int[Tensor, " R"]) -> Batch:
        """The named sequences, cut to the longest of them."""
        targets = self.targets.select(rows) if isinstance(self.targets, Padded) else self.targets[rows]
        source = None if self.source is None else self.source.select(rows)
        return Batch(self.inputs.select(rows), targets, source)

    def truncate(self, steps: int) -> Batch:
        """The first steps of every sequence; its source stays whole."""
        targets = self.targets.truncate(steps) if isinstance(self.targets, Padded) else self.targets
        return replace(self, inputs=self.inputs.truncate(steps), targets=targets)


def unlabelled(inputs: Padded) -> Batch:
    """A batch of which nothing is to be predicted; `features` of a model does not read targets."""
    return Batch(inputs, inputs)


def windows(
    tokens: NDArray[np.integer], begins: NDArray[np.int64], lengths: NDArray[np.int64], start: int
) -> Batch:
    """Windows of a running text: each token is the target of the one before it.

    Args:
        tokens: the whole text.
        begins: index of the first target of each window.
        lengths: targets of each window.
        start: the token before the first one of the text.

    >>> batch = windows(np.arange(1, 6), np.array([0, 3]), np.array([3, 2]), start=0)
    >>> batch.inputs.tokens.tolist(), batch.targets.tokens.tolist()
    ([[0, 1, 2], [3, 4, 4]], [[1, 2, 3], [4, 5, 5]])
    """
    indices = np.minimum(begins[:, None] + np.arange(int(lengths.max())), len(tokens) - 1)
    targets = tokens[indices].astype(np.int64)
    inputs = np.where(indices > 0, tokens[indices - 1], start).astype(np.int64)
    return next_token_batch(inputs, targets, lengths)


def next_token_batch(
    inputs: NDArray[np.int64],
    targets: NDArray[np.int64],
    lengths: NDArray[np.int64],
    source: Padded | None = None,
) -> Batch:
    """Inputs (B, T) with a target (B, T) for each of their tokens."""
    shared = torch.from_numpy(lengths)
    return Batch(Padded(torch.from_numpy(inputs), shared), Padded(torch.from_numpy(targets), shared), source)
