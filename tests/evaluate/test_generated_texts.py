"""Texts at the end of a run: their losses and measures again by other means; nothing else changes."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest
import tiny
import torch
from torch.nn import functional

from seqlab.evaluate.loaded import load_run, read_dataset
from seqlab.runs.cards import GenerationCard
from seqlab.runs.run_folder import RunFolder
from seqlab.training import network_training


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def card_of(run: RunFolder) -> GenerationCard:
    card = run.generation_card()
    assert card is not None
    return card


def one_character_each(text: str) -> str:
    """A text in which the unknown token is one character, which no text has."""
    return text.replace(".unk", "?")


@pytest.mark.parametrize("prompt", ["", "(("])
def test_losses_are_those_of_the_model_step_by_step(prompt: str) -> None:
    run = tiny.fit(tiny.BRACKETS, f"samples.prompt={prompt}")
    loaded, card = load_run(run), card_of(run)
    vocabulary = loaded.tokenizer.vocabulary
    assert vocabulary.start is not None
    for text in card["texts"]:
        written = [vocabulary.id(token) for token in one_character_each(text["text"])]
        assert len(written) == text["tokens"] <= text["length"]
        targets = [*written, *([vocabulary.end] if text["complete"] else [])]
        read = [vocabulary.start, *map(vocabulary.id, prompt), *targets]
        state, nats = loaded.model.start(1), []
        with torch.no_grad():
            for token, following in pairwise(read):
                logits, state = loaded.model.step(torch.tensor([token]), state)
                nats.append(-functional.log_softmax(logits[0].double(), 0)[following].item())
        own = nats[len(prompt) :]
        assert text["loss"] == pytest.approx(math.fsum(own) / len(own), rel=1e-5)
        assert text["complete"] or text["tokens"] == text["length"]


def test_two_lengths_with_the_best_and_the_worst_marked() -> None:
    run = tiny.fit(tiny.BRACKETS)
    card = card_of(run)
    lengths = read_dataset(run, tiny.configure(tiny.BRACKETS)).splits["train"].text.lengths
    mean = math.ceil(lengths.mean())
    assert [text["length"] for text in card["texts"]] == [mean] * 10 + [2 * mean] * 10
    losses = sorted(text["loss"] for text in card["texts"])
    assert sorted(text["loss"] for text in card["texts"] if text["mark"] == "best") == losses[:3]
    assert sorted(text["loss"] for text in card["texts"] if text["mark"] == "worst") == losses[-3:]
    assert card["checkpoint_step"] == tiny.summary(run)["best_step"]


def test_measures_as_counted_from_the_texts() -> None:
    run = tiny.fit(tiny.BRACKETS)
    card, dataset = card_of(run), read_dataset(run, tiny.configure(tiny.BRACKETS))
    decode = dataset.tokenizer.decode
    training, valid = (
        [decode(ids.tolist()) for ids in dataset.splits[name].text] for name in ("train", "valid")
    )

    def grams(texts: list[str], size: int) -> list[str]:
        return [text[i : i + size] for text in texts for i in range(len(text) - size + 1)]

    assert [(one["source"], one["length"]) for one in card["measures"]] == [
        (source, length)
        for length in dict.fromkeys(text["length"] for text in card["texts"])
        for source in ("model", "validation")
    ]
    for one in card["measures"]:
        own = [one_character_each(text["text"]) for text in card["texts"] if text["length"] == one["length"]]
        cut = [text[: one["length"]] for text in valid]
        looked_up = own if one["source"] == "model" else cut
        for size, share in one["copied"].items():
            asked, known = grams(looked_up, int(size)), set(grams(training, int(size)))
            assert share == (pytest.approx(sum(g in known for g in asked) / len(asked)) if asked else None)
        assert one["texts"] == 10
        if one["source"] == "model":
            assert one["tokens"] == sum(map(len, own))
            for size, share in one["distinct"].items():
                found = grams(own, int(size))
                assert share == pytest.approx(len(set(found)) / len(found))


def test_nothing_else_in_the_run_changes_by_a_bit(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dropout = "model.dropout=0.3"
    with_texts = tiny.fit(tiny.BRACKETS, dropout)
    monkeypatch.setenv("SEQLAB_RUNS", str(folders / "without"))
    monkeypatch.setattr(network_training, "generation_card", lambda *_: None)
    without = tiny.fit(tiny.BRACKETS, dropout)
    assert without.generation_card() is None
    for file in ("records.jsonl", "samples.jsonl", "cards/valid.json", "cards/oracle.json"):
        one, other = ((run.path / file).read_text() for run in (with_texts, without))
        if file.endswith("l"):
            assert one == other, file
        else:
            assert len(one) == len(other)


def test_a_running_text_in_windows(folders: Path) -> None:
    path = folders / "own.txt"
    path.write_text("".join(f"{index} bottles of beer\n" for index in range(40)), encoding="utf-8")
    run = tiny.fit(
        ["ptb-lstm", "data.kind=text", "data.tokenizer.kind=characters", f"data.path={path}"],
        *("batching.sequence_length=7", "batching.batch_size=3", "training.epochs=1", "training.max_steps=2"),
        *("model.embedding_size=4", "model.hidden_size=4", "model.layers=1", "training.tensorboard=false"),
    )
    card = card_of(run)
    assert [text["tokens"] for text in card["texts"]] == [7] * 10 + [14] * 10
    assert all(text["complete"] for text in card["texts"])


def test_none_where_no_samples_are_wanted_or_texts_are_labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tiny.fit(tiny.BRACKETS, "samples.count=0").generation_card() is None
    tiny.register(monkeypatch)
    assert tiny.fit(tiny.REVIEWS, "training.epochs=1").generation_card() is None
