"""Settings of how a running text is cut into batches: windows of streams.

Free of torch until batches are made.
"""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.data.batching import Batching, Rows
from seqlab.data.dataset import Split
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    from seqlab.data.batches import Batches


class _RunningText(Batching, ABC):
    """Windows of a running text."""

    running: ClassVar[bool] = True

    @override
    def labelled_batches(self, split: Split, seed: int | None) -> Batches:
        words = "must be 'sequences', 'tokens' or 'packed' for texts with a label or number"
        raise UserError(f"'batching.kind' {words}. Got {self.kind!r}. Nearest: 'sequences'.")


class StreamConfig(_RunningText):
    """All tokens as one running text, cut into contiguous parts and read in windows, the state carried."""

    kind: Literal["stream"] = "stream"
    """Name of the batching."""
    batch_size: int = Field(default=20, ge=1)
    """Contiguous parts read side by side."""
    sequence_length: int = Field(default=35, ge=1)
    """Tokens a part is unrolled over before its state is detached."""

    @override
    def next_token_batches(self, split: Split, seed: int | None, *, start: int, end: int | None) -> Batches:
        from seqlab.data.batches import StreamWindows

        tokens, length = split.text.tokens, self.sequence_length
        return StreamWindows(tokens, batch_size=self.batch_size, sequence_length=length, start=start)

    @override
    def most_tokens(self, lengths: Rows) -> int:
        return min(int(lengths.sum()), self.batch_size * self.sequence_length)

    @override
    def for_scoring(self, streams: int, window: int, *, carried: bool) -> Batching:
        if carried:
            return self.of_rows(streams, window)
        if self.sequence_length < 2:
            words = "must be at least 2 for a model that cannot carry its state from window to window"
            raise UserError(f"'batching.sequence_length' {words}. Got {self.sequence_length}. Nearest: 2.")
        return OverlappingBatching(batch_size=self.batch_size, window=self.sequence_length)

    @override
    def for_positions(self) -> Batching:
        return EqualBatching(batch_size=self.batch_size, window=self.sequence_length)

    @override
    def typical_length(self, lengths: Rows) -> int:
        return self.sequence_length

    @override
    def of_rows(self, count: int, window: int) -> Batching:
        return StreamConfig(batch_size=count, sequence_length=max(self.sequence_length, window))


class _Windows(_RunningText, ABC):
    """Windows that do not continue each other; they are not among the batchings that can be configured."""

    batch_size: int = Field(ge=1)
    """Windows per batch."""
    window: int = Field(ge=1)
    """Tokens of a window."""

    @override
    def most_tokens(self, lengths: Rows) -> int:
        return min(int(lengths.sum()), self.batch_size * self.window)

    @override
    def for_scoring(self, streams: int, window: int, *, carried: bool) -> Batching:
        return self

    @override
    def for_positions(self) -> Batching:
        return EqualBatching(batch_size=self.batch_size, window=self.window)

    @override
    def typical_length(self, lengths: Rows) -> int:
        return self.window

    @override
    def of_rows(self, count: int, window: int) -> Batching:
        return self.model_copy(update={"batch_size": count})


class EqualBatching(_Windows):
    """Windows of one length, for the loss at each position; see `EqualWindows`."""

    kind: Literal["equal"] = "equal"
    """Name of the batching."""

    @override
    def next_token_batches(self, split: Split, seed: int | None, *, start: int, end: int | None) -> Batches:
        from seqlab.data.batches import EqualWindows

        tokens, window = split.text.tokens, self.window
        return EqualWindows(tokens, window=window, start=start, batch_size=self.batch_size)


class OverlappingBatching(_Windows):
    """Overlapping windows, for scoring with models that cannot carry a state; see `OverlappingWindows`."""

    kind: Literal["overlapping"] = "overlapping"
    """Name of the batching."""
    stride: int | None = Field(default=None, ge=1)
    """Targets that count in a window, at most window // 2; None: that many."""

    @override
    def next_token_batches(self, split: Split, seed: int | None, *, start: int, end: int | None) -> Batches:
        from seqlab.data.batches import OverlappingWindows

        tokens, window = split.text.tokens, self.window
        return OverlappingWindows(
            tokens, window=window, start=start, batch_size=self.batch_size, stride=self.stride
        )
