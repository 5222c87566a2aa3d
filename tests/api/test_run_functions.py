"""Runs listed, compared and drawn in Python."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import tiny

import seqlab
from seqlab import cli
from seqlab.schema.errors import UserError


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory):
    """An LSTM and a GRU on brackets, of another seed each, and a classifier."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_RUNS", str(tmp_path_factory.mktemp("runs")))
        patch.setenv("SEQLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        tiny.register(patch)
        lstm = seqlab.train(tiny.BRACKETS[0], tiny.BRACKETS[1:])
        gru = seqlab.train(tiny.BRACKETS[0], [*tiny.BRACKETS[1:], "model.cell=gru", "seed=2"])
        yield lstm, gru, seqlab.train(tiny.REVIEWS[0], tiny.REVIEWS[1:])


Runs = tuple[seqlab.Run, seqlab.Run, seqlab.Run]


def test_the_list_is_that_of_the_command_line(runs: Runs, capsys) -> None:
    frame = seqlab.list_runs(sort="metric", task="language-model")
    assert cli.run(["list", "runs", "--sort", "metric", "--task", "language-model", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["runs"]
    assert frame["name"].to_list() == [row["name"] for row in shown]
    assert frame["value"].to_list() == [row["metrics"][row["metric"]] for row in shown]
    assert frame["value"].is_sorted()
    assert set(frame["metric"]) == {"loss"}
    assert sorted(seqlab.list_runs()["name"]) == sorted(run.path.name for run in runs)


def test_conditions(runs: Runs) -> None:
    _, gru, classifier = runs
    assert seqlab.list_runs(where="model.cell=gru")["name"].to_list() == [gru.path.name]
    assert seqlab.list_runs(where=["task=classify", "seed=1"])["name"].to_list() == [classifier.path.name]
    none = seqlab.list_runs(where="model.cell=elman")
    assert (none.height, none.schema) == (0, seqlab.list_runs().schema)
    with pytest.raises(UserError, match=r"Nearest: 'model.cell'"):
        seqlab.list_runs(where="model.cel=gru")


def test_a_damaged_run_is_listed_with_its_problem(runs: Runs, tmp_path: Path, monkeypatch) -> None:
    damaged = tmp_path / "x-0123456789abcdef"
    damaged.mkdir()
    (damaged / "run.json").write_text("{")
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path))
    (row,) = seqlab.list_runs().rows(named=True)
    assert row["state"] == "damaged"
    assert "run.json" in row["problem"]


def test_the_comparison_is_the_table_of_the_report(runs: Runs, tmp_path: Path) -> None:
    lstm, gru, _ = runs
    frame = seqlab.compare([lstm, gru.path, lstm.path.name])
    assert frame["run"].to_list() == [gru.path.name, lstm.path.name], "by architecture, each once"
    assert frame["loss"].to_list() == [gru.metrics["loss"], lstm.metrics["loss"]]
    assert frame["seed"].to_list() == [2, 1]
    assert frame["parameters"][0] == sum(p.numel() for p in gru.model.parameters())
    assert seqlab.compare(lstm)["run"].to_list() == [lstm.path.name]


def test_what_cannot_be_ranked_is_refused_or_apart(runs: Runs) -> None:
    with pytest.raises(UserError, match=r"cannot be ranked. They differ in the dataset: "):
        seqlab.compare(runs)
    with pytest.raises(UserError, match=r"cannot be ranked. They differ in the dataset: "):
        seqlab.chart(runs)
    frame = seqlab.compare(runs, allow_incomparable=True)
    assert frame["data"].to_list() == ["brackets", "brackets", "reviews"]
    content = seqlab.chart(runs, allow_incomparable=True).to_dict()
    assert [part["title"]["text"] for part in content["vconcat"]] == ["loss on brackets", "loss on reviews"]
    with pytest.raises(UserError, match=r"There must be at least one run to compare. Got none."):
        seqlab.compare([])
    with pytest.raises(UserError, match=r"There is no run 'nothing'"):
        seqlab.compare(["nothing"])


def test_the_chart_of_several_runs_has_a_line_of_each(runs: Runs) -> None:
    lstm, gru, _ = runs
    content = seqlab.chart([lstm, gru], "gradient_norm", over="epoch").to_dict()
    rows = content["datasets"]["rows"]
    for number, run in enumerate((gru, lstm), start=1):
        own = [row["value"] for row in rows if row["run"] == number]
        assert own == run.records.filter(name="gradient_norm")["value"].to_list()
    assert {row["label"] for row in rows} == {"cell=gru", "cell=lstm"}
    with pytest.raises(
        UserError, match=r"There is no recorded number 'gradient_nrm'. Nearest: 'gradient_norm'"
    ):
        seqlab.chart([lstm, gru], "gradient_nrm")


def test_compare_stays_a_function(runs: Runs) -> None:
    """A package of that name would replace it as soon as anything imports from it."""
    import seqlab.comparison.comparable

    assert callable(seqlab.compare)
    assert not [name for name in seqlab.__all__ if f"seqlab.{name}" in sys.modules]
