"""The section of a report that says how far to trust a classifier."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import folders
import pytest
from folders import runs_of_the_test  # noqa: F401 # the fixture
from html_tree import page, table

from seqlab import report
from seqlab.runs.cards import CurveTable, MatrixTable, WrongTexts
from seqlab.runs.run_folder import RunFolder

TITLE = "Trust in the labels"
SECRET = "a text <b>of the data</b>"


def curve(x: list[float], y: list[float]) -> CurveTable:
    return {"x": x, "y": y, "x_unit": "x", "y_unit": "y"}


@pytest.fixture
def inspected() -> RunFolder:
    run = folders.make()
    card = run.card("valid")
    assert card is not None
    scores: MatrixTable = {
        "rows": ["good", "=bad"],
        "columns": ["precision", "recall", "f1", "texts"],
        "values": [[0.5, 1.0, 0.75, 3.0], [1.0, 0.25, 0.4, 4.0]],
    }
    lengths: MatrixTable = {
        "rows": ["1 to 9", "10"],
        "columns": ["accuracy", "low", "high", "texts", "mean length"],
        "values": [[0.75, 0.5, 0.875, 4.0, 6.5], [0.25, 0.125, 0.5, 4.0, 10.0]],
    }
    run.write_card(
        {
            **card,
            "metrics": {
                **card["metrics"],
                "brier": 0.3,
                "calibration_error": 0.125,
                "calibration_error_by_chance": 0.0625,
                "temperature": 1.5,
            },
            "matrices": {"label_scores": scores, "accuracy_by_length": lengths},
            "curves": {
                "calibration_accuracy": curve([0.6, 0.9], [0.5, 1.0]),
                "calibration_share": curve([0.6, 0.9], [0.75, 0.25]),
                "abstention_answered": curve([0.55, 0.7, 0.95], [1.0, 0.5, 0.25]),
                "abstention_accuracy": curve([0.55, 0.7, 0.95], [0.625, 0.75, 1.0]),
            },
        }
    )
    wrong: WrongTexts = {
        "split": "valid",
        "checkpoint_step": 40,
        "wrong": 3,
        "texts": 8,
        "shown": [
            {"index": 4, "text": SECRET, "label": "good", "predicted": "=bad", "probability": 0.875},
            {"index": 0, "text": None, "label": "good", "predicted": "=bad", "probability": 0.75},
        ],
    }
    run.write_wrong_texts(wrong)
    return run


def test_the_answer_comes_first_and_the_tables_are_the_card(inspected: RunFolder, tmp_path: Path) -> None:
    written = page(report.write([inspected], tmp_path / "r.html", title="Trust"))
    sections = [one for one in written.all("details") if [h.text for h in one.all("h3")] == [TITLE]]
    (sentence,) = [one.text for one in sections[0].all("p") if one.text.startswith("Run 1")]
    assert "3 of 8 texts of the validation split have another label than predicted" in sentence
    assert "error is 0.1250, and 0.0625 is what right probabilities have by chance" in sentence
    assert "at least 99 % of the labels are right where the probability is at least 0.9500" in sentence
    assert "true of 25 % of the texts" in sentence
    assert [row[3:] for row in table(written, "Scores of each label")[1:]] == [
        ["valid", "good", "0.5", "1.0", "0.75", "3"],
        ["valid", "=bad", "1.0", "0.25", "0.4", "4"],
    ]
    assert [row[3:] for row in table(written, "Accuracy of texts of similar length")[1:]] == [
        ["valid", "1 to 9", "0.75", "0.5", "0.875", "4"],
        ["valid", "10", "0.25", "0.125", "0.5", "4"],
    ]
    calibration = table(written, "Scores of the probabilities")
    assert calibration[1][3:] == ["valid", "0.3", "0.125", "0.0625", "1.5"]
    assert [row[4:] for row in table(written, "Texts with another label than predicted")[1:]] == [
        ["0.875", "=bad", "good", "5", SECRET],
        ["0.75", "=bad", "good", "1", "\u2013"],
    ]


def test_charts_have_the_points_of_the_card_and_titles_with_units(
    inspected: RunFolder, tmp_path: Path
) -> None:
    static = tmp_path / "static"
    written = report.write([inspected], tmp_path / "r.html", title="Trust", static=static)
    assert rows_of(static, "figure-*-reliability-curve-*.csv") == [
        [
            "mean probability of the predicted label",
            "accuracy (fraction of the texts of a bin)",
            "texts (fraction)",
        ],
        ["0.6", "0.5", "0.75"],
        ["0.9", "1.0", "0.25"],
    ]
    by_length = rows_of(static, "figure-*-accuracy-by-length-*.csv")
    assert by_length[0][:3] == ["length (tokens)", "mean length (tokens)", "accuracy (fraction of texts)"]
    assert by_length[1:] == [
        ["1 to 9", "6.5", "0.75", "0.5", "0.875", "4"],
        ["10", "10.0", "0.25", "0.125", "0.5", "4"],
    ]
    assert rows_of(static, "figure-*-accuracy-by-abstaining-*.csv") == [
        [
            "texts with a label (fraction)",
            "accuracy (fraction of the texts with a label)",
            "least probability",
        ],
        ["1.0", "0.625", "0.55"],
        ["0.5", "0.75", "0.7"],
        ["0.25", "1.0", "0.95"],
    ]
    text = written.read_text(encoding="utf-8")
    for axis in (
        ["mean probability of the predicted label"],
        ["accuracy", "fraction of the texts of a bin"],
        ["texts with a label", "fraction"],
        ["accuracy", "fraction of the texts with a label"],
    ):
        assert f'"title": {json.dumps(axis)}' in text
    (labels,) = static.glob("table-*-labels-*.csv")
    assert "'=bad" in labels.read_text(encoding="utf-8")


def test_texts_can_be_left_out(inspected: RunFolder, tmp_path: Path) -> None:
    assert "of the data" in page(report.write([inspected], tmp_path / "a.html", title="All")).text
    written = report.write([inspected], tmp_path / "b.html", title="Quiet", samples=False)
    assert "a text" not in written.read_text(encoding="utf-8")
    assert table(page(written), "Scores of each label")


def rows_of(folder: Path, pattern: str) -> list[list[str]]:
    """The cells of a figure's file, without the run and its model."""
    (path,) = folder.glob(pattern)
    with path.open(encoding="utf-8", newline="") as file:
        return [row[2:] for row in csv.reader(file)]
