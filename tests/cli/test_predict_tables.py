"""`seqlab predict -o`: a table in, the same rows with their answers out."""

from __future__ import annotations

import csv
import datetime
import json
import resource
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from seqlab.data.sources import text_rows
from seqlab.runs.run_folder import RunFolder

TEXTS = ["a good film", "a bad film, really", "=good\nfilm", "unheard words", "-3", "a bad film to see"]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rows in the folder of the test, in which a piece has two rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(text_rows, "ROWS_AT_ONCE", 2)
    path = Path("new.csv")
    rows = [{"key": str(index % 5), "message": text, "more": f"@{text}"} for index, text in enumerate(TEXTS)]
    pl.DataFrame(rows).write_csv(path)
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def answers(seqlab, run: RunFolder, texts: list[str]) -> list[dict[str, float]]:
    """One by one, by the command that prints them."""
    return [
        json.loads(seqlab("predict", run.path.name, "--json", "--", text).out)[0]["probabilities"]
        for text in texts
    ]


def test_rows_keep_their_order_and_get_what_each_text_gets_alone(
    seqlab, classifier: RunFolder, table: Path
) -> None:
    expected = answers(seqlab, classifier, TEXTS)
    for name in ("out.csv", "out.jsonl", "out.parquet"):
        result = seqlab("predict", classifier.path.name, "--file", str(table), "--top", "2", "-o", name)
        assert result.status == 0, result
        columns = "label, probability, label_2, probability_2"
        assert result.out == f"6 rows with {columns}: {name}\n"
        assert (
            "The texts are read from column 'message' of new.csv; --text-column names another." in result.err
        )
        assert "1 id occurs more than once in column 'key' of new.csv: 2 rows." in result.err
        assert (
            "Note: 2 texts have no word that the model knows; with other unknown words the predictions would "
            "be the same." in result.err
        )
    by_csv, by_parquet = rows_of(Path("out.csv")), pl.read_parquet("out.parquet")
    by_json = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert by_parquet.to_dicts() == by_json
    assert list(by_json[0]) == ["key", "message", "more", *columns.split(", ")]
    for index, (text, values) in enumerate(zip(TEXTS, expected, strict=True)):
        row, ranked = by_json[index], sorted(values, key=lambda label: -values[label])
        assert (row["key"], row["message"], row["more"]) == (str(index % 5), text, f"@{text}")
        assert [row["label"], row["label_2"]] == ranked
        assert row["probability"] == pytest.approx(values[ranked[0]], rel=1e-5)
        assert row["probability_2"] == pytest.approx(values[ranked[1]], rel=1e-5)
        assert float(by_csv[index]["probability"]) == row["probability"]
    # Texts that a spreadsheet program would run as formulas follow an apostrophe in CSV; a number does not.
    assert [row["message"] for row in by_csv[2:5]] == ["'=good\nfilm", "unheard words", "-3"]
    assert by_csv[0]["more"] == "'@a good film"


def test_an_id_column_is_all_that_is_kept_and_columns_have_numbers(
    seqlab, classifier: RunFolder, table: Path
) -> None:
    run = classifier.path.name
    result = seqlab(
        *(
            "predict",
            run,
            "--file",
            str(table),
            "--text-column",
            "2",
            "--id-column",
            "key",
            "-o",
            "a.csv",
            "--json",
        )
    )
    assert json.loads(result.out) == {"output": "a.csv", "rows": 6, "answered": 6, "abstained": 0}
    assert "Column 2 of new.csv is 'message'." in result.err
    assert list(rows_of(Path("a.csv"))[0]) == ["key", "label", "probability"]
    Path("semicolons.csv").write_text("text;a,b\ngood;1\n")
    assert (
        seqlab("predict", run, "--file", "semicolons.csv", "--separator", "semicolon", "-o", "b.csv").status
        == 0
    )
    assert list(rows_of(Path("b.csv"))[0]) == ["text", "a,b", "label", "probability"]


def test_parquet_keeps_types_and_json_keeps_values(seqlab, classifier: RunFolder, table: Path) -> None:
    frame = pl.DataFrame(
        {
            "text": TEXTS[:3],
            "time": pl.Series([datetime.datetime(2020, 1, 2, 3, 4, 5), None, None], dtype=pl.Datetime("ns")),
            "small": pl.Series([0.1, None, 2], dtype=pl.Float32),
            "money": pl.Series([Decimal("2.50"), None, Decimal(7)], dtype=pl.Decimal(9, 2)),
            "list": [[1, 2], [], None],
            "whole": [1, 2**60, 3],
        }
    )
    frame.write_parquet("typed.parquet")
    run = classifier.path.name
    assert seqlab("predict", run, "--file", "typed.parquet", "-o", "out.parquet").status == 0
    assert_frame_equal(pl.read_parquet("out.parquet").select(frame.columns), frame)
    assert seqlab("predict", run, "--file", "typed.parquet", "-o", "out.jsonl").status == 0
    first = json.loads(Path("out.jsonl").read_text().splitlines()[0])
    assert (first["small"], first["list"], first["whole"]) == (0.1, [1, 2], 1)
    values: list[dict[str, Any]] = [
        {"id": 1, "text": "good"},
        {"text": "bad", "later": {"a": [1.5, None, True]}, "id": 2**70},
    ]
    Path("new.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in values))
    assert seqlab("predict", run, "--file", "new.jsonl", "-o", "again.jsonl").status == 0
    found = [json.loads(line) for line in Path("again.jsonl").read_text().splitlines()]
    assert [{name: row[name] for name in ("id", "text", "later")} for row in found] == [
        {**values[0], "later": None},
        values[1],
    ]
    assert seqlab("predict", run, "--file", "new.jsonl", "-o", "again.csv").status == 0
    assert [row["later"] for row in rows_of(Path("again.csv"))] == ["", '{"a": [1.5, null, true]}']


def test_labels_are_left_empty_below_a_probability(
    seqlab, refused, classifier: RunFolder, table: Path
) -> None:
    run = classifier.path.name
    best = [max(values.values()) for values in answers(seqlab, classifier, TEXTS)]
    threshold = sorted(best)[3] - 1e-4
    unsure = [value < threshold for value in best]
    assert 0 < sum(unsure) < len(best)
    for name in ("a.csv", "a.parquet"):
        result = seqlab(
            *("predict", run, "--file", str(table), "--abstain-below", str(threshold), "-o", name, "--json")
        )
        assert json.loads(result.out)["abstained"] == sum(unsure)
        assert f"have no label ({100 * sum(unsure) / 6:.1f} %), as its probability is less" in result.err
    assert [not row["label"] for row in rows_of(Path("a.csv"))] == unsure
    assert pl.read_parquet("a.parquet")["label"].is_null().to_list() == unsure
    printed = json.loads(
        seqlab(
            "predict", run, *(t for t in TEXTS if t[0] != "-"), "--abstain-below", str(threshold), "--json"
        ).out
    )
    assert [row["label"] is None for row in printed] == [
        u for u, t in zip(unsure, TEXTS, strict=True) if t != "-3"
    ]
    message = refused("predict", run, "a", "--abstain-below", "80")
    assert "'abstain-below' must be between 0 and 1. Got 80. Nearest: 1." in message


def test_the_likeliest_labels_are_printed(seqlab, refused, classifier: RunFolder) -> None:
    run = ("predict", classifier.path.name, "a good film", "a bad film")
    whole = json.loads(seqlab(*run, "--json").out)
    best = [max(row["probabilities"].items(), key=lambda item: item[1]) for row in whole]
    assert json.loads(seqlab(*run, "--top", "1", "--json").out) == [
        {"text": row["text"], "probabilities": dict([one])} for row, one in zip(whole, best, strict=True)
    ]
    assert json.loads(seqlab(*run, "--top", "2", "--json").out) == whole
    assert seqlab(*run, "--top", "1").out == seqlab(*run).out
    ranked = seqlab(*run, "--top", "2").out.splitlines()
    assert ranked[::2] == seqlab(*run).out.splitlines()
    for line, row in zip(ranked[1::2], whole, strict=True):
        order = sorted(row["probabilities"].items(), key=lambda item: -item[1])
        assert line.strip() == ", ".join(f"{label} {value:.3f}" for label, value in order)
    assert "must be between 1 and the number of labels, 2. Got 3." in refused(*run, "--top", "3")


def test_nothing_is_said_to_lack_a_label_where_all_have_one(seqlab, classifier: RunFolder) -> None:
    run = ("predict", classifier.path.name, "a good film")
    assert (
        "Note: Every text has a label: no probability is less than 0.1."
        in seqlab(*run, "--abstain-below", "0.1").err
    )
    assert "Note: 1 text has no label (100.0 %), as its" in seqlab(*run, "--abstain-below", "1").err


def test_a_temperature_divides_the_logits(seqlab, refused, classifier: RunFolder, table: Path) -> None:
    run = classifier.path.name
    plain = json.loads(seqlab("predict", run, "a good film", "--json").out)[0]["probabilities"]
    cool = json.loads(seqlab("predict", run, "a good film", "--temperature", "0.5", "--json").out)[0]
    squares = {label: value**2 for label, value in plain.items()}
    total = sum(squares.values())
    assert cool["probabilities"] == pytest.approx({label: value / total for label, value in squares.items()})
    assert "'temperature' must be a number above 0. Got 0." in refused(
        "predict", run, "a", "--temperature", "0"
    )


def test_outputs_are_refused_before_anything_is_written(
    seqlab, refused, classifier: RunFolder, table: Path
) -> None:
    run = ("predict", classifier.path.name, "--file", str(table))
    Path("there.csv").write_text("mine")
    assert "does not exist yet. Got 'there.csv'. To replace it: --overwrite." in refused(
        *run, "-o", "there.csv"
    )
    assert "'output' must end in .csv, .jsonl, .parquet. Got 'out.tsv'." in refused(*run, "-o", "out.tsv")
    assert "must be between 1 and the number of labels, 2. Got 3. Nearest: 2." in refused(
        *run, "--top", "3", "-o", "a.csv"
    )
    assert "need an output. Got none; add -o FILE." in refused(*run, "--overwrite")
    Path("twice.csv").write_text("text,a,a\ngood,1,2\n")
    assert "Got several 'a'." in refused(*run[:3], "twice.csv", "-o", "a.csv")
    Path("null.jsonl").write_text('{"text": "good"}\n{"text": "good"}\n{"text": ["good"]}\n')
    assert "null.jsonl:3 must contain text or a number in column 'text'" in refused(
        *run[:3], "null.jsonl", "-o", "there.csv", "--overwrite"
    )
    assert Path("there.csv").read_text() == "mine"
    Path("label.csv").write_text("text,label\ngood,positive\n")
    result = seqlab(*run[:3], "label.csv", "-o", "there.csv", "--overwrite")
    assert "The table has a column 'label'; answers are in 'predicted_label'." in result.err
    assert list(rows_of(Path("there.csv"))[0]) == [
        "text",
        "label",
        "predicted_label",
        "predicted_probability",
    ]
    known = {"there.csv", "twice.csv", "null.jsonl", "label.csv", "new.csv", "runs"}
    assert {path.name for path in Path().iterdir()} == known


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet"])
def test_a_full_disk_is_a_failure_and_leaves_nothing(
    seqlab, classifier: RunFolder, table: Path, name: str
) -> None:
    Path("many.csv").write_text(
        "text,other\n" + "".join(f"good film,{'x' * index}\n" for index in range(400))
    )
    before, limits = {path.name for path in Path().iterdir()}, resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        result = seqlab("predict", classifier.path.name, "--file", "many.csv", "-o", name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert result.status == 1
    assert f"{name} cannot be written: File too large." in result.err
    assert {path.name for path in Path().iterdir()} == before


def test_lines_and_arguments_have_outputs_too(seqlab, classifier: RunFolder, table: Path) -> None:
    lines = ["a good film", "", "  ", "a bad film"]
    Path("lines.txt").write_text("".join(f"{line}\n" for line in lines))
    result = seqlab("predict", classifier.path.name, "--file", "lines.txt", "-o", "a.csv")
    assert "2 of 4 lines have no text: lines 2, 3. They are kept in their positions, without an" in result.err
    rows = rows_of(Path("a.csv"))
    assert [row["text"] for row in rows] == lines
    assert [bool(row["label"]) for row in rows] == [True, False, False, True]
    result = seqlab("predict", classifier.path.name, "good", "", "-o", "b.csv")
    assert "1 of 2 texts has no text: text 2. It is kept in its position, without an answer." in result.err
    assert [(row["text"], bool(row["label"])) for row in rows_of(Path("b.csv"))] == [
        ("good", True),
        ("", False),
    ]


GAPS = {1: "  ", 2: None, 3: "", 6: "\u00a0"}
"""Rows without text among those of `TEXTS`, by their indices: a whole piece of two rows, and others."""


def gaps() -> list[tuple[int, str | None]]:
    """Rows with ids, four of ten without text."""
    texts: list[str | None] = list(TEXTS)
    for index, missing in GAPS.items():
        texts.insert(index, missing)
    return list(enumerate(texts, start=1))


def write_gaps(name: str) -> str:
    """A table of these rows; where a format has no null, it has an empty cell."""
    frame = pl.DataFrame(gaps(), schema={"id": pl.Int64, "text": pl.String}, orient="row")
    flat = frame.with_columns(pl.col("text").str.replace("\n", " "))
    match Path(name).suffix:
        case ".csv":
            frame.write_csv(name)
        case ".tsv":
            flat.write_csv(name, separator="\t", quote_style="never")
        case ".jsonl":
            frame.write_ndjson(name)
        case _:
            frame.write_parquet(name)
    return name


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("written", ["csv", "jsonl", "parquet"])
def test_rows_without_text_keep_their_position(
    seqlab, classifier: RunFolder, table: Path, kind: str, written: str
) -> None:
    run, name, output = classifier.path.name, write_gaps(f"gaps.{kind}"), f"out.{written}"
    result = seqlab("predict", run, "--file", name, "-o", output, "--json")
    assert result.status == 0, result
    assert json.loads(result.out) == {"output": output, "rows": 10, "answered": 6, "abstained": 0}
    first = {
        "csv": "gaps.csv:3",
        "tsv": "gaps.tsv:3",
        "jsonl": "gaps.jsonl:2",
        "parquet": "gaps.parquet, row 2",
    }
    note = f"4 of 10 rows have no text: rows 2, 3, 4, 7 (the first at {first[kind]}). They are kept"
    assert result.err.count(note) == 1
    match written:
        case "csv":
            found: list[dict[str, Any]] = [
                {key: value or None for key, value in row.items()} for row in rows_of(Path(output))
            ]
        case "jsonl":
            found = [json.loads(line) for line in Path(output).read_text().splitlines()]
        case _:
            frame = pl.read_parquet(output)
            assert frame.schema["probability"] == pl.Float64
            assert frame.schema["label"] == pl.String
            found = frame.to_dicts()
    assert [int(row["id"]) for row in found] == [number for number, _ in gaps()]
    texts = [text if text and text.strip() else None for _, text in gaps()]
    expected = iter(answers(seqlab, classifier, [text for text in texts if text]))
    for row, text in zip(found, texts, strict=True):
        best = None if text is None else max(next(expected).items(), key=lambda item: item[1])
        assert row["label"] == (best and best[0])
        probability = row["probability"] and float(row["probability"])
        assert probability == (best and pytest.approx(best[1], rel=1e-5))


def test_printed_rows_without_text_keep_their_position(seqlab, classifier: RunFolder, table: Path) -> None:
    run = ("predict", classifier.path.name, "--file", write_gaps("gaps.jsonl"))
    result = seqlab(*run, "--json", "--abstain-below", "1")
    rows = json.loads(result.out)
    assert [row["probabilities"] is None for row in rows] == [index in (1, 2, 3, 6) for index in range(10)]
    assert {row["label"] for row in rows} == {None}
    assert "6 texts have no label (100.0 %)" in result.err
    lines = seqlab(*run).out.splitlines()
    assert [index for index, line in enumerate(lines) if line == "\N{EN DASH}  (no text)"] == [1, 2, 3, 6]
    assert len(lines) == 10


@pytest.mark.parametrize(
    "rows", ['{"text": null}', '{"text": NaN}', '{"text": " "}', '{"other": 1, "text": ""}']
)
def test_a_table_without_any_text_is_refused(
    seqlab, refused, classifier: RunFolder, table: Path, rows: str
) -> None:
    Path("none.jsonl").write_text(f"{rows}\n" * 3)
    run = ("predict", classifier.path.name, "--file", "none.jsonl")
    for options in (["-o", "out.csv"], ["--json"], []):
        message = refused(*run, *options)
        assert "none.jsonl must contain texts in column 'text'. Got 3 rows without text." in message
    assert not Path("out.csv").exists()
    Path("none.txt").write_text("\n\n")
    assert "at least one text. Got 2 lines without text." in refused(*run[:3], "none.txt")
    assert "at least one text. Got 1 text without text." in refused(*run[:2], "")
    Path("empty.txt").write_text("")
    assert "at least one text. Got none." in refused(*run[:3], "empty.txt")


def test_many_rows_without_text_are_counted_and_some_are_named(
    seqlab, classifier: RunFolder, table: Path
) -> None:
    Path("many.csv").write_text(
        "id,text\n" + "".join(f"{n},{'good' * (n % 100 == 0)}\n" for n in range(1200))
    )
    result = seqlab("predict", classifier.path.name, "--file", "many.csv", "-o", "out.csv")
    numbers = "rows 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 1,178 more (the first at many.csv:3)"
    assert f"1,188 of 1,200 rows have no text: {numbers}." in result.err
    assert [row["id"] for row in rows_of(Path("out.csv")) if row["label"]] == [
        str(100 * n) for n in range(12)
    ]


def test_numbers_of_a_baseline(seqlab, refused, runs: Path, table: Path) -> None:
    assert seqlab("train", "adding-mean", "data.train=20", "data.valid=5", "data.test=5").status == 0
    Path("numbers.csv").write_text('text\n"0.500,1 0.100,0"\n"0.500,1 0.500,1"\n')
    result = seqlab("predict", "adding-mean", "--file", "numbers.csv", "-o", "out.csv")
    assert result.out.endswith("2 rows with number: out.csv\n"), result
    first, second = rows_of(Path("out.csv"))
    expected = json.loads(seqlab("predict", "adding-mean", "0.500,1 0.100,0", "--json").out)[0]["answer"][
        "number"
    ]
    assert float(first["number"]) == float(second["number"]) == expected
    message = refused("predict", "adding-mean", "--file", "numbers.csv", "-o", "a.csv", "--top", "2")
    assert "must be left out for a model that predicts a number" in message
