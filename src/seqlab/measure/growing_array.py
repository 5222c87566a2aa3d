"""An array that pieces are appended to."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

V = TypeVar("V", bound=np.generic)


class GrowingArray(Generic[V]):
    """One array in place of a list of small ones, in memory that doubles when it is full.

    A list would keep small blocks of memory that are allocated between the large ones of a scoring pass. The
    allocator takes them from large blocks that were freed a moment ago, which then cannot be used again.

    >>> numbers = GrowingArray(np.int64)
    >>> numbers.extend(np.array([1, 2]))
    >>> numbers.extend(np.array([3]))
    >>> numbers.values
    array([1, 2, 3])
    """

    def __init__(self, dtype: type[V]):
        self._memory: NDArray[V] = np.empty(1024, dtype)
        self._count = 0

    def extend(self, values: NDArray[V]) -> None:
        """Append values, which are copied."""
        end = self._count + len(values)
        if end > len(self._memory):
            larger = np.empty(max(end, 2 * len(self._memory)), self._memory.dtype)
            larger[: self._count] = self.values
            self._memory = larger
        self._memory[self._count : end] = values
        self._count = end

    @property
    def values(self) -> NDArray[V]:
        """All values, as a view that is out of date after the next `extend`."""
        return self._memory[: self._count]
