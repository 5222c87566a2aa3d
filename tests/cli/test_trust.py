"""What `seqlab evaluate` shows of a classifier, compared with its predictions one by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import tiny
from sklearn import metrics

import seqlab as library
from seqlab.evaluate.inspection import TRUST
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.records import Scalar

ZERO: Any = 0
"""What scikit-learn's annotations do not allow, but its documentation does."""


@pytest.fixture
def weak(runs: Path) -> RunFolder:
    """A classifier that has learned next to nothing."""
    return tiny.fit(tiny.REVIEWS, "training.epochs=1", "training.optimizer.learning_rate=1e-4", "seed=2")


def one_by_one(seqlab, run: RunFolder, frame: pl.DataFrame) -> list[dict[str, float]]:
    printed = seqlab("predict", run.path.name, *frame["text"], "--json").out
    return [row["probabilities"] for row in json.loads(printed)]


def test_predictions_of_a_split_are_those_of_its_texts(seqlab, weak: RunFolder) -> None:
    run = library.load_run(weak.path)
    frame = run.predictions()
    assert frame.columns == ["text", "label", "predicted", "probability", "correct"]
    assert frame["text"].to_list()[:2] == ["a good film ", "a good film really"]
    assert frame["label"].to_list() == ["positive"] * 4 + ["negative"] * 4
    for row, values in zip(frame.to_dicts(), one_by_one(seqlab, weak, frame), strict=True):
        assert row["predicted"] == max(values, key=values.__getitem__)
        assert row["probability"] == pytest.approx(values[row["predicted"]], rel=1e-5)
        assert row["correct"] == (row["predicted"] == row["label"])
    assert run.predictions("test", texts=False).columns == frame.columns[1:]
    with pytest.raises(ValueError, match=r"There is no split .tets.\. Nearest: .test."):
        run.predictions("tets")


def test_wrong_texts_come_most_confident_first(seqlab, refused, weak: RunFolder) -> None:
    frame = library.load_run(weak.path).predictions("test")
    wrong = (
        frame.with_row_index().filter(correct=False).sort("probability", descending=True, maintain_order=True)
    )
    assert 2 < len(wrong) < 8
    found = json.loads(seqlab("evaluate", weak.path.name, "--split", "test", "--errors", "2", "--json").out)
    assert (found["errors"]["wrong"], found["errors"]["texts"]) == (len(wrong), 8)
    assert found["errors"]["shown"] == wrong.drop("correct")[:2].to_dicts()
    shown = seqlab("evaluate", weak.path.name, "--split", "test").out
    assert f"{len(wrong)} wrong of 8 texts\n" in shown
    lines = shown.partition("wrong of 8 texts")[2].splitlines()[2:]
    assert [line.split()[3] for line in lines] == [str(index) for index in wrong["index"]]
    assert lines[0].rstrip().endswith(wrong["text"][0].strip())
    assert "'errors' must be at least 0. Got -1. Nearest: 0." in refused(
        "evaluate", weak.path.name, "--errors", "-1"
    )


def test_the_card_has_what_it_takes_to_trust_a_classifier(seqlab, weak: RunFolder) -> None:
    frame = library.load_run(weak.path).predictions()
    label, predicted = frame["label"].to_list(), frame["predicted"].to_list()
    card = json.loads(seqlab("evaluate", weak.path.name, "--json").out)
    assert set(TRUST) <= set(card["signatures"])
    names = ["positive", "negative"]
    expected: Any = metrics.precision_recall_fscore_support(
        label, predicted, labels=names, zero_division=ZERO
    )
    scores = card["matrices"]["label_scores"]
    assert (scores["rows"], scores["columns"]) == (names, ["precision", "recall", "f1", "texts"])
    np.testing.assert_allclose(scores["values"], np.stack(expected, axis=1))
    groups = card["matrices"]["accuracy_by_length"]["values"]
    assert sum(texts for *_, texts, _ in groups) == len(label)
    assert sum(accuracy * texts for accuracy, *_, texts, _ in groups) == pytest.approx(frame["correct"].sum())
    abstention = card["curves"]["abstention_accuracy"]
    for threshold, accuracy in zip(abstention["x"], abstention["y"], strict=True):
        kept = frame.filter(pl.col("probability") >= threshold - 1e-9)
        assert accuracy == pytest.approx(kept["correct"].mean())
    out = seqlab("evaluate", weak.path.name).out
    assert "\nscores of each label\nlabel     precision  recall      f1  texts\n" in out
    assert "\ncalibration: expected error " in out
    assert (
        "\nno label below a probability (`predict --abstain-below`)\nprobability  answered  accuracy\n" in out
    )
    # A metric by name is all that is measured, as ever.
    alone = seqlab("evaluate", weak.path.name, "--metric", "accuracy")
    assert len(alone.out.splitlines()) == 4, alone.out


def test_a_temperature_is_fitted_on_validation_and_changes_no_other_number(seqlab, weak: RunFolder) -> None:
    before = json.loads(seqlab("evaluate", weak.path.name, "--split", "test", "--json").out)
    checkpoints = {path: path.read_bytes() for path in weak.checkpoints.rglob("*") if path.is_file()}
    after = json.loads(seqlab("evaluate", weak.path.name, "--split", "test", "--calibrate", "--json").out)
    assert {key: after["metrics"][key] for key in before["metrics"]} == before["metrics"]
    assert checkpoints == {path: path.read_bytes() for path in weak.checkpoints.rglob("*") if path.is_file()}
    temperature = after["metrics"]["temperature"]
    valid = json.loads(seqlab("evaluate", weak.path.name, "--calibrate", "--json").out)["metrics"]
    assert valid["temperature"] == temperature
    assert valid["calibrated_loss"] <= valid["loss"]
    # The printed probabilities with this temperature have the loss that was measured.
    frame = library.load_run(weak.path).predictions("test")
    printed = seqlab(
        "predict", weak.path.name, *frame["text"], "--temperature", repr(temperature), "--json"
    ).out
    rows = [row["probabilities"] for row in json.loads(printed)]
    nats = [-np.log(values[label]) for values, label in zip(rows, frame["label"], strict=True)]
    assert np.mean(nats) == pytest.approx(after["metrics"]["calibrated_loss"], rel=1e-5)
    # Numbers that were not measured during training would be learning curves of one point.
    names = {record.name for record, _ in weak.records() if isinstance(record, Scalar)}
    assert not {"temperature", "calibrated_loss", "brier"} & names


def test_texts_stay_out_of_the_run_folder_where_none_are_wanted(seqlab, runs: Path) -> None:
    run = tiny.fit(
        tiny.REVIEWS, "samples.count=0", "training.epochs=1", "training.optimizer.learning_rate=1e-4"
    )
    found = json.loads(seqlab("evaluate", run.path.name, "--json").out)["errors"]["shown"]
    assert found
    assert {one["text"] for one in found} == {None}
    assert "a good film" not in "".join(path.read_text("utf-8") for path in run.path.rglob("*.json*"))


def test_baselines_are_inspected_and_language_models_are_not(
    seqlab, refused, language: RunFolder, tmp_path: Path
) -> None:
    table = tmp_path / "a.csv"
    table.write_text(
        "text,label\n" + "".join(f"{'good' if i % 3 else 'bad'} {i},{i % 3}\n" for i in range(90))
    )
    for recipe in ("text-nbsvm", "imdb-majority"):
        assert (
            seqlab("train", recipe, "data.kind=table", f"data.path={table}", "name=base-" + recipe).status
            == 0
        )
        card = json.loads(seqlab("evaluate", f"base-{recipe}", "--calibrate", "--json").out)
        assert {"brier", "calibrated_brier", "temperature"} <= set(card["metrics"])
        frame = library.load_run(f"base-{recipe}").predictions()
        assert card["errors"]["wrong"] == int((~frame["correct"]).sum()) > 0
    assert "errors" not in json.loads(seqlab("evaluate", language.path.name, "--json").out)
    message = refused("evaluate", language.path.name, "--calibrate")
    assert "Calibration needs the run of a classifier. Got task 'language-model'." in message
    with pytest.raises(ValueError, match="A table of predictions needs the run of a classifier"):
        library.load_run(language.path).predictions()
