"""Probes of pipelines, each on one that loses or mixes up something."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

import seqlab
from seqlab.schema.errors import UserError

END = 2
EXAMPLES = [([*range(3 + i % 4, 6 + i % 7), 3 + i, END], i % 3) for i in range(12)]


def collate(
    examples: Any, *, end: bool = True, shift: int = 0, sort: bool = False, fill: int = 0
) -> dict[str, Any]:
    texts = [tokens if end else tokens[:-1] for tokens, _ in examples]
    if sort:
        texts = sorted(texts)
    longest = max(map(len, texts))
    rows = [tokens + [fill] * (longest - len(tokens)) for tokens in texts]
    lengths = torch.tensor([len(tokens) + shift for tokens in texts])
    labels = torch.tensor([label for _, label in examples])
    return {"tokens": torch.tensor(rows), "lengths": lengths, "labels": labels}


def end_last(examples: Any) -> dict[str, Any]:
    batch = collate(examples, end=False)
    tokens = torch.cat([batch["tokens"], torch.full((len(examples), 1), END)], dim=1)
    return {**batch, "tokens": tokens, "lengths": batch["lengths"] + 1}


def loader(data: Any = EXAMPLES, *, shuffle: bool = True, collate_fn: Any = collate, **options: Any) -> Any:
    return DataLoader(data, batch_size=5, shuffle=shuffle, collate_fn=collate_fn, **options)


OTHERS = [([9, 8, 7, 6, i, END], 0) for i in range(20, 26)]
BROKEN: list[tuple[str, Any, str]] = [
    ("examples_kept", {"train": loader(drop_last=True)}, "2 of 12 examples"),
    (
        "splits_disjoint",
        {"train": loader(), "test": loader([*OTHERS, EXAMPLES[0]])},
        "1 sequences of split 'test'",
    ),
    ("labels_aligned", {"train": loader(collate_fn=lambda e: collate(e, sort=True))}, "has label"),
    (
        "end_kept",
        {"train": loader(collate_fn=lambda e: collate(e, end=False))},
        "do not hold the end token 2",
    ),
    ("padding_after_end", {"train": loader(collate_fn=end_last)}, "between the tokens"),
    ("lengths_right", {"train": loader(collate_fn=lambda e: collate(e, shift=-1))}, "but"),
    ("padding_id_unique", {"train": loader(collate_fn=lambda e: collate(e, fill=3))}, "holds token 3"),
    ("order_shuffled", {"train": loader(shuffle=False)}, "have the same order"),
]


@pytest.mark.parametrize(("probe", "splits", "words"), BROKEN, ids=[row[0] for row in BROKEN])
def test_a_probe_finds_its_mistake(probe: str, splits: Any, words: str) -> None:
    report = seqlab.check_data(splits, padding=3 if probe == "padding_id_unique" else 0)
    assert report[probe].broken, str(report)
    assert words in report[probe].evidence
    assert report[probe].fix


def test_a_healthy_pipeline_is_healthy_and_its_ids_are_guessed() -> None:
    state = torch.get_rng_state()
    report = seqlab.check_data({"train": loader(), "test": loader(OTHERS, shuffle=False)})
    assert report.healthy, str(report)
    assert {finding.status for finding in report} == {"sound"}
    assert "padding is token 0, the end of a sequence token 2" in report.notes[0]
    assert torch.equal(torch.get_rng_state(), state)


def test_one_loader_and_functions_are_pipelines_too() -> None:
    assert seqlab.check_data(loader()).healthy
    assert seqlab.check_data(lambda: {"train": (EXAMPLES, loader())}).healthy
    pairs = [([[3, 4], [5, 6]], [0, 1]), ([[7, 8], [9, 3]], [1, 0])]
    report = seqlab.check_data({"valid": pairs})
    assert report["order_shuffled"].evidence == "no split is named train"
    assert report["lengths_right"].status == "not applicable"


@pytest.mark.parametrize(
    ("splits", "words"),
    [
        ({}, "must have at least one split"),
        ({"train": 3}, "must be iterable over batches. Got int"),
        ({"train": []}, "must have at least one batch"),
        ({"train": [{"words": [[1]]}]}, r"mapping with 'tokens'.* Got dict with \['words'\]"),
    ],
)
def test_another_form_is_refused(splits: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        seqlab.check_data(splits)
