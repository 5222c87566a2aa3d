"""A case of the corpus: a small module or pipeline that is broken in a known way, or healthy but suspicious.

Nothing here imports seqlab, so that any other tool can be run on the same cases.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

HEALTHY = "healthy"
Task = Literal["classify", "regress", "language-model", "translate"]
Loss = Callable[[Tensor, Tensor], Tensor]
Batch = dict[str, Any]
Built = TypeVar("Built")

MODULE_KINDS = (
    "rows mixed",
    "look-ahead",
    "padding",
    "state after padding",
    "whole and steps differ",
    "input unused",
    "state size",
    "state not updated",
    "dead output",
    "softmax before loss",
    "axes scrambled",
    "raw ids",
    "order ignored",
    "loss count",
    "target shift",
    "parameter unused",
    "setting unused",
    "gradient through time",
    "padding row",
    "train and eval differ",
    "dropout in eval",
    "cannot overfit",
    "initial loss",
    "non-determinism",
    "weights untied",
    "one size",
)
PIPELINE_KINDS = (
    "examples lost",
    "splits overlap",
    "labels misaligned",
    "end token lost",
    "padding before end",
    "wrong lengths",
    "padding id shared",
    "never shuffled",
)


def seeded(build: Callable[[], Built]) -> Built:
    """What a function builds from a fixed seed; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build()


@dataclass(frozen=True, kw_only=True)
class Case:
    """One module.

    name: unique.
    kind: one of `MODULE_KINDS`, or "healthy".
    source: the public report it was written from, `owner/repository#number`; for a healthy one the thread in
        which the pattern is asked about or explained.
    note: what is wrong; for a healthy one what looks suspicious, and why it is right.
    module: builds the module; called by `build` with a fixed seed.
    task: what the module is for.
    batch: example arguments of `forward` by name, and `targets`.
    loss: of (output, targets), if the module is trained with another one than the usual of its task, or if
        the loss is part of the case. None also where `forward` returns the loss.
    law: for a broken case what it violates: a function that returns False for it (`laws.py`).
    exempt: for a healthy case the laws that legitimately do not hold, by name.
    time_first: sequences are (time, batch, ...), not (batch, time, ...).
    mistakes: which of the twelve kinds of mistakes that the project was founded on it is an example of.
    """

    name: str
    kind: str
    source: str
    note: str
    module: Callable[[], nn.Module]
    task: Task
    batch: Callable[[], Batch]
    loss: Loss | None = None
    law: Callable[[Case], bool] | None = None
    exempt: tuple[str, ...] = ()
    time_first: bool = False
    mistakes: tuple[int, ...] = ()

    def build(self) -> nn.Module:
        """A new module, the same one each time."""
        return seeded(self.module)

    def example(self) -> tuple[Batch, Tensor | None]:
        """The example arguments of `forward`, and the targets (None where they are an argument)."""
        arguments = self.batch()
        return arguments, arguments.pop("targets", None)


@dataclass(frozen=True)
class Split:
    """A split of a pipeline.

    examples: the data as they are stored, (tokens, label) or (tokens, tokens of the target), in order.
    loader: iterates over batches, mappings with `tokens` (B, T), and `lengths` (B,) or `attention_mask`
        (B, T), and `labels` (B,) or `targets` (B, T).
    """

    examples: list[tuple[list[int], Any]]
    loader: Any


@dataclass(frozen=True, kw_only=True)
class PipelineCase:
    """One data pipeline.

    splits: builds the splits by name; called with a fixed seed.
    padding, end: ids of the padding and of the end token, None if there is none.
    names: of the ids of the vocabulary, if known.
    broken: whether the pipeline violates the law of its kind, shown from examples and batches alone.
    The other fields are those of `Case`.
    """

    name: str
    kind: str
    source: str
    note: str
    splits: Callable[[], Mapping[str, Split]]
    broken: Callable[[PipelineCase], bool]
    padding: int | None = 0
    end: int | None = None
    names: tuple[str, ...] | None = None
    mistakes: tuple[int, ...] = ()

    def build(self) -> Mapping[str, Split]:
        """New splits, the same ones each time."""
        return seeded(self.splits)


def copied(batch: Mapping[str, Any]) -> Batch:
    """A batch whose tensors may be changed."""
    return copy.deepcopy(dict(batch))
