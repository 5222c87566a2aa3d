"""A study in Python."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from small_studies import SMALL

import seqlab
from seqlab.cli import study_result
from seqlab.comparison.study import read
from seqlab.runs import study_folder
from seqlab.schema.errors import UserError

RATES = [0.01, 0.1]
CELLS: dict[str, Any] = {
    "name": "cells",
    "base": "brackets-lstm",
    "axes": {"model.cell": ["lstm", "gru"], "training.optimizer.learning_rate": RATES},
    "settings": SMALL,
    "seeds": [1, 2],
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_RUNS", str(tmp_path_factory.mktemp("runs")))
        patch.setenv("SEQLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield seqlab.study(CELLS, final=True)


def test_nothing_is_printed_or_a_line_for_each_run(study: seqlab.StudyResult, capsys) -> None:
    seqlab.study(CELLS)
    assert capsys.readouterr() == ("", "")
    seqlab.study(CELLS, {"name": "again", "seeds": [1, 2, 3]}, progress=True)
    out, err = capsys.readouterr()
    assert err == ""
    assert len([line for line in out.splitlines() if "seed 3" in line]) == 4


def test_the_table_has_the_values_of_the_runs(study: seqlab.StudyResult) -> None:
    table, values = study.table, study.values
    assert set(table.select("architecture", "training.optimizer.learning_rate").rows()) == {
        (cell, rate) for cell in ("lstm", "gru") for rate in RATES
    }
    for row in table.rows(named=True):
        rate = row["training.optimizer.learning_rate"]
        own = values.filter(architecture=row["architecture"], **{"training.optimizer.learning_rate": rate})
        losses = [seqlab.load_run(name).metrics["loss"] for name in own["run"]]
        assert own["value"].to_list() == losses
        assert (row["median"], row["lowest"]) == (statistics.median(losses), min(losses))
        assert row["unit"] == "nats per token"
    assert len(study.runs) == 8


def test_the_table_names_the_unit_of_its_numbers(study: seqlab.StudyResult) -> None:
    changes = {"name": "by-samples", "monitor": "valid_samples", "seeds": [1]}
    drawn = seqlab.study({**CELLS, **changes, "settings": {**SMALL, "samples.checked": 200}})
    assert set(drawn.table["unit"]) == {"fraction of samples"}
    assert all(0 <= row["median"] <= 1 for row in drawn.table.rows(named=True))


def test_it_concludes_what_the_command_prints(study: seqlab.StudyResult, capsys) -> None:
    study_result.show(read(study_folder.find("cells")), allow_incomparable=False)
    printed = [
        line.removeprefix("- ") for line in capsys.readouterr().out.splitlines() if line.startswith("- ")
    ]
    assert study.conclusions == printed
    assert any("too few for a test over seeds" in sentence for sentence in printed)


def test_the_test_split_is_scored_with_what_validation_chose(study: seqlab.StudyResult) -> None:
    best = study.table.sort("median").group_by("architecture", maintain_order=True).first()
    assert study.test.height == 2 * best.height
    for row in study.test.rows(named=True):
        assert row["loss"] == seqlab.load_run(row["run"]).folder.card("test")["metrics"]["loss"]  # type: ignore[index]


def test_it_is_loaded_drawn_compared_and_reported(study: seqlab.StudyResult) -> None:
    loaded = seqlab.load_study("cells")
    assert repr(loaded) == "study cells: 8 runs"
    assert loaded.table.equals(study.table)
    assert seqlab.compare(loaded).height == 8
    rows = loaded.chart("gradient_norm").to_dict()["datasets"]["rows"]
    assert {row["run"] for row in rows if row["kind"] == "run"} == set(range(1, 9))
    assert loaded.report().read_text(encoding="utf-8").count("Study cells") >= 1
    assert not loaded.test.is_empty()


def test_shipped_studies_and_what_is_wrong(study: seqlab.StudyResult) -> None:
    with pytest.raises(UserError, match=r"There is no study 'bracket-cells'. Nearest: 'brackets-cells'"):
        seqlab.study("bracket-cells")
    with pytest.raises(UserError, match=r"Axis 'model.cell'"):
        seqlab.study({**CELLS, "name": "x", "axes": {"model.cell": ["lstn"]}})
    with pytest.raises(UserError, match=r"'name' must be given"):
        seqlab.study({key: value for key, value in CELLS.items() if key != "name"})
    with pytest.raises(UserError, match=r"was begun with other settings: study.seeds"):
        seqlab.study(CELLS, {"seeds": [1]})
    with pytest.raises(UserError, match=r"There is no study 'cell'. Nearest: 'cells'"):
        seqlab.load_study("cell")
    with pytest.raises(UserError, match=r"'processes' must be at least 1. Got 0"):
        seqlab.study(CELLS, processes=0)
