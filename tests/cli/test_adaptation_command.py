"""`seqlab evaluate` with an adaptation: what it prints, writes and refuses, and the table of a report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqlab.api import load_run
from seqlab.runs import run_folder

Command = Callable[..., Any]


@pytest.fixture
def novel(seqlab: Command, tmp_path: Path) -> str:
    """A finished run on a running text."""
    lines = "".join(f"{index} bottles of beer\n" for index in range(40))
    (tmp_path / "book.txt").write_text(lines, encoding="utf-8")
    words = [
        f"data.path={tmp_path / 'book.txt'}",
        "model.hidden_size=4",
        "training.max_steps=4",
        "name=novel",
    ]
    assert seqlab("train", "text-lm", *words, "training.tensorboard=false").status == 0
    return "novel"


def test_what_is_printed(seqlab: Command, novel: str) -> None:
    static = seqlab("evaluate", novel).out
    assert "adapted with" not in static
    found = seqlab("evaluate", novel, "cache.size=20", "--dynamic")
    assert found.status == 0
    assert "state carried from start to end; dynamic evaluation and a neural cache; checkpoint" in found.out
    settings = (
        "adapted with dynamic.rule=rms dynamic.learning_rate=0.003 dynamic.decay=0.02 dynamic.window=20"
    )
    assert f"{settings} cache.size=20 cache.theta=0.3 cache.weight=0.1\n" in found.out
    tuned = seqlab("evaluate", novel, "--cache", "--tune")
    assert ", chosen on validation from 24 settings" in tuned.out
    card = json.loads(seqlab("evaluate", novel, "--split", "test", "--cache", "--json").out)
    assert (card["split"], card["adaptation"]["kind"], card["adaptation"]["tried"]) == ("test", "cache", 0)


def test_a_report_has_them_in_a_table_of_their_own(seqlab: Command, novel: str, tmp_path: Path) -> None:
    listed = seqlab("list", "runs").out
    seqlab("evaluate", novel, "--cache")
    seqlab("evaluate", novel, "--split", "test", "cache.weight=0.25")
    assert seqlab("list", "runs").out == listed
    page = tmp_path / "report.html"
    assert seqlab("report", novel, "-o", str(page)).status == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("Best checkpoints that adapted to the text") >= 1
    assert "cache.weight=0.25" in text
    assert "a neural cache" in text


def test_the_same_in_python(novel: str) -> None:
    run = load_run(novel)
    card = run.evaluate("valid", "loss", cache={"weight": 0.0, "size": 9})
    assert card.get("adaptation") == {
        "kind": "cache",
        "settings": {"cache.size": 9, "cache.theta": 0.3, "cache.weight": 0.0},
        "tried": 0,
    }
    assert card["metrics"]["loss"] == pytest.approx(run.metrics["loss"], rel=1e-6)
    assert run.folder.adapted_cards() == [run_folder.find(novel).card("valid", "cache")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tune"], "'tune' must be used with 'dynamic' or 'cache'"),
        (
            ["dynamic.learning_rat=1"],
            "There is no setting 'dynamic.learning_rat'. Nearest: 'dynamic.learning_rate'",
        ),
        (["cache.weight=1"], "'cache.weight' must be less than 1. Got 1.0"),
        (["test"], "must be written key=value. Got 'test'"),
        (["--cache", "--metric", "loss_per_position"], "must be of a model that does not adapt"),
        (["--cache", "--split", "tset"], "There is no split 'tset'. Nearest: 'test'"),
    ],
)
def test_wrong_words(seqlab: Command, novel: str, words: list[str], message: str) -> None:
    found = seqlab("evaluate", novel, *words)
    assert found.status == 2
    assert message in found.err
