"""Tables as they come from other programs: separators, quotes, encodings, damages, and what is reported."""

from __future__ import annotations

import csv
import gzip
import os
import random
import shlex
import unicodedata
import zipfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest

from seqlab.data.data_kinds import DATASETS
from seqlab.data.dataset import Corpus
from seqlab.data.dataset_settings import dataset_config
from seqlab.data.sources.label_checks import appearance
from seqlab.data.sources.table import TableConfig
from seqlab.data.sources.table_format import Column, TableFormat
from seqlab.data.sources.text_rows import TableSource
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError

LINES = [(f"good day {index}", "pos") if index % 2 else (f"bad day {index}", "neg") for index in range(12)]


def config(path: Path, **settings: Any) -> TableConfig:
    whole = {"test_fraction": 0.0, "valid_fraction": 0.0}
    return parse(DATASETS["table"], {"kind": "table", "path": str(path), **whole, **settings}, "data")


def rows(corpus: Corpus) -> list[tuple[str, str]]:
    labels = [corpus.label_names[int(label)] for label in corpus.targets["train"]]
    return list(zip(corpus.texts["train"], labels, strict=True))


def written(path: Path, separator: str = ",", header: str = "text,label", more: str = "") -> Path:
    lines = [header, *(",".join(row) for row in LINES)]
    path.write_text("".join(f"{line}\n" for line in lines).replace(",", separator) + more, newline="")
    return path


def texts(path: Path, column: Column) -> tuple[list[str], list[str]]:
    """The texts that are predicted, and the notes on how they were read."""
    source = TableSource(path, TableFormat(settings=False), usual=column, text=column, keep=False)
    return [text for rows in source.pieces() for text in rows.texts], source.notes()


def refusal(path: Path, **settings: Any) -> str:
    with pytest.raises(UserError) as error:
        config(path, **settings).build()
    assert str(path) in str(error.value)
    return str(error.value)


def test_quotes_in_a_tsv_file_are_text(tmp_path: Path):
    path = written(tmp_path / "a.tsv", "\t", more='"I like it.\tpos\nIt is bad.\tneg\nReally."\tpos\n')
    assert rows(config(path).read())[-3:] == [
        ('"I like it.', "pos"),
        ("It is bad.", "neg"),
        ('Really."', "pos"),
    ]
    quoted = config(path, quoting=True).read()
    assert rows(quoted)[-1][0] == "I like it.\tpos\nIt is bad.\tneg\nReally."
    assert quoted.notes == (
        f"1 row spans several lines, the first at {path}:14, the longest, of 3 lines, at {path}:14. If their "
        "quotes are part of the texts: data.quoting=false.",
    )


def test_rows_that_span_lines_are_reported_and_quotes_can_be_text(tmp_path: Path):
    path = written(tmp_path / "a.csv", more='"a\nb",pos\n"c\nd\n\ne",neg\n"I like it.,pos\nReally.",pos\n')
    corpus = config(path).read()
    assert [text for text, _ in rows(corpus)[-3:]] == ["a\nb", "c\nd\n\ne", "I like it.,pos\nReally."]
    (note,) = corpus.notes
    assert note.startswith(
        f"3 rows span several lines, the first at {path}:14, the longest, of 4 lines, at {path}:16"
    )
    path = written(tmp_path / "b.csv", more='"I like it.,pos\nReally.",pos\n"fine",pos\n')
    literal = config(path, quoting=False).read()
    assert [text for text, _ in rows(literal)[-3:]] == ['"I like it.', 'Really."', '"fine"']
    assert literal.notes == (
        f"1 row has quotes around a field in {path}. If they are not part of the texts: data.quoting=true.",
    )


@pytest.mark.parametrize(("name", "character"), [("semicolon", ";"), ("tab", "\t"), ("pipe", "|")])
def test_the_separator_is_detected_and_reported(tmp_path: Path, name: str, character: str):
    path = written(tmp_path / "a.csv", character)
    corpus = config(path).read()
    assert rows(corpus) == LINES
    assert corpus.notes == (
        f"A {name} separates the columns of {path}. 'data.separator' names another separator.",
    )
    for given in (name, character):
        corpus = config(path, separator=given).read()
        assert (rows(corpus), corpus.notes) == (LINES, ())


def test_a_tsv_file_with_commas_and_an_unusual_separator(tmp_path: Path):
    assert rows(config(written(tmp_path / "a.tsv")).read()) == LINES
    path = written(tmp_path / "b.csv", "^")
    assert rows(config(path, separator="^").read()) == LINES
    assert "a comma between its columns. Got 'text^label'. Nearest: data.separator='^'." in refusal(path)
    message = refusal(written(tmp_path / "c.csv", ";"), separator="pipe")
    assert message.endswith(
        "a pipe between its columns. Got 'text;label'. Nearest: data.separator=semicolon."
    )
    for name in ("texts", "my text", "my-text"):
        (tmp_path / "e.csv").write_text(f"{name}\na\n")
        with pytest.raises(UserError, match=r"must have a column 'text'\. Nearest: "):
            texts(tmp_path / "e.csv", Column("text", ""))
    alone = tmp_path / "d.csv"
    alone.write_text("text;label\na\n")
    assert texts(alone, Column("text;label", ""))[0] == ["a"]
    with pytest.raises(UserError, match=r"'data.separator' must be comma, .* Got '::'"):
        config(path, separator="::")


def test_columns_are_chosen_by_name_or_by_number(tmp_path: Path):
    path = written(tmp_path / "a.csv", header="review, stars")
    by_name = config(path, text_column="review", label_column="stars").read()
    by_number = config(path, text_column="1", label_column="2").read()
    assert rows(by_name) == rows(by_number) == LINES
    assert by_name.notes == ()
    assert by_number.notes == (f"Column 1 of {path} is 'review'.", f"Column 2 of {path} is ' stars'.")
    named = written(tmp_path / "b.csv", header="2,1")
    assert rows(config(named, text_column="2", label_column="1").read()) == LINES
    for wrong in ("0", "3", "-1", "1.0", "9" * 30):
        assert f"must have a column {wrong!r}" in refusal(path, text_column=wrong, label_column="2")


def test_duplicate_and_empty_column_names(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("text,,label,text\n" + "".join(f"{text},x,{label},{text}!\n" for text, label in LINES))
    message = refusal(path)
    assert (
        "must have one column 'text'. Got 2 of this name. Choose one by its number: data.text_column=1."
        in message
    )
    assert rows(config(path, text_column="4").read())[0][0] == "bad day 0!"
    assert {text for text, _ in rows(config(path, text_column="").read())} == {"x"}


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_breaks_marks_and_the_last_line(tmp_path: Path, ending: str, last: bool, mark: str):
    lines = [mark + "text,label", *(",".join(row) for row in LINES)]
    path = tmp_path / "a.csv"
    path.write_text(ending.join(lines) + (ending if last else ""), encoding="utf-8", newline="")
    assert rows(config(path).read()) == LINES


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_recognised_and_the_advice_works(tmp_path: Path, encoding: str):
    path = tmp_path / "a.csv"
    path.write_text(written(tmp_path / "b.csv").read_text(), encoding=encoding)
    message = refusal(path)
    assert (
        f"must be text in UTF-8. Got {encoding.upper()}. Name its encoding: data.encoding={encoding}."
        in message
    )
    assert rows(config(path, encoding=encoding).read()) == LINES


def test_compressed_and_binary_content_is_named(tmp_path: Path):
    path = tmp_path / "a.csv"
    plain = written(tmp_path / "b.csv").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("b.csv", plain)
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    polars.DataFrame({"text": ["a"]}).write_parquet(tmp_path / "a.parquet")
    contents = {
        "a gzip file": gzip.compress(plain),
        "a zip archive": (tmp_path / "a.zip").read_bytes(),
        "an Excel workbook": (tmp_path / "a.xlsx").read_bytes(),
        "a Parquet file: end its name in .parquet": (tmp_path / "a.parquet").read_bytes(),
        "a PDF document": b"%PDF-1.7\n",
        "an SQLite database": b"SQLite format 3\0",
    }
    for name in (path, tmp_path / "a.jsonl", tmp_path / "a.tsv"):
        for what, content in contents.items():
            name.write_bytes(content)
            assert f"must be a text file. Got {what}" in refusal(name)
    path.write_bytes(plain + b"so\0so,pos\n")
    assert f"{path}:14 must be text. Got a zero byte" in refusal(path)


def test_what_is_no_file_is_refused_without_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    os.mkfifo(tmp_path / "pipe.csv")
    assert "must be a file. Got a pipe. It is read more than once" in refusal(tmp_path / "pipe.csv")
    (tmp_path / "link.csv").symlink_to("nothing.csv")
    assert "Got a link to a file that does not exist" in refusal(tmp_path / "link.csv")
    (tmp_path / "round.csv").symlink_to("round.csv")
    assert "must be a file that can be read. Got: " in refusal(tmp_path / "round.csv")
    assert "must be a file that can be read. Got: File name too long" in refusal(
        tmp_path / f"{'n' * 300}.csv"
    )
    assert "Got no such file" in refusal(tmp_path / "no" / f"{'n' * 250}.csv")
    path = written(tmp_path / f"{'n' * 250}.csv")
    assert rows(config(path).read()) == LINES

    def forbidden(self: Path, *_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)
    assert "must be a file that can be read. Got: Permission denied." in refusal(path)


def test_the_home_folder_and_names_that_are_not_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path / "a.csv")
    assert rows(config(Path("~/a.csv")).read()) == LINES
    assert len(config(Path("~/a.csv")).build().splits["train"]) == len(LINES)
    with pytest.raises(UserError, match="must exist"):
        config(Path("~nobody-has-this-name/a.csv")).build()
    with pytest.raises(UserError, match=r"data\.path: A path must be UTF-8\. Got 'a\\udcff\.csv'"):
        config(Path(os.fsdecode(b"a\xff.csv")))


NUMBERS: dict[str, tuple[list[Any], list[str]]] = {
    "whole": ([1, 2, 10], ["1", "2", "10"]),
    "decimal": ([0.1, 1.0, 2.5], ["0.1", "1.0", "2.5"]),
    "float32": ([np.float32(0.1), np.float32(1), np.float32(3.3)], ["0.1", "1.0", "3.3"]),
    "long": ([10.5, 2.5, 1.5], ["1.5", "2.5", "10.5"]),
    "tiny": ([1e-7, 1e22, 123456789.25], ["1e-07", "123456789.25", "1e+22"]),
    "truth": ([True, False], ["false", "true"]),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_the_same_labels_in_every_format(tmp_path: Path, name: str):
    values, labels = NUMBERS[name]
    dtype = polars.Float32 if name == "float32" else None
    column = [values[index % len(values)] for index in range(12)]
    texts = [f"text {index}" for index in range(12)]
    shown = [str(value).lower() if isinstance(value, bool) else str(value) for value in column]
    polars.DataFrame({"text": texts, "label": polars.Series(column, dtype=dtype)}).write_parquet(
        tmp_path / "a.parquet"
    )
    lines = [f'{{"text": "{text}", "label": {value}}}' for text, value in zip(texts, shown, strict=True)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    for end, separator in ((".csv", ","), (".tsv", "\t")):
        lines = [f"{text}{separator}{value}" for text, value in zip(texts, shown, strict=True)]
        (tmp_path / f"a{end}").write_text("\n".join([f"text{separator}label", *lines]))
    found = [config(tmp_path / f"a{end}").read() for end in (".parquet", ".jsonl", ".csv", ".tsv")]
    assert all(rows(corpus) == rows(found[0]) for corpus in found)
    assert found[0].label_names == tuple(labels)


def test_dates_and_decimals_have_their_shortest_digits(tmp_path: Path):
    values = {
        "decimal": ([Decimal("1.50"), Decimal("2.00"), Decimal("100")], {"1.5", "2", "100"}),
        "date": ([date(2020, 1, 2), date(2020, 1, 3)], {"2020-01-02", "2020-01-03"}),
        "time": ([datetime(2020, 1, 2), datetime(2020, 1, 2, 3, 4)], {"2020-01-02", "2020-01-02 03:04:00"}),
    }
    for name, (column, labels) in values.items():
        path = tmp_path / f"{name}.parquet"
        frame = {"text": [f"text {index}" for index in range(6)], "label": (column * 3)[:6]}
        polars.DataFrame(frame).write_parquet(path)
        assert set(config(path).read().label_names) == labels


@pytest.mark.parametrize("column", ["text", "label"])
def test_nan_and_null_are_missing_alike_and_their_row_is_named(tmp_path: Path, column: str):
    for value, written_as in ((None, "null"), (float("nan"), "NaN")):
        rest = {"text": [1.0, 2.0, 3.0], "label": [0.5, 1.5, 0.5]}
        frame = {**rest, column: [*rest[column][:2], value]}
        polars.DataFrame(frame, strict=False).write_parquet(tmp_path / "a.parquet")
        what = "text" if column == "text" else "a label"
        assert f"a.parquet, row 3 must contain {what} in column '{column}'" in refusal(tmp_path / "a.parquet")
        cells = {"text": ["1.0", "2.0", "3.0"], "label": ["0.5", "1.5", "0.5"]}
        cells[column][2] = written_as
        lines = [f'{{"text": {text}, "label": {label}}}' for text, label in zip(*cells.values(), strict=True)]
        (tmp_path / "a.jsonl").write_text("\n".join(lines))
        assert f"a.jsonl:3 must contain {what} in column '{column}'" in refusal(tmp_path / "a.jsonl")


def test_missing_numbers_of_a_text_file(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,1\nb,2.5\nc,nan\n")
    assert f"{path}:4 must contain a label in column 'label'. Got 'nan' among numbers." in refusal(path)
    path.write_text("text,label\na,curry\nb,naan\nc,nan\n")
    assert config(path).read().label_names == ("curry", "naan", "nan")


def test_labels_that_look_the_same_are_reported_in_one_note(tmp_path: Path):
    labels = ["Pos", "pos", "caf\u00e9", "cafe\u0301", "p\u043es", "1", "1.0", "neg", "neg "]
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "".join(f"text {i},{label}\n" for i, label in enumerate(labels)))
    alike, spaces = config(path).read().notes
    assert alike.startswith(
        "Labels that look the same are different labels: '1' and '1.0'; 'Pos' and 'pos' and "
    )
    assert "006F" not in alike.partition("043E")[0][-6:]
    assert "0063 0061 0066 0065 0301" in alike
    assert (
        spaces == f"1 row has spaces around the label in column 'label' of {path}. They are not part of it."
    )
    assert config(path).read().label_names.count("neg") == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Good", "good"),
        ("a b", "a\u00a0 b"),
        ("straße", "STRASSE"),
        ("ok", "ok\u200b"),
        ("\uff41", "a"),
        ("01", "1"),
    ],
)
def test_appearance(one: str, other: str):
    assert appearance(one) == appearance(other)
    assert appearance(unicodedata.normalize("NFD", one)) == appearance(other)
    assert appearance(one) != appearance(f"{other}x")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("text,label\nOne.,x\nTwo, or three.,y\n", ":3 must have as many fields as the header, 2. Got 3."),
        ("text,label\n\n\none\n", ":4 must have as many fields as the header, 2. Got 1."),
        ("text,label\n", " must contain rows with texts and labels. Got only a header."),
        ("\n\n", " must contain a table. Got an empty file."),
        ("text\none\n", " must have a column 'label'. Its columns: text."),
        ("id,message\n1,a\n", " must have a column 'label'. Its columns: id, message."),
        ('text,label\n"a,x\nb,y\n', ":2 must be fields whose quotes are closed"),
    ],
)
def test_damaged_tables_name_the_line(tmp_path: Path, content: str, words: str):
    (tmp_path / "a.csv").write_text(content)
    assert f"{tmp_path / 'a.csv'}{words}" in refusal(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "line",
    ['{"a": ' * 100_000, '{"text": ' + "[" * 5000 + "]" * 5000 + ', "label": 1}', "9" * 5000, "\x1b[31m"],
)
def test_damaged_jsonl_is_refused_with_its_line(tmp_path: Path, line: str):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "label": 1}\n' + line)
    assert f"{path}:2 must " in refusal(path)
    path.write_text('{"text": "a", "label": ' + "7" * 4000 + '}\n{"text": "b", "label": 8}\n')
    assert len(config(path).read().label_names) == 2


def test_damaged_parquet_is_refused_with_a_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    path = tmp_path / "a.parquet"
    frame = {
        "text": [f"text {i % 7}" for i in range(300)],
        "label": ["x", "y", None] * 100,
        "more": [0] * 300,
    }
    polars.DataFrame(frame).write_parquet(path, row_group_size=100)
    whole, draw = path.read_bytes(), random.Random(0)
    for number in range(150):
        data = bytearray(whole)
        for _ in range(1 + number % 3):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(data[: draw.randrange(len(data))] if number % 4 == 0 else data)
        with pytest.raises(UserError):  # there is a label missing even without the damage
            config(path).read()
    assert capfd.readouterr().err == ""


def advised(settings: list[str]) -> list[str]:
    """The settings that the refusal of a table advises."""
    with pytest.raises(UserError) as error:
        dataset_config("table", settings).read()
    return [word.rstrip(".") for word in shlex.split(str(error.value).replace("'", "")) if "=" in word]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "txt,label,more\na,x,p\nb,y,q\n"),
        ("a.csv", "text,text,label\na,a,x\nb,b,y\n"),
        ("a.csv", "text^label\na^x\nb^y\n"),
        ("a.tsv", '"text"\t"label"\n"a"\t"x"\n"b"\t"y"\n'),
        ("a.csv", 'text,label\n"a,x\nb,y\n'),
        ("a.tsv", 'text\tlabel\n"a\tb"\tx\nb\ty\n'),
        ("a.csv", "text,label\ncaf\u00e9,x\nb,y\n"),
        ("a.csv", "text,label\na,x\nb,y\nc,x\nd,y\ne,z\n"),
        ("a.jsonl", '{"txt": "a", "label": 1, "more": 1}\n{"txt": "b", "label": 2, "more": 1}\n'),
    ],
)
def test_the_advice_in_a_message_works_where_it_is_given(tmp_path: Path, name: str, content: str):
    path = tmp_path / name
    path.write_bytes(content.encode("cp1252"))
    settings = [f"data.path={path}"]
    if "d,y" not in content:
        settings += ["data.valid_fraction=0", "data.test_fraction=0"]
    advice = advised(settings)
    assert advice
    dataset_config("table", [*settings, *advice]).build()


def test_texts_of_one_column(tmp_path: Path):
    path = written(tmp_path / "a.csv", ";", more='"a\nb";pos\n')
    found, notes = texts(path, Column("text", "--column "))
    assert found == [*(text for text, _ in LINES), "a\nb"]
    assert notes == [
        f"A semicolon separates the columns of {path}.",
        f"1 row spans several lines, the first at {path}:14, the longest, of 2 lines, at {path}:14.",
    ]


def test_every_row_of_what_csv_writes_is_read(tmp_path: Path):
    draw = random.Random(0)
    table = [
        ("".join(draw.choices('ab ,;\t|"\n\r\u00e9', k=draw.randrange(12))), draw.choice("xy"))
        for _ in range(300)
    ]
    path = tmp_path / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        write = csv.writer(file, quoting=csv.QUOTE_ALL).writerow
        write(["text", "label"])
        for row in table:
            write(list(row))
    assert rows(config(path).read()) == table
