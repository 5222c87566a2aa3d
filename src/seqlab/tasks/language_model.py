"""The next token at each step, over whole sequences or over a running text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from seqlab.data.batch import Batch, windows
from seqlab.data.batching import Batching, SequenceBatching, StreamConfig, gather_rows
from seqlab.data.dataset import Dataset, Split
from seqlab.schema.errors import UserError
from seqlab.tasks.cross_entropy import CrossEntropyTask
from seqlab.tasks.monitors import monitor_of


class LanguageModelTask(CrossEntropyTask):
    """Batches whose targets are the tokens one step ahead."""

    unit = "token"
    monitor = monitor_of("loss", unit)

    def __init__(
        self,
        start: int,
        end: int | None,
        name: str,
        label_smoothing: float,
        metrics: tuple[str, ...] = ("loss", "perplexity", "bits_per_token", "accuracy"),
    ):
        self._start, self._end, self._name = start, end, name
        self.label_smoothing, self.metrics = label_smoothing, metrics

    def outputs(self, dataset: Dataset) -> int:
        """Size of the vocabulary."""
        return len(dataset.tokenizer.vocabulary)

    def batches(self, split: Split, batching: Batching, seed: int | None) -> Sequence[Batch]:
        """Windows of a stream, or padded sequences between start and end; see `Task.batches`."""
        if isinstance(batching, StreamConfig):
            return StreamWindows(split.tokens, batching.batch_size, batching.sequence_length, self._start)
        assert isinstance(batching, SequenceBatching), "the table has these two families"
        if self._end is None:
            raise UserError(
                f"'batching.kind' must be 'stream' for running text such as {self._name!r}. "
                f"Got {batching.kind!r}."
            )
        plan = batching.plan(split.lengths + 1, seed)
        return _SequenceBatches(split, plan, self._start, self._end)


class StreamWindows(Sequence[Batch]):
    """A running text in `rows` contiguous parts, read `window` tokens at a time.

    Every token is a target exactly once. Parts differ by at most one token; where the longer ones have
    one token left, the last window is that much longer.
    """

    def __init__(self, tokens: NDArray[np.int32], rows: int, window: int, start: int):
        rows = max(1, min(rows, len(tokens)))
        self._tokens, self._start, self._window = tokens, start, window
        self._begins = np.linspace(0, len(tokens), rows + 1).astype(np.int64)
        self._shortest = int(np.diff(self._begins).min())

    def __len__(self) -> int:
        return max(1, -(-self._shortest // self._window)) if len(self._tokens) else 0

    def __getitem__(self, index: int) -> Batch:  # pyright: ignore[reportIncompatibleMethodOverride]
        if not 0 <= index < len(self):
            raise IndexError(index)
        begins = self._begins[:-1] + index * self._window
        ends = self._begins[1:]
        if index + 1 < len(self):
            ends = np.minimum(begins + self._window, ends)
        return windows(self._tokens, begins, ends - begins, self._start)


class _SequenceBatches(Sequence[Batch]):
    def __init__(self, split: Split, plan: list[NDArray[np.int64]], start: int, end: int):
        self._split, self._plan, self._start, self._end = split, plan, start, end

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, index: int) -> Batch:  # pyright: ignore[reportIncompatibleMethodOverride]
        text, lengths = gather_rows(self._split, self._plan[index])
        rows = np.arange(len(lengths))
        if lengths.max(initial=0) == 0:
            text = text[:, :0]
        inputs = np.concatenate([np.full((len(rows), 1), self._start), text], axis=1)
        targets = np.concatenate([text, np.zeros((len(rows), 1), dtype=np.int64)], axis=1)
        targets[rows, lengths] = self._end
        return Batch(torch.from_numpy(inputs), torch.from_numpy(lengths + 1), torch.from_numpy(targets))
