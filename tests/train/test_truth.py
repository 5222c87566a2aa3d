"""A run is held against the truth of its data: exact shares, an exact floor."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny

from seqlab.data import truth
from seqlab.data.brackets import BracketsConfig
from seqlab.data.ndfa import NdfaConfig
from seqlab.runs.folder import RunFolder
from seqlab.schema.records import Text
from seqlab.train.truth import DRAWN, judge


def test_samples_that_were_cut_are_neither_right_nor_wrong() -> None:
    texts = [("ss", True), ("sabc!", False), ("sabcs", True), ("suvw!suvw!s", True), ("suvw!s", True)]
    shares, examples = judge(
        NdfaConfig(), [Text(name="s", prompt="", text=text, complete=complete) for text, complete in texts]
    )
    assert shares == {"valid_samples": 0.4, "cut_samples": 0.2, "wrong_samples": 0.4}
    assert examples == {"longest_valid": "suvw!s", "first_wrong": "sabcs"}
    only_cut = [Text(name="s", prompt="", text="((", complete=False)]
    assert judge(BracketsConfig(), only_cut)[1] == {"longest_valid": None, "first_wrong": None}


@pytest.fixture
def tiny_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    return tiny.fit(tiny.BRACKETS)


def test_a_finished_run_has_a_card_with_its_distance_to_the_truth(tiny_run: RunFolder) -> None:
    card = tiny_run.read_json("cards/truth.json")
    metrics, loss = card["metrics"], tiny.summary(tiny_run)["metrics"]["loss"]
    config = tiny.configure(tiny.BRACKETS).data
    assert isinstance(config, BracketsConfig)
    assert metrics["floor"] == truth.floor(config, config.build(), "valid")
    assert metrics["floor"] + metrics["above_floor"] == pytest.approx(loss)
    assert metrics["above_floor"] > 0
    assert sum(metrics[f"{what}_samples"] for what in ("valid", "cut", "wrong")) == pytest.approx(1)
    assert f"{DRAWN} samples of at most" in card["scored_as"]


@pytest.mark.parametrize("change", ["data.tokenizer.kind=bytes", "training.fit_on=train+valid"])
def test_where_the_truth_cannot_be_asked_there_is_no_card(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It speaks of characters, and of a split that nothing was learned from."""
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    run = tiny.fit(tiny.BRACKETS, change)
    assert run.finished
    assert not (run.cards / "truth.json").exists()
