"""`seqlab ensemble`, and what every command answers about an ensemble, by hand from those of its members."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tiny
from sklearn.metrics import brier_score_loss, roc_auc_score

import seqlab as package
from seqlab.runs import atomic, checkpoints, run_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError

NET = [*tiny.REVIEWS, "training.epochs=2", "name=net"]
CHARACTERS = [*tiny.REVIEWS, "training.epochs=3", "data.tokenizer.kind=characters", "seed=2", "name=letters"]
GRAMS = ["imdb-nbsvm", "data.kind=reviews", "name=grams"]
TEXTS = ["a good film", "bad", "it is a bad film, really", "..."]
REVIEWS = [f"a {word} film {end}" for word in ("good", "bad") for end in ("", "really", "to see", "it is")]
LABELS = np.repeat([0, 1], 4)


@pytest.fixture
def members(seqlab: Callable[..., object]) -> list[str]:
    """Three finished runs on the same texts, with different tokenizers and kinds of models."""
    for recipe in (NET, CHARACTERS, GRAMS):
        seqlab("train", *recipe)
    return ["net", "letters", "grams"]


def answers(seqlab, run: str, texts: Sequence[str] = TEXTS) -> np.ndarray:
    """Probabilities as `seqlab predict --json` prints them, (N, K)."""
    found = json.loads(seqlab("predict", run, *texts, "--json").out)
    return np.array([list(each["probabilities"].values()) for each in found])


def find(name: str) -> RunFolder:
    return run_folder.find(name)


def test_probabilities_are_the_mean_of_those_of_the_members(seqlab, members) -> None:
    assert seqlab("ensemble", *members, "name=best").status == 0
    each = [answers(seqlab, name) for name in members]
    assert max(abs(each[0] - each[1]).max(), abs(each[0] - each[2]).max()) > 0.05, "members are too alike"
    assert answers(seqlab, "best") == pytest.approx(np.mean(each, axis=0), rel=1e-6)


def test_weights_are_divided_by_their_sum(seqlab, members) -> None:
    seqlab("ensemble", *members[:2], "name=best", "ensemble.weights=3,1")
    one, other = (answers(seqlab, name) for name in members[:2])
    assert answers(seqlab, "best") == pytest.approx(0.75 * one + 0.25 * other, rel=1e-6)
    card = json.loads(seqlab("evaluate", "best", "--json").out)
    assert card["scored_as"] == "mean of the probabilities of 2 runs, weighted 75 %, 25 %"


def test_every_metric_is_that_of_the_mean(seqlab, members) -> None:
    seqlab("ensemble", *members, "name=best")
    metrics = ["loss", "accuracy", "auc", "brier", "confusion_matrix"]
    options = [word for metric in metrics for word in ("--metric", metric)]
    card = json.loads(seqlab("evaluate", "best", "--split", "test", *options, "--json").out)
    mean = np.mean([answers(seqlab, name, REVIEWS) for name in members], axis=0)
    right = mean.argmax(axis=1) == LABELS
    assert card["metrics"]["loss"] == pytest.approx(-np.log(mean[range(8), LABELS]).mean(), rel=1e-5)
    assert card["metrics"]["accuracy"] == right.mean()
    assert card["metrics"]["auc"] == pytest.approx(roc_auc_score(LABELS, mean[:, 1]))
    assert card["metrics"]["brier"] == pytest.approx(2 * brier_score_loss(LABELS, mean[:, 1]), rel=1e-5)
    assert np.trace(card["matrices"]["confusion_matrix"]["values"]) == right.sum()
    assert (card["seed"], card["test_evaluations"], card["sequences"]) == (None, 1, 8)
    assert list(card["budget"]["members"].values()) == [pytest.approx(1 / 3)] * 3
    scores = find("best").scores("test")
    assert scores is not None
    assert scores.nats == pytest.approx(-np.log(mean[range(8), LABELS]), rel=1e-5)
    assert scores.right.tolist() == right.astype(int).tolist()


def test_the_summary_counts_and_adds(seqlab, members) -> None:
    summary = json.loads(seqlab("ensemble", *members, "name=best", "--json").out)
    each = [find(name).summary() for name in members]
    assert summary["parameters"] == sum(one["parameters"] for one in each)
    seconds = [one["cost"]["training_seconds"] for one in each]
    assert summary["cost"]["training_seconds"] == pytest.approx(sum(seconds), abs=0.051)
    assert summary["cost"]["peak_memory_mib"] >= max(one["cost"]["peak_memory_mib"] for one in each)
    assert summary["tokens"] == sum(one["tokens"] for one in each)
    assert "sums" in summary["stopped"]
    valid = json.loads(seqlab("evaluate", "best", "--metric", "loss", "--json").out)
    assert valid["metrics"]["loss"] == summary["metrics"]["loss"]


def test_numbers_are_the_mean_of_numbers(seqlab) -> None:
    size = ["data.train=50", "data.valid=20", "data.test=20", "data.length=8"]
    small = ["model.hidden_size=4", "training.epochs=2", "training.tensorboard=false", "name=net"]
    seqlab("train", "adding-elman", *size, *small)
    seqlab("train", "adding-mean", *size, "name=constant")
    seqlab("ensemble", "net", "constant", "name=best", "ensemble.weights=1,2")
    text = "0.500,1 0.100,0 0.250,1 0.900,0"

    def number(run: str) -> float:
        return json.loads(seqlab("predict", run, text, "--json").out)[0]["answer"]["number"]

    assert number("best") == pytest.approx((number("net") + 2 * number("constant")) / 3, rel=1e-6)
    card = json.loads(seqlab("evaluate", "best", "--json").out)
    assert card["scored_as"] == "mean of the numbers of 2 runs, weighted 33.3 %, 66.7 %"
    normal = card["metrics"]["mse"] / 2 + math.log(2 * math.pi) / 2
    assert card["metrics"]["loss"] == pytest.approx(normal)


def test_a_table_is_predicted_as_by_one_model(seqlab, members, tmp_path: Path) -> None:
    seqlab("ensemble", *members, "name=best")
    rows, output = tmp_path / "rows.csv", tmp_path / "answers.csv"
    rows.write_text("id,text\n1,a good film\n2,bad\n3,unheard of\n")
    result = seqlab("predict", "best", "--file", str(rows), "-o", str(output))
    assert result.status == 0, result
    with output.open(newline="") as file:
        found = list(csv.DictReader(file))
    mean = answers(seqlab, "best", ["a good film", "bad", "unheard of"])
    assert [row["id"] for row in found] == ["1", "2", "3"]
    assert [float(row["probability"]) for row in found] == pytest.approx(mean.max(axis=1), rel=1e-6)
    # The member that reads characters knows some of the third text.
    assert "no word that the model knows" not in result.err


def log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


WITHOUT = {
    "A": " good film: it's really, really bad",
    "good": "A  film: it's really, really bad",
    "film": "A good : it's really, really bad",
    ":": "A good film it's really, really bad",
    "it": "A good film: 's really, really bad",
    "'": "A good film: it s really, really bad",
    "s": "A good film: it' really, really bad",
    "really": "A good film: it's , really bad",
    ",": "A good film: it's really really bad",
    "bad": "A good film: it's really, really ",
}
"""A text without each of its words, without the first one of two equal ones."""


def test_it_is_explained_by_leaving_out_whole_words(seqlab, refused, members) -> None:
    """Effects are what `predict` answers without each word, for members of words and of characters."""
    seqlab("ensemble", *members, "name=best")
    text = "A good film: it's really, really bad"
    result = seqlab("explain", "best", text, "--json")
    assert result.status == 0, result
    found = json.loads(result.out)
    assert found["method"] == "occlusion"
    assert "Got an ensemble" in found["reason"]
    assert "Whole words are left out of the text, which each member then reads" in found["meaning"]
    (one,) = found["texts"]
    whole = answers(seqlab, "best", [text])[0]
    label = int(whole.argmax())
    assert one["probability"] == pytest.approx(whole[label], rel=1e-6)
    assert one["value"] == pytest.approx(log_odds(whole[label]), abs=1e-5)
    assert [word["text"] for word in one["words"]] == [*list(WITHOUT)[:9], "really", "bad"]
    effects = {word["text"]: word["effect"] for word in reversed(one["words"])}
    left = answers(seqlab, "best", [WITHOUT[word] for word in effects])[:, label]
    assert list(effects.values()) == pytest.approx([one["value"] - log_odds(each) for each in left], abs=1e-4)
    assert len(set(effects.values())) > 5
    for method in ("weights", "integrated-gradients"):
        message = refused("explain", "best", "good", "--method", method)
        assert re.search(r"must be those of one model. Got an ensemble, best-.* Nearest: occlusion", message)
    shown = seqlab("explain", "best", "good", "").out
    assert "Method: occlusion." in shown
    assert "[2] no text, no answer" in shown


def test_the_same_command_again_loads_it(seqlab, members) -> None:
    first = json.loads(seqlab("ensemble", *members, "name=best", "--json").out)
    assert json.loads(seqlab("ensemble", *members, "name=best", "--json").out) == first
    assert "is finished; nothing to do" in seqlab("resume", "best").err
    assert len(list((find("best").path.parent).glob("best-*"))) == 1


def test_it_is_listed_shown_and_trained_from_its_settings(seqlab, members) -> None:
    first = json.loads(seqlab("ensemble", *members, "name=best", "--json").out)
    rows = json.loads(seqlab("list", "runs", "--where", "name=best", "--json").out)["runs"]
    assert [(row["architecture"], row["seed"]) for row in rows] == [("ensemble of 3", None)]
    shown = {
        each["key"]: each["value"] for each in json.loads(seqlab("show", "best", "--json").out)["settings"]
    }
    assert [run_folder.resolve(name).name for name in shown["ensemble.members"]] == [
        find(name).path.name for name in members
    ]
    config = find("best").config_path
    assert json.loads(seqlab("train", str(config), "--json").out) == first
    total = json.loads(seqlab("params", str(config), "--json").out)
    assert next(iter(total.values()))["total"] == first["parameters"]


def test_without_a_name_it_has_that_of_the_data(seqlab, members) -> None:
    seqlab("ensemble", *members)
    assert find("reviews-ensemble").finished


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "'ensemble.members' must have at least 2 items. Got 0"),
        (["net"], "'ensemble.members' must have at least 2 items. Got 1"),
        (
            ["net", "net"],
            "'ensemble.members' must differ .* Got 'net-.*' twice. Nearest: 'ensemble.weights'",
        ),
        (["net", "nothing"], "There is no run 'nothing'"),
        (
            ["net", "grams", "ensemble.weights=1"],
            "'ensemble.weights' must be as many as the members, 2. Got 1",
        ),
        (["net", "grams", "ensemble.weights=1,0"], "'ensemble.weights' must be greater than 0"),
        (["net", "grams", "ensemble.weights=1,nan"], "'ensemble.weights' must be"),
        (["net", "grams", "weights=1,2"], "There is no setting 'weights'. Nearest: 'ensemble.weights'"),
        (["net", "grams", "name=letters"], "'name' must be that of no other run. Got 'letters', .* Nearest"),
    ],
)
def test_what_cannot_be_combined_is_refused(seqlab, refused, members, arguments, words: str) -> None:
    before = run_folder.names()
    assert re.search(words, refused("ensemble", *arguments)), words
    assert run_folder.names() == before


def test_other_texts_or_labels_are_refused_by_name(seqlab, refused, members, tmp_path: Path) -> None:
    def table(name: str, texts: Sequence[str], labels: Sequence[str]) -> None:
        rows = "".join(f"{text},{label}\n" for text, label in zip(texts, labels, strict=True))
        path = tmp_path / f"{name}.csv"
        path.write_text(f"text,label\n{rows}")
        same = ["data.valid_fraction=0.3", "data.test_fraction=0.2", f"name={name}"]
        assert seqlab("train", "text-nbsvm", f"data.path={path}", *same).status == 0

    texts, labels = [f"{word} {n}" for n in range(20) for word in ("fine", "dull")], ["good", "bad"] * 20
    table("films", texts, labels)
    table("names", texts, ["yes", "no"] * 20)
    table("others", [f"x{text}" for text in texts], labels)
    table("fewer", texts[:30], labels[:30])
    for other, what in {
        "names": "the labels: 'bad', 'good', and 'no', 'yes'",
        "others": "the texts or labels of 'valid'",
        "fewer": "the number of texts of 'test': 8, and 6",
        "net": "the labels",
    }.items():
        message = refused("ensemble", "films", other)
        assert re.search(rf"films-\S+ and {other}-\S+ differ in {what}", message), message


def test_a_split_on_which_none_was_scored_is_compared_with_the_data(seqlab, refused, tmp_path: Path) -> None:
    """The texts of `test` differ, but no card of the members says so."""
    rows = "".join(
        f"{word} {n},{label}\n" for n in range(9) for word, label in (("fine", "a"), ("dull", "b"))
    )
    for name in ("train", "valid", "one", "two"):
        (tmp_path / f"{name}.csv").write_text(
            "text,label\n" + (rows if name != "two" else rows.replace("e", "i"))
        )
    for name in ("one", "two"):
        paths = {"path": "train", "valid_path": "valid", "test_path": name}
        settings = [f"data.{key}={tmp_path / value}.csv" for key, value in paths.items()]
        assert seqlab("train", "text-nbsvm", *settings, f"name={name}").status == 0
    message = refused("ensemble", "one", "two", "name=best")
    assert re.search(r"two-\S+ and the data of the ensemble differ in the texts or labels of 'test'", message)


def test_an_unfinished_member_is_refused(seqlab, refused, members) -> None:
    (find("net").path / "finished.json").unlink()
    message = refused("ensemble", *members)
    assert re.search(r"'net-\S+' of an ensemble must be finished. .*`seqlab resume net-", message)


def test_language_models_and_ensembles_are_refused(seqlab, refused, members, language) -> None:
    name = language.path.name
    assert "differ in what they predict: a text, and a class" in refused("ensemble", name, "net")
    assert "differ in what they predict: a class, and a text" in refused("ensemble", "net", name)
    seqlab("ensemble", *members, "name=best")
    assert "must not be an ensemble. Nearest: its own members" in refused("ensemble", "best", "net")


def test_what_does_not_apply_is_said(seqlab, refused, members) -> None:
    seqlab("ensemble", *members, "name=best")
    assert re.search(
        "has no layers of its own. Nearest: one of its members, net-", refused("diagnose", "best")
    )
    assert re.search("must be the run of one model. Got an ensemble", refused("sample", "best"))
    with pytest.raises(UserError, match="must have a network to be checked"):
        package.check("best")
    with pytest.raises(UserError, match="must be the run of one model"):
        _ = package.load_run("best").model


def test_a_member_that_changes_or_vanishes_is_noticed(seqlab, refused, members) -> None:
    seqlab("ensemble", *members, "name=best")
    net = find("net")
    kept = net.path.with_name("kept")
    shutil.copytree(net.path, kept)
    shutil.rmtree(net.path)
    for command in (("evaluate", "best"), ("predict", "best", "good")):
        assert re.search(
            r"The member 'net-\S+' of an ensemble must be a run in .* Got none", refused(*command)
        )
    # Another run of the same settings, with other weights.
    seqlab("train", *NET)
    other = find("net")
    rewrite(next(other.checkpoints.glob("*/model.safetensors")), other)
    assert re.search(
        r"net-\S+ must have the weights with which best-\S+ was made", refused("predict", "best", "x")
    )
    shutil.rmtree(other.path)
    shutil.move(kept, net.path)
    assert seqlab("evaluate", "best").status == 0


def rewrite(weights: Path, run: RunFolder) -> None:
    """Write other weights into a checkpoint that is sound."""
    files = {path.name: path.read_bytes() for path in weights.parent.iterdir()}
    manifest = json.loads(files.pop("manifest.json"))
    atomic.remove(weights.parent)
    with checkpoints.new_checkpoint(run.checkpoints, manifest["step"], run.fingerprint) as path:
        for name, content in files.items():
            other = content[:-1] + bytes([content[-1] ^ 1])
            (path / name).write_bytes(other if name == weights.name else content)


def test_a_folder_of_runs_can_be_moved(seqlab, members, tmp_path: Path, monkeypatch) -> None:
    seqlab("ensemble", *members, "name=best")
    expected, name = answers(seqlab, "best"), find("best").path.name
    shutil.copytree(tmp_path / "runs", tmp_path / "moved")
    shutil.rmtree(tmp_path / "runs")
    assert answers(seqlab, str(tmp_path / "moved" / name)).tolist() == expected.tolist()
    assert seqlab("evaluate", str(tmp_path / "moved" / name)).status == 0


def test_members_are_in_the_folder_of_runs(seqlab, refused, members, tmp_path: Path) -> None:
    shutil.copytree(find("net").path, tmp_path / "elsewhere" / find("net").path.name)
    elsewhere = str(tmp_path / "elsewhere" / find("net").path.name)
    assert "must be in the folder of runs" in refused("ensemble", elsewhere, "grams")


def test_removing_a_member_names_the_ensembles_that_lose_it(seqlab, members) -> None:
    seqlab("ensemble", *members[:2], "name=best")
    result = seqlab("remove", "net", "--yes")
    assert f"Ensemble '{find('best').path.name}' loses this member" in result.out
    assert json.loads(seqlab("remove", "grams", "--yes", "--json").out)["removed"][0]["ensembles"] == []
    assert seqlab("list", "runs").status == 0


def test_cleaning_keeps_what_it_needs(seqlab, members) -> None:
    seqlab("ensemble", *members, "name=best")
    expected = answers(seqlab, "best")
    seqlab("clean", "--yes")
    assert answers(seqlab, "best").tolist() == expected.tolist()


def test_texts_that_a_member_must_not_keep_are_not_kept(seqlab, members) -> None:
    seqlab("train", *NET, "samples.count=0", "name=private", "seed=5")
    for name, together, kept in (("open", members[:2], True), ("closed", ["private", "letters"], False)):
        seqlab("ensemble", *together, f"name={name}")
        seqlab("evaluate", name, "--errors", "8")
        wrong = find(name).wrong_texts("valid")
        assert wrong is not None
        assert wrong["shown"], "members that are right about everything show nothing"
        assert all((each["text"] is not None) == kept for each in wrong["shown"])


def test_in_python(seqlab, members) -> None:
    loaded = [package.load_run("net"), "letters", find("grams").path]
    run = package.ensemble(loaded, {"name": "best", "ensemble.weights": [2, 1, 1]})
    assert run.path.name.startswith("best-")
    expected = sum(
        weight * answers(seqlab, name) for weight, name in zip((0.5, 0.25, 0.25), members, strict=True)
    )
    found = run.predict(TEXTS)
    assert run.explain("a good film").method == "occlusion"
    assert found.select(pl.col("^P.*$")).to_numpy() == pytest.approx(expected, rel=1e-6)
    assert run.evaluate("test")["metrics"]["loss"] > 0
    assert run.predictions("test")["correct"].mean() == run.evaluate("test")["metrics"]["accuracy"]
    assert package.compare([run, "net"]).height == 2
    with pytest.raises(UserError, match=r"'runs' must be a list of at least two runs. Got 'net'"):
        package.ensemble("net")


def test_calibration_divides_the_logs_of_the_mean(seqlab, members) -> None:
    seqlab("ensemble", *members, "name=best")
    card = json.loads(seqlab("evaluate", "best", "--calibrate", "--json").out)
    mean = np.log(np.mean([answers(seqlab, name, REVIEWS) for name in members], axis=0))
    scaled = mean / card["metrics"]["temperature"]
    scaled -= np.logaddexp.reduce(scaled, axis=1, keepdims=True)
    assert card["metrics"]["calibrated_loss"] == pytest.approx(-scaled[range(8), LABELS].mean(), rel=1e-4)
    assert math.isfinite(card["metrics"]["temperature"])


def static_table(folder: Path, name: str) -> list[dict[str, str]]:
    (path,) = folder.glob(f"table-*-{name}*.csv")
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_the_page_has_the_members_beside_the_ensemble(seqlab, members, tmp_path: Path) -> None:
    seqlab("ensemble", *members, "name=best", "ensemble.weights=2,1,1")
    for name in ("best", "net"):
        seqlab("evaluate", name, "--split", "test")
    static = tmp_path / "static"
    result = seqlab("report", "best", *members, "-o", str(tmp_path / "page.html"), "--static", str(static))
    assert result.status == 0, result
    rows = static_table(static, "members-reviews")
    runs = [find(name) for name in ("best", *members)]
    assert [row["member"] for row in rows] == [
        "all: best, ensemble of 3",
        *(run.path.name for run in runs[1:]),
    ]
    assert [float(row["weight"]) for row in rows] == [1, 0.5, 0.25, 0.25]
    for row, run in zip(rows, runs, strict=True):
        metrics = run.summary()["metrics"]
        assert float(row["accuracy (fraction of texts)"]) == pytest.approx(metrics["accuracy"])
        assert float(row["loss (nats per text)"]) == pytest.approx(metrics["loss"])
        assert int(row["parameters"]) == run.summary()["parameters"]
        assert bool(row["test loss (nats per text)"]) == (run.path.name.startswith(("best", "net")))
    # The seconds of the members are in the total once.
    assert len(static_table(static, "cost")) == 4
    curves = next(static.glob("figure-*-loss-on-reviews.csv")).read_text(encoding="utf-8")
    assert "best" not in curves, "an ensemble has no curve"
    rules = "a baseline, which is fitted without steps, or an ensemble, the mean of finished runs."
    assert f"Grey rule: {rules}" in (tmp_path / "page.html").read_text(encoding="utf-8")
    seqlab("remove", "net", "--yes")
    assert seqlab("report", "best", "-o", str(tmp_path / "page.html"), "--static", str(static)).status == 0
    rows = static_table(static, "members-reviews")
    assert [row["member"].endswith("(missing)") for row in rows] == [False, True, False, False]


def test_runs_and_settings_are_completed(seqlab, members) -> None:
    name = find("net").path.name
    line = f"seqlab ensemble {name}"
    assert seqlab("completion", "bash", line).out.split() == [name]
    assert "ensemble.weights=" in seqlab("completion", "bash", f"{line} ensemble.w").out
