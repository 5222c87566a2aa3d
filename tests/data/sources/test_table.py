"""The user's tables: every format, every split, and what is refused with which message."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars
import pytest

from seqlab.data.data_kinds import DATASETS
from seqlab.data.sources.table import TableConfig
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError

ROWS = [(f'text {index}, "quoted"\nsecond line ä', "yes" if index % 3 else "no") for index in range(40)]
Write = Callable[..., Path]


def write_csv(path: Path, rows: list[Any], header: tuple[str, ...] = ("text", "label")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([header, *rows])
    return path


def write_jsonl(path: Path, rows: list[Any], header: tuple[str, ...] = ("text", "label")) -> Path:
    lines = [json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_parquet(path: Path, rows: list[Any], header: tuple[str, ...] = ("text", "label")) -> Path:
    columns = zip(*rows, strict=True)
    polars.DataFrame(dict(zip(header, map(list, columns), strict=True))).write_parquet(path)
    return path


WRITERS = {".csv": write_csv, ".tsv": write_csv, ".jsonl": write_jsonl, ".parquet": write_parquet}


def config(path: Path, **settings: Any) -> TableConfig:
    quoting = {"quoting": True} if path.suffix == ".tsv" else {}
    return parse(DATASETS["table"], {"kind": "table", "path": str(path), **quoting, **settings}, "data")


def remarks(notes: tuple[str, ...]) -> tuple[str, ...]:
    """The notes but for that on the texts of two lines, which most tables here have."""
    return tuple(note for note in notes if "several lines" not in note)


def refused(path: Path, match: str, **settings: Any) -> None:
    with pytest.raises(UserError, match=match):
        config(path, **settings).build()


@pytest.fixture(params=list(WRITERS))
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    def write(rows: list[Any], header: tuple[str, ...] = ("text", "label")) -> Path:
        return WRITERS[request.param](tmp_path / f"films{request.param}", rows, header)

    return write


def test_every_format_gives_every_text_once(table: Write):
    corpus = config(table(ROWS)).read()
    found = [
        (text, corpus.label_names[int(label)])
        for split, texts in corpus.texts.items()
        for text, label in zip(texts, corpus.targets[split], strict=True)
    ]
    assert sorted(found) == sorted(ROWS)
    assert corpus.label_names == ("no", "yes")
    assert {split: len(texts) for split, texts in corpus.texts.items()} == {
        "train": 32,
        "valid": 4,
        "test": 4,
    }
    assert corpus.texts["train"][-1] == list(corpus.texts["train"])[31]
    assert remarks(corpus.notes) == ()


def test_all_formats_make_the_same_split(tmp_path: Path):
    parts = [
        {
            split: list(texts)
            for split, texts in config(write(tmp_path / f"a{end}", ROWS)).read().texts.items()
        }
        for end, write in WRITERS.items()
    ]
    assert all(part == parts[0] for part in parts)


def test_the_split_is_seeded(tmp_path: Path):
    path = write_csv(tmp_path / "a.csv", ROWS)
    picks = [tuple(config(path, split_seed=seed).read().texts["valid"]) for seed in (0, 0, 1, 2)]
    assert picks[0] == picks[1]
    assert len(set(picks)) == 3


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        ({"valid_fraction": 0.25}, {"train": 26, "valid": 10, "test": 4}),
        ({"test_fraction": 0.0}, {"train": 36, "valid": 4}),
        ({"valid_fraction": 0.0, "test_fraction": 0.0}, {"train": 40}),
    ],
)
def test_fractions(tmp_path: Path, settings: dict[str, Any], sizes: dict[str, int]):
    corpus = config(write_csv(tmp_path / "a.csv", ROWS), **settings).read()
    assert {split: len(texts) for split, texts in corpus.texts.items()} == sizes


def test_splits_come_from_a_column_and_missing_ones_are_made(table: Write):
    names = ["train", "Validation", "training", "dev"]
    rows = [(f"text {index}", str(index % 2), names[index // 2 % 4]) for index in range(40)]
    corpus = config(table(rows, ("text", "label", "part")), split_column="part").read()
    assert list(corpus.texts["valid"]) == [text for text, _, part in rows if part in ("Validation", "dev")]
    assert {split: len(texts) for split, texts in corpus.texts.items()} == {
        "train": 18,
        "valid": 20,
        "test": 2,
    }


def test_splits_with_files_of_their_own(table: Write, tmp_path: Path):
    given = write_jsonl(tmp_path / "valid.jsonl", [("v", "no"), ("w", "yes")])
    settings = {"valid_path": str(given), "test_path": str(given)}
    corpus = config(table(ROWS), **settings).read()
    assert [list(corpus.texts[split]) for split in ("valid", "test")] == [["v", "w"]] * 2
    assert sorted(corpus.texts["train"]) == sorted(text for text, _ in ROWS)
    before = config(table(ROWS), **settings).content_hash()
    write_jsonl(given, [("v", "no"), ("x", "yes")])
    assert config(table(ROWS), **settings).content_hash() != before


def test_the_wanted_columns_are_found_by_name(table: Write):
    rows = [(7, label, "x", text) for text, label in ROWS]
    header = ("id", "stars", "text", "review")
    corpus = config(table(rows, header), text_column="review", label_column="stars").read()
    assert set(corpus.texts["train"]) <= {text for text, _ in ROWS}


def test_numeric_labels_are_in_numeric_order(tmp_path: Path):
    rows = [(f"text {index}", 2 + index % 3 * 4) for index in range(30)]
    for end, write in WRITERS.items():
        assert config(write(tmp_path / f"a{end}", rows)).read().label_names == ("2", "6", "10")


def test_mixed_types_become_text(tmp_path: Path):
    rows = [
        (index if index % 2 else f"text {index}", [1, "one", True, 1.5][index % 4]) for index in range(40)
    ]
    corpus = config(write_jsonl(tmp_path / "a.jsonl", rows)).read()
    assert corpus.label_names == ("1", "1.5", "one", "true")
    assert "7" in [text for texts in corpus.texts.values() for text in texts]
    texts, labels = corpus.notes
    assert "Column 'text' of" in texts
    assert "several types (text, whole numbers)" in texts
    assert "several types (numbers, text, truth values, whole numbers)" in labels
    assert config(write_jsonl(tmp_path / "b.jsonl", ROWS)).read().notes == ()


def test_a_utf8_byte_order_mark_is_not_part_of_the_header(tmp_path: Path):
    path = write_csv(tmp_path / "a.csv", ROWS)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(config(path).read().texts) == 3


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "latin-1"])
def test_another_encoding(tmp_path: Path, encoding: str):
    path = write_csv(tmp_path / "a.csv", ROWS)
    path.write_bytes(path.read_bytes().decode().encode(encoding))
    corpus = config(path, encoding=encoding).read()
    assert set(corpus.texts["valid"]) <= {text for text, _ in ROWS}


@pytest.mark.parametrize(
    ("one", "other"), [("utf-8", "UTF8"), ("latin-1", "ISO-8859-1"), ("cp1252", "windows-1252")]
)
def test_names_of_one_encoding_are_one_setting(tmp_path: Path, one: str, other: str):
    assert config(tmp_path / "a.csv", encoding=one) == config(tmp_path / "a.csv", encoding=other)


def test_the_description_names_the_columns_and_the_file(tmp_path: Path):
    about = config(tmp_path / "a.csv", label_column="stars").about()
    assert about.description == "Your own texts: column 'text', labelled by column 'stars'."
    assert about.origin == str(tmp_path / "a.csv")


def test_empty_texts_are_counted_reported_and_kept(table: Write):
    rows = [*ROWS, *(("", "yes") for _ in range(8)), ("?!", "no"), ("...", "no")]
    dataset = config(table(rows), test_fraction=0.0, valid_fraction=0.0).build()
    (note,) = remarks(dataset.notes)
    assert note.startswith("10 of 50 texts in 'train' hold no token: they are empty, or the tokenizer")
    assert len(dataset.splits["train"]) == 50
    assert config(table(rows), test_fraction=0.0, valid_fraction=0.0).build().notes == dataset.notes, "cached"


def test_texts_with_several_labels_are_reported(tmp_path: Path):
    path = write_csv(tmp_path / "a.csv", [*ROWS, (ROWS[0][0], "yes"), (ROWS[1][0], "no"), ROWS[2]])
    (note,) = remarks(config(path).build().notes)
    assert note == f"2 texts have more than one label in {path}."


def test_labels_that_a_split_lacks_are_reported(tmp_path: Path):
    rows = [*ROWS, ("a", "rare"), ("b", "rare"), ("b", "rare")]
    notes = config(write_csv(tmp_path / "a.csv", rows)).build().notes
    assert remarks(notes) == ("No text in 'test' has the label 'rare'.",)


def test_long_texts_are_cut(tmp_path: Path):
    dataset = config(write_csv(tmp_path / "a.csv", ROWS), max_length=2, keep="last").build()
    assert set(dataset.splits["train"].text.lengths.tolist()) == {2}
    assert dataset.tokenizer.decode(dataset.splits["train"].text.tokens[:2].tolist()) == "line ä"


def test_a_text_may_be_longer_than_the_csv_modules_own_limit(tmp_path: Path):
    path = write_csv(tmp_path / "a.csv", [*ROWS, ("long " * 40_000, "yes")])
    assert max(len(text) for texts in config(path).read().texts.values() for text in texts) == 200_000


def test_a_missing_column(table: Write):
    refused(
        table([(*row, "a") for row in ROWS], ("text", "labl", "more")),
        r"a column 'label'\. Nearest: data.label_column=labl\. .*: text, labl, more\.",
    )
    refused(table(ROWS), r"must have a column 'txt'\. Nearest: data.text_column=text\.", text_column="txt")
    refused(table(ROWS), r"must have a column 'part'", split_column="part")


def test_an_empty_table(tmp_path: Path):
    for end in WRITERS:
        path = tmp_path / f"a{end}"
        path.touch()
        refused(
            path,
            "must be a whole Parquet file" if end == ".parquet" else "must contain a table. Got an empty",
        )
    only_header = r"must contain rows with texts and labels\. Got only a header"
    refused(write_csv(tmp_path / "b.csv", []), only_header)
    polars.DataFrame({"text": [], "label": []}).write_parquet(tmp_path / "b.parquet")
    refused(tmp_path / "b.parquet", only_header)


def test_one_class_only(table: Write):
    rows = [(text, "yes") for text, _ in ROWS]
    refused(
        table(rows), r"Column 'label' of .* must contain at least 2 labels\. Got 'yes' in every training row"
    )


def test_a_class_with_one_example(table: Write):
    path = table([*ROWS[:5], ("a", "rare"), ("a", "rare"), *ROWS[5:], ("b", "odd")])
    refused(
        path,
        r"Every label must have at least 2 different texts.* "
        r"Got one text for 'rare' .*, 'odd' .*data.valid_path",
    )


def test_the_row_of_a_single_example_is_named(tmp_path: Path):
    plain = [(f"t{index}", str(index % 2)) for index in range(20)]
    refused(write_csv(tmp_path / "a.csv", [*plain, ("a", "rare")]), r"'rare' \(.*a\.csv:22\)\. Add texts")
    refused(
        write_parquet(tmp_path / "a.parquet", [*plain, ("a", "rare")]), r"'rare' \(.*a\.parquet, row 21\)"
    )


def test_a_label_that_does_not_occur_in_training(table: Write, tmp_path: Path):
    valid = write_csv(tmp_path / "valid.csv", [("a", "yes"), ("b", "Yes")])
    refused(
        table(ROWS),
        r"valid\.csv:3: every label must occur in training\. Got 'Yes' in 'valid' only\. Nearest: 'yes'",
        valid_path=str(valid),
    )


def test_a_row_without_a_label_or_a_text(tmp_path: Path):
    for end, write in WRITERS.items():
        place = r"row 2" if end == ".parquet" else ":3" if end in (".csv", ".tsv") else ":2"
        nothing = write(tmp_path / f"a{end}", [("a", "yes"), ("b", None), ("c", "no")])
        refused(nothing, rf"{place} must contain a label in column 'label'\. Got none")
    for end in (".jsonl", ".parquet"):
        nothing = WRITERS[end](tmp_path / f"b{end}", [("a", "yes"), (None, "no"), ("c", "no")])
        refused(nothing, r"2 must contain text in column 'text'\. Got nothing \(null or NaN\)")


def test_values_other_than_text(tmp_path: Path):
    refused(
        write_jsonl(tmp_path / "a.jsonl", [("a", ["x"])]),
        r":1 must contain text or a number in column 'label'",
    )
    refused(write_parquet(tmp_path / "a.parquet", [(["x"], "a")]), r"row 1 must contain text or a number")


def test_too_few_texts_for_every_split(tmp_path: Path):
    path = write_csv(tmp_path / "a.csv", [(f"text {index}", index % 2) for index in range(4)])
    refused(
        path, r"enough texts for train, valid, test\. Got 4 rows, none .* for 'test'.*data\.test_fraction=0"
    )
    assert set(config(path, test_fraction=0.0).build().splits) == {"train", "valid"}


def test_a_file_that_is_not_utf8(tmp_path: Path):
    path = write_csv(tmp_path / "a.csv", [(f"text {index}", index % 2) for index in range(3000)])
    path.write_bytes(path.read_bytes().replace(b"text 2997", b"text \xe4"))
    refused(
        path,
        r"a\.csv:2999 must be text in UTF-8\. .* perhaps: data\.encoding=cp1252\.",
    )
    path.write_bytes("text,label\nä,1\n".encode("utf-16"))
    refused(path, r"a\.csv:1 must be text in UTF-8\. Got UTF-16\. Name its encoding: data\.encoding=utf-16\.")
    path = write_jsonl(tmp_path / "a.jsonl", ROWS)
    path.write_bytes(path.read_bytes() + b"\xff")
    refused(path, r"a\.jsonl:41 must be text in UTF-8")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('text,label\na,yes\n"b,no\n', r":3 must be fields whose quotes are closed.*unexpected end of data"),
        ('text,label\n"a"b,yes\n', r":2 must be fields whose quotes are closed"),
        ("text,label\na,b,yes\n", r":2 must have as many fields as the header, 2\. Got 3\..*in quotes"),
        ("text,label\n\n\na\n", r":4 must have as many fields as the header, 2\. Got 1"),
        ("text,text,label\na,b,c\n", r"must have one column 'text'\. Got 2 of this name"),
    ],
)
def test_damaged_csv(tmp_path: Path, content: str, words: str):
    (tmp_path / "a.csv").write_text(content)
    refused(tmp_path / "a.csv", words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"text": "a", "label": 1}\n{"text": \n', r":2 must be one JSON object\. Got: Expecting value"),
        ("[1]\n", r":1 must be one JSON object with names and values\. Got '\[1\]"),
        (
            '{"text": "\\ud800", "label": 1}\n',
            r":1 must contain whole characters\. Got half of a surrogate pair",
        ),
    ],
)
def test_damaged_jsonl(tmp_path: Path, content: str, words: str):
    (tmp_path / "a.jsonl").write_text(content)
    refused(tmp_path / "a.jsonl", words)


def test_a_damaged_parquet_file(tmp_path: Path):
    path = write_parquet(tmp_path / "a.parquet", ROWS)
    path.write_bytes(path.read_bytes()[:-9])
    refused(path, r"a\.parquet must be a whole Parquet file\. Got: ")


def test_a_missing_file_and_a_folder(tmp_path: Path):
    write_csv(tmp_path / "films.csv", ROWS)
    refused(tmp_path / "film.csv", r"film\.csv must exist\. Got no such file\. Nearest: 'films\.csv'")
    (tmp_path / "folder.csv").mkdir()
    refused(tmp_path / "folder.csv", r"folder\.csv must be a file\. Got a folder")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"path": "a.xlsx"},
            r"data\.path: A table must end in \.csv, \.tsv, \.jsonl, \.parquet\. Got 'a\.xlsx'",
        ),
        ({"path": "a.json"}, r"Nearest: '\.jsonl'"),
        ({"valid_path": "a"}, r"data\.valid_path: A table must end in"),
        (
            {"encoding": "utf9"},
            r"^'data\.encoding' must be one that Python knows.* Got 'utf9'\. Nearest: 'utf-8'",
        ),
        ({"encoding": "base64"}, r"must be one that Python knows"),
        (
            {"valid_fraction": 0.5, "test_fraction": 0.5},
            r"^'data\.valid_fraction' and 'data\.test_fraction' must leave rows .* Got 0\.5 and 0\.5",
        ),
        (
            {"split_column": "part", "test_path": "a.csv"},
            r"^'data\.split_column' must be none if 'data\.valid_path' or",
        ),
        # A column may have the name of a setting.
        ({"split_column": "path", "test_path": "a.csv"}, r"is given\. Got 'path'\.$"),
        ({"separator": "::"}, r"^'data\.separator' must be comma, .* Got '::'\."),
    ],
)
def test_invalid_settings(settings: dict[str, Any], words: str):
    with pytest.raises(UserError, match=words):
        parse(DATASETS["table"], {"kind": "table", "path": "a.csv", **settings}, "data")


def test_a_split_column_with_other_values(tmp_path: Path):
    rows = [("a", "yes", "train"), ("b", "no", "tset")]
    path = write_csv(tmp_path / "a.csv", rows, ("text", "label", "part"))
    refused(
        path,
        r":3 must be train, valid or test in column 'part'\. Got 'tset'\. Nearest: 'test'",
        split_column="part",
    )
    path = write_csv(tmp_path / "a.csv", [("a", "yes", "valid")], ("text", "label", "part"))
    refused(path, r"Column 'part' of .* must be 'train' in at least one row\. Got none", split_column="part")


def test_labels_are_those_of_the_rows(tmp_path: Path):
    dataset = config(write_csv(tmp_path / "a.csv", ROWS)).build()
    train = dataset.splits["train"]
    assert train.targets is not None
    assert np.bincount(train.targets).tolist() == [12, 20]


def test_columns_are_guessed_where_there_is_one_guess(tmp_path: Path):
    path = write_csv(tmp_path / "a.csv", ROWS)
    content = path.read_text()
    usual = config(path).read()
    texts = list(usual.texts["train"])
    for header in ("message,category", "message,stars", "Review,label", "words,label"):
        path.write_text(content.replace("text,label", header, 1))
        corpus = config(path).read()
        assert dict(corpus.targets) == dict(usual.targets)
        assert list(corpus.texts["train"]) == texts
        roles = zip(("text", "label"), header.split(","), strict=True)
        for role, name in roles:
            note = f"The {role}s are read from column {name!r} of {path}; 'data.{role}_column' names another."
            assert (note in corpus.notes) == (name != role)
    path.write_text(content.replace("text,label", "words,stars", 1))
    with pytest.raises(UserError, match=r"must have a column 'text'. .*Its columns: words, stars"):
        config(path).read()
