"""What a model may know of the data it is built for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Numbers = Sequence[Sequence[float]]
"""The numbers that each token is."""


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """Sizes of inputs and outputs; made by the task, kept in the run folder.

    vocabulary: number of input tokens. outputs: number of classes, or of tokens that can be predicted; 1 for
    a number. source_vocabulary: number of tokens of the source; None without a source. max_length: tokens
    of the longest input; None where there is no limit. numbers: what each token is as numbers; None where
    tokens are none.
    """

    vocabulary: int
    outputs: int
    source_vocabulary: int | None = None
    max_length: int | None = None
    numbers: Numbers | None = None

    def to_table(self) -> dict[str, Any]:
        """A plain table for JSON, without the numbers, which belong to the tokenizer."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key != "numbers"}

    @staticmethod
    def from_table(table: Mapping[str, Any], numbers: Numbers | None) -> InputSpec:
        """The inverse of `to_table`."""
        return InputSpec(**table, numbers=numbers)
