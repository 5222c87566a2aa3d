"""The user's running text: files, folders, splits, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.data.data_kinds import DATASETS
from seqlab.data.sources.text import TextConfig, split_at_lines
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError
from seqlab.schema.overrides import override

LINES = "".join(f"line {index} of a text, ä\n" for index in range(400))


def config(path: Any, **settings: Any) -> TextConfig:
    return parse(DATASETS["text"], {"kind": "text", "path": path, **settings}, "data")


def refused(path: Any, match: str, **settings: Any) -> None:
    with pytest.raises(UserError, match=match):
        config(path, **settings).build()


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text(LINES, encoding="utf-8")
    return path


def parts(found: TextConfig) -> dict[str, str]:
    return {split: text for split, (text,) in found.read().texts.items()}


def test_a_file_is_split_into_contiguous_parts_at_line_breaks(book: Path):
    found = parts(config(str(book)))
    assert found["train"] + found["valid"] + found["test"] == LINES
    assert all(text.startswith("line ") and text.endswith("ä\n") for text in found.values())
    assert len(found["valid"]) == pytest.approx(0.05 * len(LINES), rel=0.05)
    assert len(found["test"]) == pytest.approx(0.05 * len(LINES), rel=0.05)


def test_fractions(book: Path):
    found = parts(config(str(book), valid_fraction=0.25, test_fraction=0.5))
    assert len(found["valid"]) == pytest.approx(0.25 * len(LINES), rel=0.05)
    assert len(found["test"]) == pytest.approx(0.5 * len(LINES), rel=0.05)


@given(st.text(min_size=3), st.floats(0.01, 0.49), st.floats(0.01, 0.49))
def test_nothing_is_lost(text: str, valid: float, test: float):
    found = split_at_lines(text, {"valid": valid, "test": test})
    assert "".join(found.values()) == text
    assert list(found) == ["train", "valid", "test"]
    assert found["test"]


def test_several_files_and_a_folder(tmp_path: Path):
    (tmp_path / "more").mkdir()
    for name, text in (("b.txt", "bbb"), ("a.txt", "aaa\r\n"), ("more/c.txt", "ccc\n"), ("d.md", "ddd")):
        (tmp_path / name).write_bytes(text.encode())
    folder = "".join(parts(config(str(tmp_path))).values())
    assert folder == "aaa\nbbb\nccc\n"
    assert "".join(parts(config(str(tmp_path), pattern="*.md")).values()) == "ddd\n"
    table, _ = override(TextConfig, {}, f"path={tmp_path / 'b.txt'},{tmp_path / 'a.txt'}")
    assert "".join(parts(config(list(table["path"]))).values()) == "bbb\naaa\n"


def test_splits_with_files_of_their_own(book: Path, tmp_path: Path):
    (tmp_path / "valid.txt").write_text("valid")
    (tmp_path / "test.txt").write_text("test")
    settings = {"valid_path": str(tmp_path / "valid.txt"), "test_path": [str(tmp_path / "test.txt")]}
    assert parts(config(str(book), **settings)) == {"train": LINES, "valid": "valid\n", "test": "test\n"}
    del settings["test_path"]
    found = parts(config(str(book), **settings))
    assert found["train"] + found["test"] == LINES
    assert found["valid"] == "valid\n"


def test_the_hash_follows_the_content(book: Path, tmp_path: Path):
    before = config(str(book)).content_hash()
    assert config([str(book)], encoding="utf8").content_hash() == before
    book.write_text(LINES + "more", encoding="utf-8")
    assert config(str(book)).content_hash() != before


def test_it_is_encoded_as_running_text(book: Path):
    dataset = config(str(book)).build()
    assert {split: len(part) for split, part in dataset.splits.items()} == {"train": 1, "valid": 1, "test": 1}
    assert dataset.tokenizer.vocabulary.end is None
    assert dataset.notes == ()
    about = config(str(book)).about()
    assert (about.description, about.origin) == ("Your own running text.", str(book))


def test_another_encoding(book: Path):
    book.write_bytes(LINES.encode("cp1252"))
    assert "ä" in parts(config(str(book), encoding="cp1252"))["train"]
    refused(str(book), r"book\.txt:1 must be text in UTF-8\. .*perhaps: data\.encoding=cp1252")


def test_a_path_that_names_nothing_is_refused():
    for path in ((), [], "", [""], ["a.txt", ""]):
        with pytest.raises(
            UserError, match=r"^'?data\.path'?:? (must have at least 1 item|A path must name)"
        ):
            parse(DATASETS["text"], {"kind": "text", "path": path}, "data")


def test_missing_empty_and_short(book: Path, tmp_path: Path):
    refused(str(tmp_path / "bok.txt"), r"bok\.txt must exist\. Got no such file\. Nearest: 'book\.txt'")
    (tmp_path / "empty.txt").touch()
    refused(str(tmp_path / "empty.txt"), r"empty\.txt must contain text\. Got an empty file")
    (tmp_path / "short.txt").write_text("a")
    refused(str(tmp_path / "short.txt"), r"must be long enough to be split\. Got none for 'train'")
    refused(
        str(tmp_path),
        r"must contain files that match 'data\.pattern', '\*\.md'\. Got none; .*\.txt",
        pattern="*.md",
    )


def test_invalid_settings(book: Path):
    refused(
        str(book), r"must leave text to train on\. Got 0\.5 and 0\.5", valid_fraction=0.5, test_fraction=0.5
    )
    refused(str(book), r"^'data\.encoding' must be one that Python knows", encoding="utf9")
    refused([], r"'data\.path' must")
    with pytest.raises(UserError, match=r"'path' must be given: Files and folders"):
        parse(TextConfig, {})
