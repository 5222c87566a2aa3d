"""Values that programs write with more digits than Python's types have, and other cells of tables."""

from __future__ import annotations

import csv
import re
import shlex
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars
import pytest

from seqlab.data.data_kinds import DATASETS
from seqlab.data.sources.label_checks import appearance
from seqlab.data.sources.labelled_table import RowTexts
from seqlab.data.sources.table import TableConfig
from seqlab.data.sources.table_format import Column, TableFormat
from seqlab.data.sources.text_rows import TableSource
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError

WHOLE = {"valid_fraction": 0.0, "test_fraction": 0.0}


def config(path: Path, **settings: object) -> TableConfig:
    return parse(DATASETS["table"], {"kind": "table", "path": str(path), **WHOLE, **settings}, "data")


def texts(path: Path, column: str = "text") -> tuple[list[str], list[str]]:
    wanted = Column(column, "--column ")
    source = TableSource(path, TableFormat(settings=False), usual=wanted, text=wanted, keep=False)
    found = [text for rows in source.pieces() for text in rows.texts]
    return found, source.notes()


def labels(path: Path) -> tuple[str, ...]:
    return config(path).read().label_names


def refusal(path: Path, **settings: object) -> str:
    with pytest.raises(UserError) as error:
        config(path, **settings).build()
    return str(error.value)


def jsonl(path: Path, literals: list[str]) -> Path:
    lines = [f'{{"text": "text {index}", "label": {one}}}' for index, one in enumerate(literals)]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_times_keep_their_nanoseconds(tmp_path: Path, zone: str | None):
    since_1970 = [0, 1, 999, 1_000, 1_001, -1, 10**18 + 7, 123 * 10**9, 86_400 * 10**9]
    column = polars.Series(since_1970).cast(polars.Datetime("ns", "UTC"))
    column = column.dt.replace_time_zone(None) if zone is None else column.dt.convert_time_zone(zone)
    frame = {"text": [f"text {index}" for index in range(len(since_1970))], "label": column}
    polars.DataFrame(frame).write_parquet(tmp_path / "a.parquet")
    found = texts(tmp_path / "a.parquet", "label")[0]
    assert len(set(found)) == len(since_1970)
    assert len(labels(tmp_path / "a.parquet")) == len(since_1970)
    for text, nanoseconds in zip(found, since_1970, strict=True):
        found_parts = re.fullmatch(r"(\S+)(?: (\d\d:\d\d:\d\d)(?:\.(\d+))?(\+\d\d:\d\d)?)?", text)
        assert found_parts is not None, text
        date, clock, digits, offset = (part or "" for part in found_parts.groups())
        value = datetime.fromisoformat(f"{date} {clock or '00:00:00'}{offset}")
        value = value if value.tzinfo else value.replace(tzinfo=UTC)
        seconds = (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
        assert seconds * 10**9 + int(digits.ljust(9, "0")) == nanoseconds


def test_times_of_the_day_keep_their_nanoseconds(tmp_path: Path):
    column = polars.Series([0, 1, 999, 1_000, 3_600_000_000_001]).cast(polars.Time)
    polars.DataFrame({"text": column}).write_parquet(tmp_path / "a.parquet")
    assert texts(tmp_path / "a.parquet")[0] == [
        "00:00:00",
        "00:00:00.000000001",
        "00:00:00.000000999",
        "00:00:00.000001",
        "01:00:00.000000001",
    ]


def test_times_that_python_does_not_have_are_refused(tmp_path: Path):
    column = polars.Series([10**18]).cast(polars.Datetime("us"))
    polars.DataFrame({"text": column}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(
        UserError, match=r"that Python has in column 'text'\. Got: year 33658 is out of range"
    ):
        texts(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    "literals",
    [
        ["12345678901234567890123", "12345678901234567890124"],
        ["12345678901234567890123.0", "12345678901234567890124.0"],
        ["0.12345678901234567890", "0.12345678901234567891"],
        ["9007199254740993.0", "9007199254740992.0"],
        ["1e400", "1e401", "-1e400", "1e-400", "1e-401", "0.0"],
    ],
)
def test_numbers_of_json_keep_their_digits(tmp_path: Path, literals: list[str]):
    path = jsonl(tmp_path / "a.jsonl", literals)
    found = texts(path, "label")[0]
    assert [Decimal(text) for text in found] == [Decimal(literal) for literal in literals]
    assert list(labels(path)) == sorted(found, key=Decimal)
    assert not any("look the same" in note for note in config(path).read().notes)


def test_equal_numbers_of_json_are_equal_labels(tmp_path: Path):
    path = jsonl(tmp_path / "a.jsonl", ["0.123456789012345678900", "0.1234567890123456789", "1e-7", "1.0e-7"])
    assert labels(path) == ("1e-07", "0.1234567890123456789")
    corpus = config(jsonl(path, ["0.5", "0.12345678901234567890123"])).read()
    assert corpus.notes == ()


@pytest.mark.parametrize("literal", ["1e5000", "1e-5000", "7" * 4301 + ".5", "1e" + "9" * 30, "1e999999999"])
def test_numbers_of_too_many_digits_are_refused(tmp_path: Path, literal: str):
    message = refusal(jsonl(tmp_path / "a.jsonl", ["1", literal]))
    assert f"{tmp_path / 'a.jsonl'}:2 must " in message
    assert len(message) < 400


def test_long_labels_that_differ_do_not_look_the_same():
    assert appearance("12345678901234567890") != appearance("12345678901234567891")
    assert appearance("1" * 400 + "1") != appearance("1" * 400 + "2")
    assert appearance("12345678901234567890.0") == appearance("12345678901234567890")
    assert appearance("-0.0") == appearance("0")
    assert appearance("1e3") == appearance("1000")


def test_a_long_label_is_cut_in_every_message(tmp_path: Path):
    long = "x" * 5_000
    path = tmp_path / "a.csv"
    path.write_text(f"text,label,part\na,{long},train\nb,{long}y,train\nc,{long[1:]},valid\n")
    alike = tmp_path / "b.csv"
    alike.write_text(f"text,label,part\na,{long},train\nb,{long.upper()},train\n")
    (tmp_path / "c.csv").write_text(f"text,label\na,{long}\nb,{long}\n")
    (tmp_path / "d.csv").write_text("text,label\na,x\nb,x\nc,y\n" + f"d,{long}\n")
    (tmp_path / "e.csv").write_text(f"{long},label\na,x\nb,y\n")
    (tmp_path / "f.jsonl").write_text(f'{{"text": {{"a": "{long}"}}, "label": 1}}\n')
    (tmp_path / "g.csv").write_text(f"text,label,part\na,x,{long}\nb,y,train\n")
    for name, settings in {
        "a.csv": {"split_column": "part"},
        "c.csv": {},
        "d.csv": {"valid_fraction": 0.1},
        "f.jsonl": {},
        "g.csv": {"split_column": "part"},
    }.items():
        assert len(refusal(tmp_path / name, **settings)) < 600, name
    assert "more than one" not in refusal(tmp_path / "e.csv", text_column=long[1:])
    assert all(len(note) < 600 for note in config(alike).read().notes)
    assert all(len(note) < 600 for note in config(tmp_path / "e.csv", text_column="1").read().notes)


def test_a_table_of_many_columns_is_read_and_refused_in_one_short_sentence(tmp_path: Path):
    names = [f"column{number}" for number in range(50_000)]
    path = tmp_path / "a.csv"
    path.write_text(
        "\n".join([",".join([*names, "text", "label"])] + [",".join([*("1" * 50_000), t, t]) for t in "ab"])
    )
    assert list(config(path).read().texts["train"]) == ["a", "b"]
    message = refusal(path, text_column="txt")
    assert message.endswith("column18, column19 and 49,982 more columns.")
    assert len(message) < 1_000


def test_every_line_of_a_table_of_one_column_is_a_row(tmp_path: Path):
    for name in ("a.csv", "a.tsv"):
        (tmp_path / name).write_text("\n\ntext\na\n\nb\n\n\n")
        found, (note,) = texts(tmp_path / name)
        assert found == ["a", "", "b", "", ""]
        assert note.startswith("3 of 5 rows have no text: rows 2, 4, 5 (the first at")
        assert f"{name}:5)" in note
    path = tmp_path / "b.csv"
    path.write_text("text\na\n\n\n")
    file = config(path)._file(str(path), "text", "text")  # pyright: ignore[reportPrivateUsage]
    assert list(RowTexts(file, np.arange(3))) == ["a", "", ""]


def test_empty_lines_between_rows_are_counted(tmp_path: Path):
    for name, content in {
        "a.csv": 'text,label\na,x\n\n\n"b\n\n",y\n\nc,x\n\n\n',
        "a.jsonl": '\n{"text": "a", "label": 1}\n\n\n\n{"text": "b", "label": 2}\n\n',
    }.items():
        path = tmp_path / name
        path.write_text(content)
        assert f"3 empty lines are between the rows of {path}, and skipped." in config(path).read().notes


def test_a_first_line_that_declares_the_separator(tmp_path: Path):
    rows = [["text", "label"], ["a;b, c", "x"], ["d\ne", "y"]]
    for number, (line, separator) in enumerate(
        [("sep=;", ";"), ('"sep=|"', "|"), ("SEP=^", "^"), ("sep=\t", "\t"), ("sep=,", ",")]
    ):
        path = tmp_path / f"{number}.csv"
        with path.open("w", newline="") as file:
            file.write(f"\ufeff{line}\r\n")
            csv.writer(file, delimiter=separator).writerows(rows)
        corpus = config(path).read()
        assert list(corpus.texts["train"]) == ["a;b, c", "d\ne"]
        assert any(f"the first at {path}:4" in note for note in corpus.notes)
        assert list(config(path, separator=separator).read().texts["train"]) == ["a;b, c", "d\ne"]
    path = tmp_path / "a.csv"
    for line in ("sep=", 'sep="', "sep=;;"):
        path.write_text(f"{line}\ntext,label\na,x\nb,y\n")
        assert "must have a column 'text'" in refusal(path)
    path.write_text("sep=;\ntext;label\na;x\nb\n")
    assert f"{path}:4 must have as many fields" in refusal(path)


def test_a_quote_after_a_space(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text('label,text\nx, "b, c"\ny,d\n')
    assert "A quote after a space is text: remove the spaces" in refusal(path)
    path.write_text('label,text\nx, "b c"\ny,d\n')
    corpus = config(path).read()
    assert list(corpus.texts["train"]) == [' "b c"', "d"]
    (note,) = corpus.notes
    assert note.startswith(f"1 row has a space before a quote, the first at {path}:2.")


def test_a_quote_that_is_not_closed_is_refused_with_its_line(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text('text,label\na,x\n"b,y\nc,x\nd,y\n')
    assert f"{path}:3 must be fields whose quotes are closed" in refusal(path)
    path.write_text('text,label\na,x\n"b,y\nc,x\nd,"\n')
    assert f"{path}:3 must have as many fields as the header, 2. Got 1. It ends at line 5" in refusal(path)
    path.write_text('"text,label\na,x\nb,y\n')
    assert f"{path}:1 must be fields whose quotes are closed" in refusal(path)


def test_words_for_missing_values_are_noted_once(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\ngood,x\nNaN,y\nnull,x\n None ,y\nnothing,x\n")
    corpus = config(path).read()
    assert list(corpus.texts["train"])[1:4] == ["NaN", "null", " None "]
    (note,) = corpus.notes
    assert note.startswith("3 rows have NaN, null or a similar word as a field, the first at")
    assert f"{path}:3" in note
    (tmp_path / "a.jsonl").write_text('{"text": "NaN", "label": 1}\n{"text": "b", "label": 2}\n')
    assert config(tmp_path / "a.jsonl").read().notes == ()


@pytest.mark.parametrize("text", ["text,label\ncafé,x\nb,y\n", "text,label\n电影很好看,x\n不好看,y\n" * 20])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_wide_encodings_are_named(tmp_path: Path, text: str, encoding: str):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    for other in ("utf-8", "cp1252", "gb18030"):
        message = refusal(path, encoding=other)
        assert f"Got {encoding.upper()}. Name its encoding: data.encoding={encoding}." in message
    source = TableSource(path, TableFormat(encoding=encoding), usual=Column("text", ""), keep=False)
    assert [text for rows in source.pieces() for text in rows.texts] == [
        line.split(",")[0] for line in text.splitlines()[1:]
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32-be"])
def test_utf8_is_named_where_a_wide_encoding_was_given(tmp_path: Path, encoding: str):
    path = tmp_path / "a.csv"
    path.write_text("text,label\ncafé,x\nb,y\n", encoding="utf-8")
    assert (
        f"must be text in {encoding.upper()}. Got UTF-8. Name its encoding: data.encoding=utf-8."
        in refusal(path, encoding=encoding)
    )
    path.write_text("text,label\ncafé,x\nb,y\n", encoding="utf-8-sig")
    assert "Got UTF-8. Name its encoding: data.encoding=utf-8." in refusal(path, encoding="cp1252")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('{"text": "a", "label": 1, "text": "b"}', "text"),
        ('{"text": "a", "label": {"x": 1, "x": 1}}', "x"),
        ('{"text": "a", "label": 1, "\\u0074ext": "a"}', "text"),
    ],
)
def test_a_name_twice_in_an_object_is_refused_with_its_line(tmp_path: Path, line: str, name: str):
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"text": "a", "label": 1}}\n{line}\n')
    assert f"{path}:2 must be one JSON object. Got: the name {name!r} more than once" in refusal(path)


@pytest.mark.parametrize("name", ["-text", "--text", "-5 degrees", "a b", "it's", ""])
def test_the_hint_for_a_column_is_one_that_a_shell_and_the_parser_understand(tmp_path: Path, name: str):
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([[f"{name}x", "label"], ["a", "b"]])
    with pytest.raises(UserError) as error:
        texts(path, f"{name}y" if name else "xy")
    advice = str(error.value).partition("Nearest: ")[2].partition(". Its columns")[0]
    words = shlex.split(advice)
    assert words == ([f"--column={name}x"] if name.startswith("-") else ["--column", f"{name}x"])


def test_files_of_another_kind_than_their_name(tmp_path: Path):
    frame = polars.DataFrame({"text": ["a", "b"], "label": ["x", "y"]})
    frame.write_ipc(tmp_path / "a.parquet")
    frame.write_csv(tmp_path / "b.parquet")
    frame.write_json(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_text('[\n {"text": "a"}\n]\n')
    (tmp_path / "c.jsonl").write_text('{\n "text": "a"\n}\n')
    (tmp_path / "a.csv").write_text(",, \na,b,c\n")
    for name, words in {
        "a.parquet": " must be a Parquet file. Got an Arrow file: save it as Parquet.",
        "b.parquet": " must be a Parquet file. Got text: end its name in .csv, .tsv or .jsonl.",
        "a.jsonl": ":1 must be one JSON object with names and values. Got '[",
        "b.jsonl": ":1 must be one JSON object. Got: Expecting value, at character 3 of the line.",
        "c.jsonl": ":1 must be one JSON object. Got: Expecting property name enclosed",
        "a.csv": " must have a column 'text'. Its columns: '', '', ' '.",
    }.items():
        assert f"{tmp_path / name}{words}" in refusal(tmp_path / name)
    (tmp_path / "b.csv").write_text("text,label\na\n")
    assert refusal(tmp_path / "b.csv").endswith(":2 must have as many fields as the header, 2. Got 1.")
