"""One pass over a split as batches by index. Legend: B sequences, T steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Bool
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from seqlab.data.batch import Batch, next_token_batch, windows
from seqlab.data.dataset import Split
from seqlab.data.sequences import pad, padded
from seqlab.schema.errors import UserError

Plan = Sequence[NDArray[np.int64]]
"""The texts of each batch."""


class Batches(Sequence[Batch], ABC):
    """Every target of a split once.

    carried: whether sequence i of a batch continues sequence i of the batch before, so that a model that
        can carry its state from one to the next.
    order: the text of each sequence, counted through all batches; None where all are parts of one text, whose
        targets come in the order of the text.
    context: what a target is predicted from, in words.
    axis: what the position of a target is counted in.
    """

    carried: bool = False
    order: NDArray[np.int64] | None = None
    context: str = "whole sequences"
    axis: str = "position in the text, from 1"

    @abstractmethod
    def batch(self, index: int) -> Batch:
        """The batch of an index that exists."""

    def counted(self, index: int) -> Bool[Tensor, "B T"] | None:
        """The targets of a batch that count where others are only context; None where all real ones do."""
        return None

    def __getitem__(self, index: int) -> Batch:  # pyright: ignore[reportIncompatibleMethodOverride]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.batch(index)

    def __iter__(self) -> Iterator[Batch]:
        return (self[index] for index in range(len(self)))


class SelectedBatches(Batches):
    """Some batches of a pass, no longer carried from one to the next; for measurements of time."""

    def __init__(self, batches: Batches, indices: Sequence[int]):
        self._batches, self._indices = batches, indices

    def __len__(self) -> int:
        return len(self._indices)

    @override
    def batch(self, index: int) -> Batch:
        return self._batches[self._indices[index]]

    @override
    def counted(self, index: int) -> Bool[Tensor, "B T"] | None:
        return self._batches.counted(self._indices[index])


class LabelledBatches(Batches):
    """Whole texts with a class or a number each."""

    def __init__(self, split: Split, plan: Plan):
        assert split.targets is not None, "checked when the task was built"
        self._text, self._targets, self._plan = split.text, split.targets, plan
        self.order = np.concatenate(plan) if len(plan) else np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._plan)

    @override
    def batch(self, index: int) -> Batch:
        rows = self._plan[index]
        return Batch(padded(self._text, rows), torch.from_numpy(self._targets[rows]))


class NextTokenBatches(Batches):
    """Whole texts between start and end, with their sources; the targets are one step ahead."""

    def __init__(self, split: Split, plan: Plan, *, start: int, end: int):
        self._split, self._plan, self._start, self._end = split, plan, start, end
        self.order = np.concatenate(plan) if len(plan) else np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._plan)

    @override
    def batch(self, index: int) -> Batch:
        rows = self._plan[index]
        text, lengths = pad(self._split.text, rows)
        every = np.arange(len(lengths))
        if lengths.max(initial=0) == 0:
            text = text[:, :0]
        inputs = np.concatenate([np.full((len(every), 1), self._start), text], axis=1)
        targets = np.concatenate([text, np.zeros((len(every), 1), dtype=np.int64)], axis=1)
        targets[every, lengths] = self._end
        source = None if self._split.source is None else padded(self._split.source, rows)
        return next_token_batch(inputs, targets, lengths + 1, source)


class StreamWindows(Batches):
    """A running text in contiguous parts, read a window at a time.

    Every token is a target exactly once. Parts differ by at most one token; where the longer ones have
    one token left, the last window is that much longer.

    Args:
        tokens: the whole text.
        batch_size: parts.
        sequence_length: tokens of a window.
        start: the token before the first one.
    """

    carried = True

    def __init__(self, tokens: NDArray[np.int32], *, batch_size: int, sequence_length: int, start: int):
        parts = max(1, min(batch_size, len(tokens)))
        self._tokens, self._start, self._window = tokens, start, sequence_length
        self._begins = np.linspace(0, len(tokens), parts + 1).astype(np.int64)
        self._shortest = int(np.diff(self._begins).min())
        self.context = f"{parts} stream{'s' * (parts > 1)}, state carried from start to end"

    def __len__(self) -> int:
        return max(1, -(-self._shortest // self._window)) if len(self._tokens) else 0

    @override
    def batch(self, index: int) -> Batch:
        begins = self._begins[:-1] + index * self._window
        ends = self._begins[1:]
        if index + 1 < len(self):
            ends = np.minimum(begins + self._window, ends)
        return windows(self._tokens, begins, ends - begins, self._start)


class EqualWindows(Batches):
    """A running text in windows that all have as many tokens, each read from a zero state.

    The last tokens, which do not fill a window, are not scored, so that the means at all positions are over
    the same windows.

    >>> windows = EqualWindows(np.arange(1, 9), window=3, start=0, batch_size=2)
    >>> windows[0].inputs.tokens.tolist(), windows[0].targets.tokens.tolist()
    ([[0, 1, 2], [3, 4, 5]], [[1, 2, 3], [4, 5, 6]])
    """

    def __init__(self, tokens: NDArray[np.integer], *, window: int, start: int, batch_size: int):
        """Cut a text.

        Args:
            tokens: the whole text.
            window: tokens of a window; a shorter text is one window.
            start: the token before the first one.
            batch_size: windows per batch.
        """
        self._tokens, self._start, self._batch_size = tokens, start, batch_size
        self._window = max(1, min(window, len(tokens)))
        self._windows = len(tokens) // self._window
        self.context = f"windows of {self._window} tokens, state zero before each"
        self.axis = f"position in {self.context}, from 1"

    def __len__(self) -> int:
        return (self._windows + self._batch_size - 1) // self._batch_size

    @override
    def batch(self, index: int) -> Batch:
        last = min((index + 1) * self._batch_size, self._windows)
        begins = np.arange(index * self._batch_size, last) * self._window
        return windows(self._tokens, begins, np.full(len(begins), self._window), self._start)


class OverlappingWindows(Batches):
    """A running text in windows of which only the last half counts; the first half is context.

    Every token is a target that counts exactly once, read with the `window - stride` to `window - 1` tokens
    before its input token (fewer only where the text begins). The stride is `window // 2` unless given:

        window 4    . a b c d e f g h     the input; `.` is the start token
                    a b c d               counted in the first window: all
                    - - - - e f           read from b to e
                    - - - - - - g h       read from d to g

    >>> windows = OverlappingWindows(np.arange(1, 9), window=4, start=0, batch_size=3)
    >>> windows[0].inputs.tokens.tolist(), windows.counted(0)[1].tolist()
    ([[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]], [False, False, True, True])
    """

    def __init__(
        self,
        tokens: NDArray[np.integer],
        *,
        window: int,
        start: int,
        batch_size: int,
        stride: int | None = None,
    ):
        """Cut a text.

        Args:
            tokens: the whole text.
            window: tokens of a window.
            start: the token before the first one.
            batch_size: windows per batch.
            stride: targets that count in each window but the first, at most window // 2; None: that many.

        Raises:
            UserError: a window has no room for context, or a batch none for a window.
        """
        if window < 2:
            raise UserError(f"'window' must be at least 2 tokens. Got {window!r}. Nearest: 2.")
        if batch_size < 1:
            raise UserError(f"'batch_size' must be at least 1. Got {batch_size!r}. Nearest: 1.")
        self._tokens, self._start, self._window, self._batch_size = tokens, start, window, batch_size
        self._stride = window // 2 if stride is None else min(stride, window // 2)
        further = -(-max(0, len(tokens) - window) // self._stride)
        self._windows = (1 + further) if len(tokens) else 0
        self.context = f"{window - self._stride} to {window - 1} tokens of context"

    def __len__(self) -> int:
        return (self._windows + self._batch_size - 1) // self._batch_size

    @override
    def batch(self, index: int) -> Batch:
        begins = self._indices(index) * self._stride
        lengths = np.minimum(self._window, len(self._tokens) - begins)
        return windows(self._tokens, begins, lengths, self._start)

    @override
    def counted(self, index: int) -> Bool[Tensor, "B T"]:
        """The targets that no earlier window has counted; see `Batches.counted`."""
        indices = self._indices(index)
        context = np.where(indices == 0, 0, self._window - self._stride)
        longest = min(self._window, len(self._tokens) - int(indices[0]) * self._stride)
        return torch.from_numpy(np.arange(longest) >= context[:, None])

    def _indices(self, index: int) -> NDArray[np.int64]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return np.arange(index * self._batch_size, min((index + 1) * self._batch_size, self._windows))
