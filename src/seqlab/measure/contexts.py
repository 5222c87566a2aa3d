"""Scoring a running text with models that carry no state. Legend: B rows, T steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Bool
from numpy.typing import NDArray
from torch import Tensor

from seqlab.data.batch import Batch, windows
from seqlab.schema.errors import UserError


class OverlappingWindows(Sequence[Batch]):
    """A running text in windows of which only the last half counts; the first half is context.

    Every token is a target that counts exactly once, read with the `window - window // 2` to
    `window - 1` tokens before its input token (fewer only where the text begins):

        window 4    . a b c d e f g h     the input; `.` is the start token
                    a b c d               counted in the first window: all
                    - - - - e f           read from b to e
                    - - - - - - g h       read from d to g

    The state must not be carried from batch to batch.

    >>> windows = OverlappingWindows(np.arange(1, 9), window=4, start=0, rows=3)
    >>> windows[0].tokens.tolist(), windows.counted(0)[1].tolist()
    ([[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]], [False, False, True, True])
    """

    def __init__(self, tokens: NDArray[np.integer], *, window: int, start: int, rows: int):
        """Cut a text.

        Args:
            tokens: the whole text.
            window: tokens a row reads.
            start: the token before the first one.
            rows: windows a batch.

        Raises:
            UserError: a window has no room for context, or a batch none for a row.
        """
        if window < 2:
            raise UserError(f"'window' must be at least 2 tokens. Got {window!r}. Nearest: 2.")
        if rows < 1:
            raise UserError(f"'rows' must be at least 1. Got {rows!r}. Nearest: 1.")
        self._tokens, self._start, self._window, self._rows = tokens, start, window, rows
        self._stride = window // 2
        further = -(-max(0, len(tokens) - window) // self._stride)
        self._windows = (1 + further) if len(tokens) else 0

    def __len__(self) -> int:
        return (self._windows + self._rows - 1) // self._rows

    def __getitem__(self, index: int) -> Batch:  # pyright: ignore[reportIncompatibleMethodOverride]
        begins = self._indices(index) * self._stride
        lengths = np.minimum(self._window, len(self._tokens) - begins)
        return windows(self._tokens, begins, lengths, self._start)

    def __iter__(self) -> Iterator[Batch]:
        return (self[index] for index in range(len(self)))

    def counted(self, index: int) -> Bool[Tensor, "B T"]:
        """Where the targets of batch `index` count: those no window before has."""
        indices = self._indices(index)
        context = np.where(indices == 0, 0, self._window - self._stride)
        longest = min(self._window, len(self._tokens) - int(indices[0]) * self._stride)
        return torch.from_numpy(np.arange(longest) >= context[:, None])

    def _indices(self, index: int) -> NDArray[np.int64]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return np.arange(index * self._rows, min((index + 1) * self._rows, self._windows))
