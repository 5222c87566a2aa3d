"""Batches that are prepared while the one before is used."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from seqlab.data.batch import Batch


class Prefetcher(Sequence[Batch]):
    """The same batches in the same order; taking one starts the preparation of the next in a thread.

    A context manager, so that no thread outlives its use. The content of a batch depends on its index
    alone, so a batch that was prepared and never taken changes nothing.
    """

    def __init__(self, batches: Sequence[Batch]):
        self._batches = batches
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
        self._prepared: dict[int, Future[Batch]] = {}

    def __enter__(self) -> Prefetcher:
        """The batches themselves."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for what is being prepared, and drop it."""
        self._pool.shutdown(cancel_futures=True)

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Batch:  # pyright: ignore[reportIncompatibleMethodOverride]
        prepared = self._prepared.pop(index, None)
        batch = self._batches[index] if prepared is None else prepared.result()
        self._prepared.clear()
        if index + 1 < len(self):
            self._prepared[index + 1] = self._pool.submit(self._batches.__getitem__, index + 1)
        return batch
