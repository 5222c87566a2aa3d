"""Pipelines that spoil the data, and healthy ones. Legend: B sequences, T steps."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from cases import data_laws
from cases.case import HEALTHY, PipelineCase, Split
from cases.loaders import (
    END,
    ENDED,
    Example,
    both_sorted,
    buckets,
    by_length,
    collate,
    collate_targets,
    condemns_truncated,
    count_nonzero,
    cut_to_six,
    dropped_last,
    end_at_the_end,
    end_over_last_padding,
    examples,
    fours,
    loaded,
    of_another_order,
    one_less,
    only,
    oversampled,
    padded_with_end,
    patients,
    segments,
    shuffled,
    shuffled_apart,
    sorted_without_labels,
    stops_before_adding,
    through,
    unknown_is_zero,
    validated_on_test,
    whole_batches,
    zero_is_a_word,
)


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
