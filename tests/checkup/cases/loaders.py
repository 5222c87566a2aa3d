"""What pipelines are made of: examples, batches, collators and splits. Legend: B rows, T steps."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from cases.case import Split
from torch.utils.data import DataLoader

Example = tuple[list[int], Any]
END, WORDS = 2, ("<pad>", "<s>", "</s>", *(f"word{index}" for index in range(3, 30)))


def examples(
    count: int = 22, *, seed: int = 0, end: bool = False, low: int = 3, high: int = 30
) -> list[Example]:
    """Distinct sequences of 3 to 8 tokens with a label of 0 to 2."""
    draw = random.Random(seed)
    found: list[Example] = []
    for index in range(count):
        tokens = [draw.randrange(low, high) for _ in range(draw.randint(3, 8))]
        found.append((tokens + [END] * end, index % 3))
    return found


def collate(
    batch: list[Example], *, padding: int = 0, mask: bool = False, left: bool = False
) -> dict[str, Any]:
    """Padded tokens (B, T), with lengths or a mask, and labels (B,)."""
    longest = max(len(tokens) for tokens, _ in batch)
    rows, keep = [], []
    for tokens, _ in batch:
        filler, ones = [padding] * (longest - len(tokens)), [1] * len(tokens)
        rows.append(filler + tokens if left else tokens + filler)
        keep.append([0] * len(filler) + ones if left else ones + [0] * len(filler))
    labels = torch.tensor([label for _, label in batch])
    where = (
        {"attention_mask": torch.tensor(keep)}
        if mask
        else {"lengths": torch.tensor([len(tokens) for tokens, _ in batch])}
    )
    return {"tokens": torch.tensor(rows), **where, "labels": labels}


def loaded(data: list[Example], **options: Any) -> Split:
    """A split with torch's loader: batches of 4, shuffled."""
    settings = {"batch_size": 4, "shuffle": True, "collate_fn": collate} | options
    return Split(data, DataLoader(data, **settings))  # type: ignore[arg-type]


class Batches:
    """An iterable over batches that a function makes again in each pass."""

    def __init__(
        self, data: list[Example], make: Callable[[list[Example]], Iterator[list[Example]]], **options: Any
    ):
        self.dataset, self._make, self._options = data, make, options

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self._make(self.dataset):
            yield collate(batch, **self._options)


def batched(
    data: list[Example], make: Callable[[list[Example]], Iterator[list[Example]]], **options: Any
) -> Split:
    return Split(data, Batches(data, make, **options))


def shuffled(data: list[Example]) -> list[Example]:
    return [data[index] for index in torch.randperm(len(data)).tolist()]


def fours(data: list[Example]) -> Iterator[list[Example]]:
    for start in range(0, len(data), 4):
        yield data[start : start + 4]


def whole_batches(data: list[Example]) -> Iterator[list[Example]]:
    """len(data) // 4 batches."""
    yield from list(fours(shuffled(data)))[: len(data) // 4]


def stops_before_adding(data: list[Example]) -> Iterator[list[Example]]:
    """The loop ends before the last batch is handed over."""
    batch: list[Example] = []
    order = shuffled(data)
    for index, example in enumerate(order):
        if index == len(order) - 1:
            break
        batch.append(example)
        if len(batch) == 4:
            yield batch
            batch = []
    if batch:
        yield batch


def condemns_truncated(data: list[Example]) -> Iterator[list[Example]]:
    """A check for the end token throws out the sequences that were cut."""
    cut = [(tokens[:6], label) for tokens, label in shuffled(data)]
    yield from fours([example for example in cut if END in example[0]])


def sorted_without_labels(data: list[Example]) -> Iterator[list[Example]]:
    """Each batch is sorted by length, its labels are not."""
    for batch in fours(shuffled(data)):
        ordered = sorted((tokens for tokens, _ in batch), key=len, reverse=True)
        yield [(tokens, label) for tokens, (_, label) in zip(ordered, batch, strict=True)]


def shuffled_apart(data: list[Example]) -> Iterator[list[Example]]:
    """Inputs and labels are shuffled separately."""
    labels = [label for _, label in shuffled(data)]
    tokens = [tokens for tokens, _ in shuffled(data)]
    yield from fours(list(zip(tokens, labels, strict=True)))


def both_sorted(data: list[Example]) -> Iterator[list[Example]]:
    """Source and target of a pair are each sorted by their own length."""
    for batch in fours(shuffled(data)):
        sources = sorted((source for source, _ in batch), key=len)
        targets = sorted((target for _, target in batch), key=lambda target: target % 3)
        yield list(zip(sources, targets, strict=True))


def by_length(data: list[Example]) -> Iterator[list[Example]]:
    yield from fours(sorted(data, key=lambda example: len(example[0])))


def buckets(data: list[Example]) -> Iterator[list[Example]]:
    """Batches of similar lengths, in random order."""
    groups = list(fours(sorted(shuffled(data), key=lambda example: len(example[0]))))
    yield from (groups[index] for index in torch.randperm(len(groups)).tolist())


def in_order(data: list[Example]) -> Iterator[list[Example]]:
    yield from fours(data)


def cut_to_six(batch: list[Example]) -> dict[str, Any]:
    """Sequences are cut after the end token was added."""
    return collate([(tokens[:6], label) for tokens, label in batch])


def cut_before_end(batch: list[Example]) -> dict[str, Any]:
    """Sequences are cut, and keep their end token."""
    return collate([(tokens if len(tokens) <= 6 else [*tokens[:5], END], label) for tokens, label in batch])


def end_at_the_end(batch: list[Example]) -> dict[str, Any]:
    """Rows are padded, then every row gets its end token."""
    found = collate(batch)
    ends = torch.full((len(batch), 1), END)
    return found | {"tokens": torch.cat([found["tokens"], ends], dim=1), "lengths": found["lengths"] + 1}


def end_over_last_padding(batch: list[Example]) -> dict[str, Any]:
    """The last column is overwritten by the end token."""
    found = collate([([*tokens, 0], label) for tokens, label in batch])
    found["tokens"][:, -1] = END
    return found


def padded_with_end(batch: list[Example]) -> dict[str, Any]:
    return collate(batch, padding=END)


def count_nonzero(batch: list[Example]) -> dict[str, Any]:
    """Lengths are the numbers of ids that are not zero."""
    found = collate(batch)
    return found | {"lengths": (found["tokens"] != 0).sum(dim=1)}


def one_less(batch: list[Example]) -> dict[str, Any]:
    found = collate(batch)
    return found | {"lengths": (found["lengths"] - 1).clamp(min=1)}


def of_another_order(batch: list[Example]) -> dict[str, Any]:
    """Lengths are sorted for packing, rows are not."""
    found = collate(batch)
    return found | {"lengths": found["lengths"].sort(descending=True).values}


def zero_is_a_word(data: list[Example]) -> list[Example]:
    """The vocabulary starts at 0, where the padding is."""
    return [([token - 3 for token in tokens], label) for tokens, label in data]


def unknown_is_zero(data: list[Example]) -> list[Example]:
    """Rare words get the id 0."""
    return [([0 if token > 26 else token for token in tokens], label) for tokens, label in data]


def segments(data: list[Example]) -> list[Example]:
    """Labels of each token count segments from 0, which pads them too."""
    return [(tokens, tuple(min(index, 1) for index in range(len(tokens)))) for tokens, _ in data]


def collate_targets(batch: list[Example], *, padding: int = 0) -> dict[str, Any]:
    found = collate([(tokens, 0) for tokens, _ in batch])
    width = found["tokens"].shape[1]
    rows = [list(target) + [padding] * (width - len(target)) for _, target in batch]
    return {"tokens": found["tokens"], "lengths": found["lengths"], "targets": torch.tensor(rows)}


def oversampled() -> Mapping[str, Split]:
    """A small source is repeated before the tail is split off."""
    data = examples(12) + examples(4, seed=1) * 3
    return {"train": loaded(data[:18]), "valid": loaded(data[18:], shuffle=False)}


def patients() -> Mapping[str, Split]:
    """A random split of rows, several of which are the same."""
    data = examples(10) * 2
    order = shuffled(data)
    return {"train": loaded(order[:14]), "valid": loaded(order[14:], shuffle=False)}


def validated_on_test() -> Mapping[str, Split]:
    """The same data are validation and test."""
    data, test = examples(16), examples(6, seed=1)
    return {
        "train": loaded(data),
        "valid": loaded(test, shuffle=False),
        "test": loaded(list(test), shuffle=False),
    }


def only(
    make: Callable[[list[Example]], Iterator[list[Example]]], **options: Any
) -> Callable[[], Mapping[str, Split]]:
    return lambda: {"train": batched(examples(**options), make)}


def through(
    collate_fn: Callable[..., Any], data: Callable[[], list[Example]] = examples
) -> Callable[[], Mapping[str, Split]]:
    return lambda: {"train": loaded(data(), collate_fn=collate_fn)}


ENDED = partial(examples, end=True)


def dropped_last() -> Mapping[str, Split]:
    return {"train": loaded(examples()), "test": loaded(examples(10, seed=1), shuffle=False, drop_last=True)}
