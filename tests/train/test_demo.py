"""The demonstration: a fair plan, figures that are those of its runs, an exact comparison with the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

from seqlab.data.brackets import BracketsConfig
from seqlab.data.ndfa import NdfaConfig
from seqlab.runs.folder import RunFolder
from seqlab.schema.config import plain
from seqlab.schema.errors import UserError
from seqlab.schema.records import Moment, Text, to_line
from seqlab.train import demo, recipes
from seqlab.train.demo import MODELS, Result, Trial, floor, introduction, plan, rows, written
from seqlab.train.truth import judge, truth_card

VOCABULARY = {"brackets": 6, "python": 256}  # .pad .start .end .unk ( ) | bytes


def _parameters(trial: Trial) -> int:
    size = VOCABULARY[trial.data]
    model = trial.config.model.build(vocabulary=size, outputs=size, generator=torch.Generator())
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("data", VOCABULARY)
def test_the_models_are_of_nearly_equal_size_and_say_it(data: str) -> None:
    trials = [trial for trial in plan(1) if trial.data == data]
    counts = [_parameters(trial) for trial in trials]
    assert max(counts) / min(counts) < 1.02
    for trial, count in zip(trials, counts, strict=True):
        assert f"{count:,} parameters" in recipes.read(trial.config.name).about


@pytest.mark.parametrize("data", VOCABULARY)
def test_the_models_differ_in_nothing_but_the_model_and_the_learning_rate(data: str) -> None:
    tables = [plain(trial.config) for trial in plan(1) if trial.data == data]
    for table in tables:
        del table["name"], table["model"], table["training"]["optimizer"]["learning_rate"]
    assert all(table == tables[0] for table in tables)


def test_every_model_meets_brackets_with_each_seed_and_python_with_one() -> None:
    trials = plan(3)
    found = [(trial.data, trial.model, trial.seed) for trial in trials]
    assert sorted(found) == sorted(
        [("brackets", model, seed) for model in MODELS.values() for seed in (1, 2, 3)]
        + [("python", model, 1) for model in MODELS.values()]
    )
    assert [trial.config.seed for trial in trials] == [trial.seed for trial in trials]
    assert all(trial.config.training.max_steps == 25 for trial in plan(1, quick=True))


def test_there_is_at_least_one_seed() -> None:
    with pytest.raises(UserError, match=r"'seeds' must be at least 1\. Got 0\. Nearest: 1\."):
        plan(0)


def _result(trial: Trial, folder: Path, *, loss: float, seconds: float, valid: float | None) -> Result:
    cost = {"training_seconds": seconds, "tokens_per_second": 1000.0 * seconds}
    truth: dict[str, Any] | None = None
    if valid is not None:
        metrics = {"floor": 0.5, "above_floor": loss - 0.5, "valid_samples": valid, "cut_samples": 0.1}
        truth = {"metrics": metrics, "longest_valid": "()", "first_wrong": None}
    summary = {"metrics": {"loss": loss}, "parameters": 7, "cost": cost}
    return Result(trial=trial, folder=RunFolder(folder, "", ""), summary=summary, truth=truth)


@pytest.fixture
def results(tmp_path: Path) -> list[Result]:
    """Elman on brackets with seeds 1 and 2, the Transformer on Python source."""
    one, two = [trial for trial in plan(2) if (trial.data, trial.model) == ("brackets", "Elman")]
    return [
        _result(one, tmp_path, loss=0.6, seconds=1.0, valid=0.8),
        _result(two, tmp_path, loss=0.7, seconds=2.0, valid=0.6),
        _result(plan(1)[-1], tmp_path, loss=2.0, seconds=4.0, valid=None),
    ]


def test_a_row_is_the_mean_over_seeds_with_its_extremes(results: list[Result]) -> None:
    (row,) = rows(results, "brackets")
    assert (row.model, row.parameters, row.seeds) == ("Elman", 7, 2)
    assert (row.lowest, row.highest) == (0.6, 0.7)
    known = (row.loss, row.above_floor, row.valid, row.cut, row.seconds, row.tokens_per_second)
    assert known == pytest.approx((0.65, 0.15, 0.7, 0.1, 1.5, 1500.0))
    assert floor(results, "brackets") == 0.5


def test_where_no_truth_is_known_none_is_shown(results: list[Result]) -> None:
    (row,) = rows(results, "python")
    assert (row.model, row.above_floor, row.valid, row.cut) == ("Transformer", None, None, None)
    assert floor(results, "python") is None


def test_the_introduction_says_how_far_to_trust_it(results: list[Result]) -> None:
    words = introduction(results, quick=False)
    assert words.startswith("This is a demonstration at a small budget.")
    assert "chosen for it beforehand, on the validation split" in words
    assert introduction(results, quick=True) == (
        f"Quick mode: a few steps a run, to see that everything works; the figures mean nothing.\n\n{words}"
    )


def test_what_is_shown_was_written_by_the_best_checkpoint(results: list[Result], tmp_path: Path) -> None:
    moment = Moment(step=1, epoch=1.0, tokens=1)
    texts = [
        Text(name=name, prompt="de", text=text, complete=True)
        for name, text in (("sample", "x"), ("final_sample", "f a"), ("final_sample", "y"))
    ]
    assert written(results[0]) == ""
    (tmp_path / "samples.jsonl").write_text("".join(to_line(text, moment) + "\n" for text in texts))
    assert written(results[0]) == "def a"


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


def test_the_card_holds_the_distance_to_the_truth_and_is_made_once(tiny_run: RunFolder) -> None:
    card = truth_card(tiny_run, 20)
    metrics = card["metrics"]
    assert metrics["floor"] + metrics["above_floor"] == pytest.approx(
        tiny.summary(tiny_run)["metrics"]["loss"]
    )
    assert metrics["above_floor"] > 0
    assert sum(metrics[f"{what}_samples"] for what in ("valid", "cut", "wrong")) == pytest.approx(1)
    assert "20 samples of at most" in card["scored_as"]
    path = tiny_run.cards / "truth.json"
    path.write_text(json.dumps({**card, "metrics": {"floor": 1.0}}))
    assert truth_card(tiny_run, 20)["metrics"] == {"floor": 1.0}
    path.write_text("{}")
    with pytest.raises(UserError, match=r"truth\.json is damaged: 'metrics' is missing"):
        truth_card(tiny_run, 20)


def test_only_generated_data_has_a_known_truth(tiny_run: RunFolder) -> None:
    text = tiny_run.read("config.toml")
    begin, end = text.index("[data]"), text.index("[task]")
    (tiny_run.path / "config.toml").write_text(
        f'{text[:begin]}[data]\nkind = "python_source"\n\n{text[end:]}'
    )
    with pytest.raises(UserError, match=r"must be of generated data.* Got 'python_source'\."):
        truth_card(tiny_run, 20)


@pytest.mark.parametrize(("there", "asked", "given"), [(4, None, 2), (1, None, 1), (4, 1, 1), (1, 2, 2)])
def test_a_trial_runs_on_two_threads_at_most_unless_asked_otherwise(
    tiny_run: RunFolder, there: int, asked: int | None, given: int
) -> None:
    """The run is finished, so that it says so and nothing else."""
    trial = Trial(data="brackets", model="LSTM", seed=1, seconds=1, config=tiny.configure(tiny.BRACKETS))
    used: list[int] = []

    class Watching(tiny.Nobody):
        def message(self, text: str) -> None:
            used.append(torch.get_num_threads())

    before = torch.get_num_threads()
    torch.set_num_threads(there)
    try:
        result = demo.carry_out(trial, threads=asked, listener=Watching())
        assert torch.get_num_threads() == there
    finally:
        torch.set_num_threads(before)
    assert set(used) == {given}
    assert result.folder.path.name == tiny_run.path.name
    assert result.truth is not None
