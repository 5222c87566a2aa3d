"""A user's own data, from a file to predictions and samples, and invalid input."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import own_files
import polars
import pytest

from seqlab.cli import evaluate_commands
from seqlab.runs.run_folder import open_run
from seqlab.schema.records import Matrix

QUICK = ["training.epochs=3", "training.tensorboard=false", "samples.max_tokens=10"]


def trained(seqlab, runs: Path, recipe: str, *arguments: str) -> Path:
    result = seqlab("train", recipe, *arguments, *QUICK)
    assert result.status == 0, result.err
    assert "Settings chosen for " in result.err
    (path,) = runs.iterdir()
    return path


def test_a_table(seqlab, runs: Path, tmp_path: Path) -> None:
    own = own_files.write(tmp_path, "text-classifier", rows=60)
    path = trained(seqlab, runs, "text-classifier", own, "training.optimizer.learning_rate=0.1")
    result = seqlab("predict", "text-classifier", "a lovely film", "dull, awful", "--json")
    answers = [answer["probabilities"] for answer in json.loads(result.out)]
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
    assert data["description"].startswith("Your own ")
    assert data["notes"] == []


def test_all_probabilities_of_several_labels_are_shown(seqlab, runs: Path, tmp_path: Path) -> None:
    own = own_files.write(tmp_path, "text-classifier", labels=3, rows=60)
    trained(seqlab, runs, "text-classifier", own, "training.optimizer.learning_rate=0.1")
    first, second = seqlab("predict", "text-classifier", "a lovely film").out.splitlines()
    assert first.startswith("good ")
    assert second.startswith("    good ")
    assert sum(float(part.split()[1]) for part in second.split(", ")) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("labels", "max_labels"), [(2, 10), (3, 2)])
def test_the_confusion_matrix_of_a_split(
    seqlab, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, labels: int, max_labels: int
) -> None:
    """Whole, or its largest mistakes; the texts do not depend on the labels, so there are some."""
    own = own_files.write(tmp_path, "text-classifier", labels=labels, rows=90)
    trained(seqlab, runs, "text-classifier", own, "training.max_steps=1")
    card = json.loads(seqlab("evaluate", "text-classifier", "--split", "test", "--json").out)
    matrix = card["matrices"]["confusion_matrix"]
    counts = np.array(matrix["values"])
    assert counts.sum() == card["sequences"]
    assert np.trace(counts) / counts.sum() == pytest.approx(card["metrics"]["accuracy"])
    monkeypatch.setattr(evaluate_commands, "MAX_LABELS", max_labels)
    shown = seqlab("evaluate", "text-classifier", "--split", "test").out.splitlines()
    begin = shown.index(next(s for s in shown if "confusion matrix" in s)) + 2
    rows = [line.split() for line in shown[begin : shown.index("", begin)]]
    if labels <= max_labels:
        assert rows[:labels] == [
            [name, *(str(int(count)) for count in line)]
            for name, line in zip(matrix["rows"], counts, strict=True)
        ]
    else:
        missed = counts - np.diag(np.diag(counts))
        assert int(rows[0][2]) == missed.max() > 0
        assert [int(row[2]) for row in rows if len(row) == 3] == sorted(missed[missed > 0], reverse=True)
        assert counts[matrix["rows"].index(rows[0][0]), matrix["columns"].index(rows[0][1])] == missed.max()


def test_lines_without_text_are_counted_and_another_encoding_can_be_named(
    seqlab, refused, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = own_files.write(tmp_path, "text-classifier", rows=60)
    trained(seqlab, runs, "text-classifier", own)
    file = tmp_path / "old.txt"
    file.write_bytes("lovely café\n\n  \nawful\n".encode("cp1252"))
    result = refused("predict", "text-classifier", "--file", str(file))
    assert "old.txt:1 must be text in UTF-8" in result
    assert "--encoding cp1252" in result
    result = seqlab("predict", "text-classifier", "--file", str(file), "--encoding", "cp1252", "--json")
    assert [answer["text"] for answer in json.loads(result.out)] == ["lovely café", "", "  ", "awful"]
    assert "2 of 4 lines have no text: lines 2, 3." in result.err
    file_of_lines = tmp_path / "lines.txt"
    file_of_lines.write_text("one\u2028text\r\nanother\n", encoding="utf-8", newline="")
    by_file = seqlab("predict", "text-classifier", "--file", str(file_of_lines), "--json").out
    assert [answer["text"] for answer in json.loads(by_file)] == ["one\u2028text", "another"]
    with file_of_lines.open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert seqlab("predict", "text-classifier", "--json").out == by_file
    with file.open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert "Standard input, line 1, must be text in UTF-8" in refused("predict", "text-classifier")


def test_a_table_in_another_encoding(seqlab, refused, runs: Path, tmp_path: Path) -> None:
    own = own_files.write(tmp_path, "text-classifier", rows=60)
    path = Path(own.removeprefix("data.path="))
    path.write_bytes(path.read_bytes().replace(b"film", b"caf\xe9"))
    assert "data.encoding=cp1252" in refused("train", "text-classifier", own)
    arguments = ("train", "text-classifier", own, *QUICK, "--encoding", "cp1252")
    assert seqlab(*arguments).status == 0
    (run,) = runs.iterdir()
    assert 'encoding = "cp1252"' in (run / "config.toml").read_text()
    assert "'data.encoding'" in refused("train", "brackets-lstm", "--encoding", "cp1252")


def test_a_text(seqlab, runs: Path, tmp_path: Path) -> None:
    trained(seqlab, runs, "text-lm", own_files.write(tmp_path, "text-lm"))
    result = seqlab("sample", "text-lm", "--prompt", "1 line", "--count", "2", "--length", "5")
    assert result.status == 0
    assert result.out.count("] 1 line") == 2


def test_data_show_and_params(seqlab, tmp_path: Path) -> None:
    own = own_files.write(tmp_path, "text-classifier")
    content = json.loads(seqlab("data", "show", "table", own.removeprefix("data."), "--json").out)
    assert content["splits"]["train"]["sequences"] == 22
    assert seqlab("params", "text-classifier", own, "--json").status == 0


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Valid and invalid tables in the current folder."""
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
        ([], "'data.path' must be given: The file; its extension"),
        (["data.path=films.xlsx"], "A table must end in .csv, .tsv, .jsonl, .parquet. Got 'films.xlsx'"),
        (["data.path=film.csv"], "film.csv must exist. Got no such file. Nearest: 'films.csv'"),
        (
            ["data.path=films.csv", "data.text_column=txt"],
            "must have a column 'txt'. Nearest: data.text_column=text",
        ),
        (["data.path=films.csv", "task.metrics=loss,acuracy", "task.monitor=loss"], "Nearest: 'accuracy'"),
        (["data.path=films.csv", "task.monitor=los"], "'task.monitor' must be one of loss, accuracy"),
        (
            ["data.path=films.csv", "training.class_weights=equal"],
            "'training.class_weights' must be one of none, bal",
        ),
        (["data.path=empty.csv"], "empty.csv must contain a table. Got an empty file"),
        (["data.path=one.csv"], "must contain at least 2 labels. Got 'x' in every training row"),
        (["data.path=rare.csv"], "Got one text for 'rare' (rare.csv:6)"),
        (["data.path=bytes.csv"], "bytes.csv:3 must be text in UTF-8"),
    ],
)
def test_refused_with_nothing_created(
    refused, runs: Path, files: Path, arguments: list[str], words: str
) -> None:
    assert words in refused("train", "text-classifier", *arguments)
    assert not runs.exists()


def test_a_table_is_predicted_by_the_text_column_of_the_run(
    seqlab, refused, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = own_files.write(tmp_path, "text-classifier", rows=60)
    table = Path(own.removeprefix("data.path="))
    table.write_text(table.read_text().replace("text,label", "review,label"))
    trained(seqlab, runs, "text-classifier", own, "data.text_column=review")
    texts = ["a lovely film\nof two lines", "dull, awful", ""]
    rows = [{"id": index, "review": text} for index, text in enumerate(texts)]
    polars.DataFrame(rows).write_parquet("new.parquet")
    polars.DataFrame(rows).write_csv("new.csv")
    polars.DataFrame(rows).write_csv("comma.csv", separator=";")
    polars.DataFrame(rows).write_ndjson("new.jsonl")
    expected = seqlab("predict", "text-classifier", *texts, "--json").out
    for name in ("new.parquet", "new.csv", "comma.csv", "new.jsonl"):
        result = seqlab("predict", "text-classifier", "--file", name, "--json")
        assert (result.status, result.out) == (0, expected), name
    assert (
        "Note: A semicolon separates the columns of comma.csv."
        in seqlab("predict", "text-classifier", "--file", "comma.csv").err
    )
    result = seqlab("predict", "text-classifier", "--file", "new.csv")
    assert len(result.out.splitlines()) == 3, "one line per text"
    assert "Note: 1 row spans several lines, the first at new.csv:2" in result.err

    polars.DataFrame({"texts": texts}).write_csv("other.csv")
    message = refused("predict", "text-classifier", "--file", "other.csv", "--text-column", "text")
    assert "other.csv must have a column 'text'. Nearest: --text-column texts." in message
    result = seqlab("predict", "text-classifier", "--file", "other.csv", "--text-column", "texts", "--json")
    assert result.out == expected
    Path("old.csv").write_bytes("review\ncaf\u00e9\n".encode("cp1252"))
    assert "perhaps: --encoding cp1252." in refused("predict", "text-classifier", "--file", "old.csv")
    assert seqlab("predict", "text-classifier", "--file", "old.csv", "--encoding", "cp1252").status == 0
    polars.DataFrame({"review": ["a", None]}).write_parquet("null.parquet")
    result = seqlab("predict", "text-classifier", "--file", "null.parquet")
    assert "1 of 2 rows has no text: row 2 (the first at null.parquet, row 2)." in result.err
    Path("lines.txt").write_text("a\n")
    assert "'text-column' needs a table" in refused(
        "predict", "text-classifier", "--file", "lines.txt", "--text-column", "a"
    )
    Path("empty.csv").write_text("review\n")
    assert "Got only a header" in refused("predict", "text-classifier", "--file", "empty.csv")


def test_data_show_prints_the_notes_that_training_prints(seqlab, runs: Path, tmp_path: Path) -> None:
    path = tmp_path / "films.csv"
    path.write_text("text;label\n" + "".join(f'"{i}\na";{"Pos" if i % 3 else "pos"}\n' for i in range(30)))
    content = json.loads(seqlab("data", "show", "table", f"path={path}", "--json").out)
    assert len(content["notes"]) == 3
    shown = " ".join(seqlab("data", "show", "table", f"data.path={path}").out.split())
    result = seqlab("train", "text-nbsvm", f"data.path={path}")
    for note in content["notes"]:
        assert f"Note: {note}" in " ".join(result.err.split())
        assert f"Note: {note}" in shown


def test_texts_without_labels_are_shown_with_those_left_out(seqlab, runs: Path, tmp_path: Path) -> None:
    own = own_files.write(tmp_path, "text-classifier")
    content = json.loads(seqlab("data", "show", "table", own.removeprefix("data."), "--json").out)
    assert content["unlabelled"] == {}
    lines = [line.rpartition(",")[0].strip('"') for line in (tmp_path / "films.csv").read_text().splitlines()]
    (tmp_path / "more.txt").write_text("\n".join([*lines[1:], "one more film"]))
    more = f"data.unlabelled_path={tmp_path / 'more.txt'}"
    shown = seqlab("data", "show", "table", own, more).out
    assert re.search(
        r"^unlabelled +sequences +tokens +unknown +left out, in valid +left out, in test$", shown, re.M
    )
    assert re.search(r"^texts +23 .* 4 +4$", shown, re.M)
    assert seqlab("train", "text-nbsvm", own, more, "name=films").status == 0
    assert "4 unlabelled texts equal to one of them, left out" in seqlab("evaluate", "films").out
