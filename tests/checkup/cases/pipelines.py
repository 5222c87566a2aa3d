"""Pipelines that spoil the data, and healthy ones. Legend: B sequences, T steps."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from cases import data_laws
from cases.case import HEALTHY, PipelineCase, Split
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


def spoiled(name: str, kind: str, source: str, note: str, splits: object, **more: object) -> PipelineCase:
    settings = {"broken": data_laws.EVERY.get(kind, data_laws.end_lost)} | more
    return PipelineCase(name=name, kind=kind, source=source, note=note, splits=splits, **settings)  # type: ignore[arg-type]


CASES = [
    spoiled(
        "test-drops-last-batch",
        "examples lost",
        "thuml/Autoformer#104",
        "drop_last=True for the test split: the score depends on the batch size",
        dropped_last,
        mistakes=(6, 9),
    ),
    spoiled(
        "whole-batches-only",
        "examples lost",
        "jadore801120/attention-is-all-you-need-pytorch#14",
        "the number of batches is rounded down",
        only(whole_batches),
        mistakes=(6,),
    ),
    spoiled(
        "loop-ends-before-last",
        "examples lost",
        "lazyprogrammer/machine_learning_examples#29",
        "the loop breaks before it adds the last sample",
        only(stops_before_adding),
        mistakes=(6,),
    ),
    spoiled(
        "truncated-examples-condemned",
        "examples lost",
        "hiyouga/LlamaFactory#3945",
        "cut sequences have no end token, and are thrown out as invalid",
        only(condemns_truncated, end=True),
        end=END,
        mistakes=(10,),
    ),
    spoiled(
        "oversampled-before-split",
        "splits overlap",
        "MakazhanAlpamys/Soup#680",
        "repeated examples are on both sides of the split",
        oversampled,
    ),
    spoiled(
        "same-example-in-both-splits",
        "splits overlap",
        "theislab/multimil#75",
        "rows that belong together are split at random",
        patients,
    ),
    spoiled(
        "validation-on-test",
        "splits overlap",
        "peizhenbai/DrugBAN#16",
        "one split serves for validation and for test",
        validated_on_test,
        mistakes=(9,),
    ),
    spoiled(
        "sorted-without-labels",
        "labels misaligned",
        "neulab/xnmt#131",
        "the batch is sorted by length, its labels stay where they were",
        only(sorted_without_labels),
        mistakes=(6,),
    ),
    spoiled(
        "shuffled-apart",
        "labels misaligned",
        "keras-team/keras#669",
        "inputs and labels are shuffled one after the other",
        only(shuffled_apart),
    ),
    spoiled(
        "pair-sorted-on-both-sides",
        "labels misaligned",
        "pytorch/pytorch#2615",
        "both sides of a pair are sorted on their own",
        only(both_sorted),
        mistakes=(6,),
    ),
    spoiled(
        "end-cut-off",
        "end token lost",
        "tloen/alpaca-lora#439",
        "a sequence that is cut has lost its end",
        through(cut_to_six, ENDED),
        end=END,
        mistakes=(7,),
    ),
    spoiled(
        "end-never-added",
        "end token lost",
        "qkaren/Counterfactual-StoryRW#11",
        "training never sees the end token, generation never stops",
        through(collate),
        end=END,
        mistakes=(7, 11),
    ),
    spoiled(
        "end-after-padding",
        "padding before end",
        "huggingface/transformers#45757",
        "the end token is appended to padded rows",
        through(end_at_the_end),
        end=END,
        mistakes=(7,),
    ),
    spoiled(
        "end-in-last-column",
        "padding before end",
        "huggingface/trl#884",
        "the collator puts one end token at the end of every row",
        through(end_over_last_padding),
        end=END,
        mistakes=(7,),
    ),
    spoiled(
        "lengths-count-nonzero",
        "wrong lengths",
        "sunlabuiuc/PyHealth#140",
        "the length is the number of nonzero entries, and zero is an entry",
        through(count_nonzero, lambda: unknown_is_zero(examples())),
    ),
    spoiled(
        "lengths-one-less",
        "wrong lengths",
        "pytorch/pytorch#144207",
        "lengths below the true ones: the last token is silently cut off",
        through(one_less),
    ),
    spoiled(
        "lengths-of-another-order",
        "wrong lengths",
        "OpenNMT/OpenNMT-py#190",
        "the lengths are sorted as packing wants them, the rows are not",
        through(of_another_order),
    ),
    spoiled(
        "first-word-is-padding",
        "padding id shared",
        "tensorflow/tensor2tensor#1176",
        "the padding's id 0 is also that of a word",
        through(collate, lambda: zero_is_a_word(examples())),
        mistakes=(7,),
    ),
    spoiled(
        "unknown-words-are-padding",
        "padding id shared",
        "gabrielloye/LSTM_Sentiment-Analysis#1",
        "words outside the vocabulary get the padding's id",
        through(collate, lambda: unknown_is_zero(examples())),
        mistakes=(7,),
    ),
    spoiled(
        "padded-with-end-token",
        "padding id shared",
        "NVIDIA-NeMo/Automodel#1336",
        "padding and end share an id: masking one masks the other",
        through(padded_with_end, ENDED),
        padding=END,
        end=END,
        mistakes=(7,),
    ),
    spoiled(
        "segment-zero-is-padding",
        "padding id shared",
        "FGA-DIKU/BONSAI#168",
        "the first class of the targets has the id that pads them",
        through(collate_targets, lambda: segments(examples())),
        mistakes=(7,),
    ),
    spoiled(
        "sorted-by-length-for-good",
        "never shuffled",
        "IBM/pytorch-seq2seq#96",
        "every epoch sees the same batches, from short to long",
        only(by_length),
        mistakes=(6,),
    ),
    spoiled(
        "buckets-in-fixed-order",
        "never shuffled",
        "allenai/allennlp#3985",
        "the batches of a bucket sampler are not shuffled",
        only(by_length, count=25),
        mistakes=(6,),
    ),
    spoiled(
        "loader-without-shuffle",
        "never shuffled",
        "google-research/bert#324",
        "the training data keep the order of the file, sorted by label",
        lambda: {"train": loaded(sorted(examples(), key=lambda example: example[1]), shuffle=False)},
    ),
]


def healthy(name: str, source: str, note: str, splits: object, **more: object) -> PipelineCase:
    settings = {"broken": lambda case: False} | more
    return PipelineCase(name=name, kind=HEALTHY, source=source, note=note, splits=splits, **settings)  # type: ignore[arg-type]


def train_drops_last() -> Mapping[str, Split]:
    return {
        "train": loaded(examples(24), drop_last=True),
        "test": loaded(examples(10, seed=1), shuffle=False),
    }


HEALTHY_CASES = [
    healthy(
        "last-batch-smaller",
        "pyg-team/pytorch_geometric#199",
        "the last batch is smaller than the others: nothing is lost",
        through(collate),
    ),
    healthy(
        "evaluation-in-order",
        "jadore801120/attention-is-all-you-need-pytorch#14",
        "validation and test are not shuffled, which they need not be",
        lambda: {
            "train": loaded(examples(24), drop_last=True),
            "valid": loaded(examples(9, seed=1), shuffle=False),
        },
    ),
    healthy(
        "buckets-in-random-order",
        "pytorch/text#1097",
        "batches are sorted by length within, but their order is drawn",
        only(buckets),
    ),
    healthy(
        "left-padded",
        "huggingface/transformers#18478",
        "padding is in front, and the mask says so",
        through(partial(collate, mask=True, left=True)),
    ),
    healthy(
        "sorted-with-labels",
        "OpenNMT/OpenNMT-py#190",
        "each batch is sorted by length for packing, labels with it",
        only(lambda data: (sorted(b, key=lambda e: -len(e[0])) for b in fours(shuffled(data)))),
    ),
    healthy(
        "cut-before-the-end",
        "huggingface/trl#4698",
        "sequences are cut and still end with the end token",
        lambda: {
            "train": loaded(
                [(t if len(t) <= 6 else [*t[:5], END], label) for t, label in ENDED()], collate_fn=collate
            )
        },
        end=END,
    ),
    healthy(
        "targets-padded-with-minus-100",
        "FlagAI-Open/FlagAI#522",
        "targets are padded with another id than tokens: the one that the loss ignores",
        through(partial(collate_targets, padding=-100), lambda: segments_from_one(examples())),
    ),
    healthy(
        "train-drops-nothing-by-drop-last",
        "muzairkhattak/PromptSRC#22",
        "drop_last=True, and the size is a multiple of the batch size",
        train_drops_last,
    ),
]


def segments_from_one(data: list[Example]) -> list[Example]:
    return [(tokens, tuple(1 + min(index, 1) for index in range(len(tokens)))) for tokens, _ in data]
