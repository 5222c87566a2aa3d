"""What a pipeline must keep, by its examples and batches alone; each function says whether it fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from cases.case import PipelineCase, Split
from torch import Tensor

Row = tuple[tuple[int, ...], Any]


def rows(split: Split) -> Iterator[tuple[tuple[int, ...], int, Any]]:
    """Of each row of each batch its tokens with padding, its length and its label."""
    for batch in split.loader:
        tokens: Tensor = batch["tokens"]
        lengths = batch["lengths"] if "lengths" in batch else batch["attention_mask"].sum(dim=1)
        found = batch.get("labels", batch.get("targets"))
        for index, row in enumerate(tokens.tolist()):
            yield tuple(row), int(lengths[index]), label_of(found[index])


def label_of(value: Any) -> Any:
    value = value.tolist() if isinstance(value, Tensor) else value
    return tuple(value) if isinstance(value, list) else value


def trimmed(label: Any, length: int) -> Any:
    return label[:length] if isinstance(label, tuple) else label


def stored(split: Split) -> list[Row]:
    return [(tuple(tokens), label_of(label)) for tokens, label in split.examples]


def examples_lost(case: PipelineCase) -> bool:
    """The batches of a split hold fewer examples than the split."""
    return any(sum(1 for _ in rows(split)) < len(split.examples) for split in case.build().values())


def splits_overlap(case: PipelineCase) -> bool:
    """An example of one split is in another."""
    seen: Counter[tuple[int, ...]] = Counter()
    for split in case.build().values():
        seen.update({tokens for tokens, _ in stored(split)})
    return max(seen.values()) > 1


def labels_misaligned(case: PipelineCase) -> bool:
    """A row has the label of another example."""
    for split in case.build().values():
        labels = dict(stored(split))
        for row, length, label in rows(split):
            tokens = row[:length]
            if tokens in labels and trimmed(label, length) != labels[tokens]:
                return True
    return False


def end_lost(case: PipelineCase) -> bool:
    """A row has no end token."""
    return any(case.end not in row for split in case.build().values() for row, _, _ in rows(split))


def padding_before_end(case: PipelineCase) -> bool:
    """There is padding between the last token and the end token."""
    return any(
        case.end in row and case.padding in row[: row.index(case.end)]
        for split in case.build().values()
        for row, _, _ in rows(split)
    )


def lengths_wrong(case: PipelineCase) -> bool:
    """The first `length` tokens of a row are not the tokens of an example, with or without an end token."""
    for split in case.build().values():
        known = {tokens for tokens, _ in stored(split)}
        known |= {(*tokens, case.end) for tokens in known} if case.end is not None else set()
        if any(row[:length] not in known and row[-length:] not in known for row, length, _ in rows(split)):
            return True
    return False


def padding_shared(case: PipelineCase) -> bool:
    """A token of an example, or a target, has the padding's id."""
    for split in case.build().values():
        for tokens, label in stored(split):
            labels = label if isinstance(label, tuple) else ()
            if case.padding in tokens or case.padding in labels:
                return True
    return False


def never_shuffled(case: PipelineCase) -> bool:
    """Two passes over the training split have the same order."""
    split = case.build()["train"]
    first, second = (list(rows(split)) for _ in range(2))
    return first == second


EVERY = {
    "examples lost": examples_lost,
    "splits overlap": splits_overlap,
    "labels misaligned": labels_misaligned,
    "padding before end": padding_before_end,
    "wrong lengths": lengths_wrong,
    "padding id shared": padding_shared,
    "never shuffled": never_shuffled,
}
"""By kind, for all pipelines; `end_lost` applies only to those with an end token."""
