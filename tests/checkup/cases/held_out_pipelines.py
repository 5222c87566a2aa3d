"""Pipelines that were written after the probes, to measure these on what they have not seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from cases import data_laws
from cases.case import HEALTHY, PipelineCase, Split
from cases.loaders import END, Batches, Example, collate, examples, fours, loaded, shuffled
from torch import Tensor


def same_order(data: list[Example]) -> Iterator[list[Example]]:
    """Shuffled, from the same seed in each pass."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0)).tolist()
    yield from fours([data[index] for index in order])


def within_budget(data: list[Example]) -> Iterator[list[Example]]:
    """Batches of at most 20 tokens; an example that does not fit is skipped."""
    batch: list[Example] = []
    for example in shuffled(data):
        if sum(len(tokens) for tokens, _ in [*batch, example]) <= 20:
            batch.append(example)
        else:
            yield batch
            batch = []
    if batch:
        yield batch


def shifted_labels(data: list[Example]) -> Iterator[list[Example]]:
    """A header line is skipped in one of two files."""
    labels = [label for _, label in data[1:]] + [data[0][1]]
    pairs = list(zip([tokens for tokens, _ in data], labels, strict=True))
    yield from fours(shuffled(pairs))


def padded_everywhere(batch: list[Example]) -> dict[str, Tensor]:
    """Every row has the length of the longest."""
    found = collate(batch)
    return found | {"lengths": torch.full_like(found["lengths"], found["tokens"].shape[1])}


def overlapping_windows() -> Mapping[str, Split]:
    """Windows of a series are split at random, though they overlap and repeat."""
    data = examples(12)
    return {"train": loaded(data[:9] + data[9:10]), "valid": loaded(data[9:], shuffle=False)}


def pipeline(name: str, kind: str, source: str, note: str, splits: object, **more: object) -> PipelineCase:
    settings = {"broken": data_laws.EVERY.get(kind, lambda case: False)} | more
    return PipelineCase(name=name, kind=kind, source=source, note=note, splits=splits, **settings)  # type: ignore[arg-type]


CASES = [
    pipeline(
        "same-order-each-epoch",
        "never shuffled",
        "neulab/xnmt#131",
        "shuffled once: every epoch has the same order",
        lambda: {"train": Split(data := examples(), Batches(data, same_order))},
    ),
    pipeline(
        "skipped-beyond-budget",
        "examples lost",
        "luxonis/luxonis-train#277",
        "what does not fit into a batch any more is discarded",
        lambda: {"train": Split(data := examples(), Batches(data, within_budget))},
    ),
    pipeline(
        "labels-shifted-by-one",
        "labels misaligned",
        "neulab/xnmt#131",
        "a minority of lines is unaligned: one side starts one line later",
        lambda: {"train": Split(data := examples(), Batches(data, shifted_labels))},
    ),
    pipeline(
        "length-of-the-longest",
        "wrong lengths",
        "OpenNMT/OpenNMT-py#190",
        "all rows are said to be as long as the batch",
        lambda: {"train": loaded(examples(), collate_fn=padded_everywhere)},
    ),
    pipeline(
        "windows-in-both-splits",
        "splits overlap",
        "zhouhaoyi/Informer2020#297",
        "the splits share windows",
        overlapping_windows,
    ),
]


def added_in_the_collator(batch: list[Example]) -> dict[str, Tensor]:
    """The end token is added before padding."""
    return collate([([*tokens, END], label) for tokens, label in batch])


HEALTHY_CASES = [
    pipeline(
        "end-added-in-the-collator",
        HEALTHY,
        "asyml/texar-pytorch#154",
        "examples have no end token, batches do",
        lambda: {"train": loaded(examples(), collate_fn=added_in_the_collator)},
        end=END,
    ),
    pipeline(
        "shuffled-buckets-of-a-pool",
        HEALTHY,
        "pytorch/text#69",
        "sorted within a pool, which is drawn again in each pass",
        lambda: {
            "train": Split(
                data := examples(30),
                Batches(data, lambda rows: fours(sorted(shuffled(rows), key=lambda e: len(e[0]) // 2))),
            )
        },
    ),
]
