"""Names and arguments that are not UTF-8, empty, or begin with a dash; paths of reports; odd labels."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import own_files
import pytest

from seqlab.runs.run_folder import RunFolder

NOT_UTF8 = os.fsdecode(b"good \xff film")


@pytest.fixture
def films(seqlab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a table, and a run that was trained on it."""
    monkeypatch.chdir(tmp_path)
    assert seqlab("train", "text-nbsvm", own_files.write(Path(), "text-classifier"), "name=films").status == 0
    return tmp_path


def test_a_folder_of_runs_that_is_not_utf8_is_refused_before_training(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / os.fsdecode(b"runs\xff")
    monkeypatch.setenv("SEQLAB_RUNS", str(runs))
    own = own_files.write(tmp_path, "text-classifier")
    for arguments in (("train", "text-nbsvm", own), ("list", "runs"), ("evaluate", "a")):
        assert "SEQLAB_RUNS must be UTF-8. Got " in refused(*arguments)
    assert not runs.exists()


def test_copies_whose_names_are_not_utf8_are_noted_and_trained_on(seqlab, tmp_path: Path, runs: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in (b"a\xff.txt", b"b\x1b.txt"):
        (folder / os.fsdecode(name)).write_text("a line of a text\n" * 60)
    result = seqlab("train", "text-5gram", f"data.path={folder}", "name=texts")
    assert result.status == 0
    assert r"b\x1b.txt holds the same text as" in result.err
    assert r"a\udcff.txt." in result.err
    assert seqlab("evaluate", "texts").status == 0
    assert seqlab("report", "texts", "-o", str(tmp_path / "r.html")).status == 0


def test_texts_and_prompts_that_are_not_utf8_are_refused(
    refused: Callable[..., str], films: Path, language: RunFolder
) -> None:
    assert r"The text at index 1 must be UTF-8. Got 'good \udcff film'." in refused(
        "predict", "films", "good", NOT_UTF8
    )
    assert "must be UTF-8. Got " in refused("sample", language.path.name, "--prompt", NOT_UTF8)


def test_a_column_whose_name_begins_with_a_dash(seqlab, refused: Callable[..., str], films: Path) -> None:
    for name in ("-text", "--text"):
        with Path("new.csv").open("w", newline="") as file:
            csv.writer(file).writerows([[name, "b"], ["a lovely film", "1"], ["a dull film", "2"]])
        message = refused("predict", "films", "--file", "new.csv")
        advice = message.partition("Nearest: ")[2].partition(". Its")[0]
        assert advice == f"--text-column={name}"
        result = seqlab("predict", "films", "--file", "new.csv", advice)
        assert (result.status, len(result.out.splitlines())) == (0, 2)
        assert "as in --prompt=-x" in refused("predict", "films", "--file", "new.csv", "--text-column", name)


def test_an_empty_column_or_path_is_not_a_missing_one(refused: Callable[..., str], films: Path) -> None:
    assert "must have a column ''" in refused("predict", "films", "--file", "films.csv", "--text-column", "")
    assert "'data.path' must have at least 1 item. Got 0." in refused("train", "text-5gram", "data.path=")
    assert "A path must name a file or a folder" in refused("train", "text-nbsvm", "data.path=")


def test_paths_of_a_report(seqlab, refused: Callable[..., str], films: Path) -> None:
    table = Path("films.csv").read_bytes()
    assert "as in --prompt=-x" in refused("report", "films", "-o", "-")
    assert "Standard output is /dev/stdout" in refused("report", "films", "--output=-")
    assert "'films.csv' is a file" in refused("report", "films", "-o", "films.csv/x.html")
    assert "'static' must be a folder other than" in refused("report", "films", "-o", "st", "--static", "st")
    assert "'films.csv' is a file" in refused("report", "films", "--static", "films.csv/st")
    assert Path("films.csv").read_bytes() == table
    assert not Path("st").exists()
    assert seqlab("report", "films", "-o", "st/r.html", "--static", "st").status == 0


def test_labels_that_begin_alike_are_counted_apart_and_printed_cut(
    seqlab, tmp_path: Path, runs: Path
) -> None:
    labels = [f"{'x' * 3_000}{index}" for index in range(12)]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        lines = [[f"text {number} of {label[-3:]}", label] for number in range(6) for label in labels]
        csv.writer(file).writerows([["text", "label"], *lines])
    table = f"data.path={tmp_path / 'a.csv'}"
    assert seqlab("train", "text-nbsvm", table, "name=long", "data.valid_fraction=0.4").status == 0
    for arguments in (("evaluate", "long"), ("predict", "long", "a text"), ("data", "show", "table", table)):
        result = seqlab(*arguments)
        assert result.status == 0
        assert max(map(len, result.out.splitlines())) < 1_000
