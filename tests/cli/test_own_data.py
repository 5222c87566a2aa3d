"""Own data, from a file to predictions and samples, and what is refused on the way."""

from __future__ import annotations

import json
from pathlib import Path

import own_files
import pytest

from seqlab.runs.folder import open_run
from seqlab.schema.records import Matrix

QUICK = ["training.epochs=3", "training.tensorboard=false", "samples.max_tokens=10"]


def trained(seqlab, runs: Path, recipe: str, *arguments: str) -> Path:
    said = seqlab("train", recipe, *arguments, *QUICK)
    assert said.status == 0, said.err
    assert "Chosen for " in said.err
    (path,) = runs.iterdir()
    return path


def test_a_table(seqlab, runs: Path, tmp_path: Path) -> None:
    own = own_files.write(tmp_path, "text-classifier", rows=60)
    path = trained(seqlab, runs, "text-classifier", own, "training.optimizer.learning_rate=0.1")
    said = seqlab("predict", "text-classifier", "a lovely film", "dull, awful", "--json")
    answers = [answer["probabilities"] for answer in json.loads(said.out)]
    assert [max(answer, key=answer.get) for answer in answers] == ["good", "bad"]
    shown = seqlab("predict", "text-classifier", "a lovely film").out
    assert shown.splitlines() == [f"good {answers[0]['good']:.3f}  a lovely film"]

    metrics = json.loads((path / "finished.json").read_text())["metrics"]
    assert set(metrics) == {"loss", "accuracy", "macro_f1", "auc"}
    assert metrics["accuracy"] == metrics["auc"] == 1
    matrices = [record for record, _ in open_run(path).records() if isinstance(record, Matrix)]
    assert matrices[-1].rows == ("bad", "good")
    assert matrices[-1].values == ((3, 0), (0, 3))
    data = json.loads((path / "data.json").read_text())
    assert data["description"].startswith("Own data: ")
    assert data["notes"] == []


def test_of_several_labels_all_probabilities_are_shown(seqlab, runs: Path, tmp_path: Path) -> None:
    own = own_files.write(tmp_path, "text-classifier", labels=3, rows=60)
    trained(seqlab, runs, "text-classifier", own, "training.optimizer.learning_rate=0.1")
    first, second = seqlab("predict", "text-classifier", "a lovely film").out.splitlines()
    assert first.startswith("good ")
    assert second.startswith("    good ")
    assert sum(float(part.split()[1]) for part in second.split(", ")) == pytest.approx(1, abs=0.01)


def test_a_text(seqlab, runs: Path, tmp_path: Path) -> None:
    trained(seqlab, runs, "text-lm", own_files.write(tmp_path, "text-lm"))
    said = seqlab("sample", "text-lm", "--prompt", "1 line", "--count", "2", "--length", "5")
    assert said.status == 0
    assert said.out.count("] 1 line") == 2


def test_data_show_and_params(seqlab, tmp_path: Path) -> None:
    own = own_files.write(tmp_path, "text-classifier")
    content = json.loads(seqlab("data", "show", "table", own.removeprefix("data."), "--json").out)
    assert content["splits"]["train"]["sequences"] == 22
    assert seqlab("params", "text-classifier", own, "--json").status == 0


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Good and bad tables in the folder one stands in."""
    monkeypatch.chdir(tmp_path)
    own_files.write(tmp_path, "text-classifier")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "one.csv").write_text("text,label\na,x\nb,x\n")
    (tmp_path / "rare.csv").write_text("text,label\na,x\nb,x\nc,y\nd,y\ne,rare\n")
    (tmp_path / "bytes.csv").write_bytes(b"text,label\na,x\n\xe4,y\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "'data.path' must be given: The file; its ending"),
        (["data.path=films.xlsx"], "A table must end in .csv, .tsv, .jsonl, .parquet. Got 'films.xlsx'"),
        (["data.path=film.csv"], "film.csv must exist. Got no such file. Nearest: 'films.csv'"),
        (["data.path=films.csv", "data.text_column=txt"], "must have a column 'txt'. Nearest: 'text'"),
        (["data.path=films.csv", "task.metrics=loss,acuracy", "task.best_by=loss"], "Nearest: 'accuracy'"),
        (["data.path=films.csv", "task.best_by=los"], "'task.best_by' must be one of loss, accuracy"),
        (
            ["data.path=films.csv", "task.class_weights=equal"],
            "'task.class_weights' must be one of none, bal",
        ),
        (["data.path=empty.csv"], "empty.csv must hold a table. Got an empty file"),
        (["data.path=one.csv"], "must hold at least 2 labels. Got 'x' in every row to train on"),
        (["data.path=rare.csv"], "Got one of 'rare' (rare.csv:6)"),
        (["data.path=bytes.csv"], "bytes.csv:3 must be text in UTF-8"),
    ],
)
def test_refused_with_nothing_made(
    refused, runs: Path, files: Path, arguments: list[str], words: str
) -> None:
    assert words in refused("train", "text-classifier", *arguments)
    assert not runs.exists()
