"""Settings of how a split is cut into batches: padded sequences of similar length, or windows of a stream.

Every plan is a function of (lengths, settings, seed), so a run can continue at any batch of any epoch.
Free of torch until batches are made.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import override

from seqlab.data.dataset import Split
from seqlab.schema.config import Config
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    from seqlab.data.batches import Batches

Rows = NDArray[np.int64]


class Batching(Config, ABC):
    """How a split is cut."""

    kind: str
    """Name of the batching."""
    running: ClassVar[bool]
    """Whether it is for running text, whose parts are read on from batch to batch."""

    @abstractmethod
    def labelled_batches(self, split: Split, seed: int | None) -> Batches:
        """Batches of texts with a class or a number each.

        Args:
            split: with targets.
            seed: fixes the shuffled order; None is for evaluation.

        Raises:
            UserError: the batching is for running text.
        """

    @abstractmethod
    def next_token_batches(self, split: Split, seed: int | None, *, start: int, end: int | None) -> Batches:
        """Batches whose targets are the tokens one step ahead.

        Args:
            split: its sources go with its texts.
            seed: fixes the shuffled order; None is for evaluation.
            start: the token before the first one of a text.
            end: the token after the last one; running text has none.
        """

    @abstractmethod
    def most_tokens(self, lengths: Rows) -> int:
        """Tokens of the largest batch of texts with these lengths, not shuffled; padding included."""

    @abstractmethod
    def for_scoring(self, streams: int, window: int, *, carried: bool) -> Batching:
        """The batching with which a split is scored: every target once, with the most context there is.

        Args:
            streams: parts of a running text that are read side by side.
            window: least number of tokens that a carried state is unrolled over; it changes only memory.
            carried: whether the model can carry its state from window to window.

        Raises:
            UserError: a window has no context for a model that carries no state.
        """

    @abstractmethod
    def for_positions(self) -> Batching:
        """The batching over which the loss at each position is taken: texts, or windows of one length."""

    @abstractmethod
    def typical_length(self, lengths: Rows) -> int:
        """Tokens of a typical sequence of training, of texts with these lengths: at least 1."""

    @abstractmethod
    def of_rows(self, count: int, window: int) -> Batching:
        """A batching with `count` sequences in its first batch; those of running text have `window` steps."""


class SequenceBatching(Batching, ABC):
    """Whole sequences."""

    running: ClassVar[bool] = False
    sorts: ClassVar[bool] = True
    """Whether the sequences of a pool are sorted by length before they are cut into batches."""

    @abstractmethod
    def cut(self, sorted_lengths: Rows) -> list[int]:
        """Where batches begin among sequences sorted by length, 0 first."""

    @abstractmethod
    def pool_size(self, lengths: Rows) -> int:
        """Sequences sorted together."""

    @override
    def labelled_batches(self, split: Split, seed: int | None) -> Batches:
        from seqlab.data.batches import LabelledBatches

        return LabelledBatches(split, self.plan(split.text.lengths, seed))

    @override
    def next_token_batches(self, split: Split, seed: int | None, *, start: int, end: int | None) -> Batches:
        from seqlab.data.batches import NextTokenBatches

        assert end is not None, "separate sequences have an end"
        return NextTokenBatches(split, self.plan(split.text.lengths + 1, seed), start=start, end=end)

    @override
    def most_tokens(self, lengths: Rows) -> int:
        plan = self.plan(lengths, seed=None)
        return max((len(rows) * int(lengths[rows].max()) for rows in plan), default=0)

    @override
    def for_scoring(self, streams: int, window: int, *, carried: bool) -> Batching:
        return self

    @override
    def for_positions(self) -> Batching:
        return self

    @override
    def typical_length(self, lengths: Rows) -> int:
        return max(1, math.ceil(lengths.mean())) if len(lengths) else 1

    @override
    def of_rows(self, count: int, window: int) -> Batching:
        return SequencesConfig(batch_size=count)

    def plan(self, lengths: Rows, seed: int | None) -> list[Rows]:
        """The sequences of each batch: all of them, each once.

        Args:
            lengths: tokens of each sequence.
            seed: fixes which sequences meet and the order of batches; None sorts the whole split by
                length and keeps that order.
        """
        if seed is None:
            order = np.argsort(lengths, kind="stable")
            return np.split(order, self.cut(lengths[order])[1:]) if len(order) else []
        random = np.random.default_rng(seed)
        shuffled = random.permutation(len(lengths))
        size = self.pool_size(lengths)
        batches: list[Rows] = []
        for begin in range(0, len(shuffled), size):
            pool = shuffled[begin : begin + size]
            if self.sorts:
                pool = pool[np.argsort(lengths[pool], kind="stable")]
            batches += np.split(pool, self.cut(lengths[pool])[1:])
        return [batches[index] for index in random.permutation(len(batches))]


class SortedBatching(SequenceBatching, ABC):
    """Sequences of similar length together."""

    pool: int = Field(default=100, ge=1)
    """Batches whose shuffled sequences are sorted by length together: 1 shuffles most and pads most, more
    pads less."""


class SequencesConfig(SortedBatching):
    """`batch_size` sequences per batch; the last one of a pool may have fewer."""

    kind: Literal["sequences"] = "sequences"
    """Name of the batching."""
    batch_size: int = Field(default=32, ge=1)
    """Sequences per batch."""

    def cut(self, sorted_lengths: Rows) -> list[int]:
        """Every `batch_size` sequences; see `SequenceBatching.cut`."""
        return list(range(0, len(sorted_lengths), self.batch_size))

    def pool_size(self, lengths: Rows) -> int:
        """A multiple of `batch_size`, so that only the last pool ends with a partial batch."""
        return self.batch_size * self.pool


class TokensConfig(SortedBatching):
    """As many sequences as fit a budget of padded tokens (rows times the longest)."""

    kind: Literal["tokens"] = "tokens"
    """Name of the batching."""
    tokens: int = Field(default=5000, ge=1)
    """Padded tokens a batch, at most."""

    def cut(self, sorted_lengths: Rows) -> list[int]:
        """Greedily; see `SequenceBatching.cut`."""
        _check_budget(self.tokens, sorted_lengths)
        starts = [0]
        for index, length in enumerate(sorted_lengths.tolist()):
            if (index + 1 - starts[-1]) * length > self.tokens:
                starts.append(index)
        return starts

    def pool_size(self, lengths: Rows) -> int:
        """Sequences that fill about `pool` batches."""
        mean = max(1.0, float(lengths.mean())) if len(lengths) else 1.0
        return max(1, int(self.pool * self.tokens / mean))


class PackedConfig(SequenceBatching):
    """As many sequences as fit a budget of tokens, padding not counted, of whatever lengths.

    Padding costs recurrent layers and the output layer no arithmetic, so nothing has to be sorted and every
    batch has about as many tokens to learn from.
    """

    kind: Literal["packed"] = "packed"
    """Name of the batching."""
    tokens: int = Field(default=5000, ge=1)
    """Tokens a batch, at most."""
    sorts: ClassVar[bool] = False

    def cut(self, sorted_lengths: Rows) -> list[int]:
        """Greedily; see `SequenceBatching.cut`."""
        _check_budget(self.tokens, sorted_lengths)
        starts, filled = [0], 0
        for index, length in enumerate(sorted_lengths.tolist()):
            filled += length
            if filled > self.tokens:
                starts.append(index)
                filled = length
        return starts

    def pool_size(self, lengths: Rows) -> int:
        """All of them."""
        return max(1, len(lengths))


def _check_budget(tokens: int, lengths: Rows) -> None:
    if (longest := lengths.max(initial=0)) > tokens:
        words = f"must be at least the longest sequence, {longest} tokens"
        raise UserError(f"'batching.tokens' {words}. Got {tokens}.")
