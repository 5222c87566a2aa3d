"""What a model may know of the data it is built for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from seqlab.runs.run_shapes import InputSizes

Output = Literal["class", "number", "text", "translation"]
"""What is predicted: a class or a number for each text, the next token of each step, a text for a source."""
Numbers = Sequence[Sequence[float]]
"""The numbers that each token is."""


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """Sizes of inputs and outputs; made by the task, kept in the run folder.

    vocabulary: number of input tokens. outputs: number of classes, or of tokens that can be predicted; 1 for
    a number. source_vocabulary: number of tokens of the source; None without a source. max_length: tokens
    of the longest input; None where there is no limit. padding: the id of padding; None where no token is
    for it. output: what is predicted; None where no task has said so. numbers: what each token is as numbers;
    None where tokens are none. frequent_first: whether ids, after those of special tokens, are in the order
    of frequency; true of a run that is read back, where what needs it was checked before.
    """

    vocabulary: int
    outputs: int
    source_vocabulary: int | None = None
    max_length: int | None = None
    padding: int | None = None
    output: Output | None = None
    numbers: Numbers | None = None
    frequent_first: bool = True

    def sizes(self) -> InputSizes:
        """What a run folder keeps: all but what belongs to the tokenizer."""
        return {
            "vocabulary": self.vocabulary,
            "outputs": self.outputs,
            "source_vocabulary": self.source_vocabulary,
            "max_length": self.max_length,
            "padding": self.padding,
            "output": self.output,
        }

    @staticmethod
    def from_sizes(sizes: InputSizes, numbers: Numbers | None) -> InputSpec:
        """The inverse of `sizes`."""
        return InputSpec(**sizes, numbers=numbers)
