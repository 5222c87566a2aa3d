from pathlib import Path

import pytest

from seqlab.data.sources.text_files import read_text
from seqlab.schema.errors import UserError


def test_text_is_read_unchanged(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_bytes("é\r\nb\n".encode())
    assert read_text(path) == "é\r\nb\n"


def test_a_missing_file_is_named_with_the_most_similar_name(tmp_path: Path):
    (tmp_path / "train.txt").write_text("a")
    with pytest.raises(
        UserError, match=r"trian\.txt must exist\. Got no such file\. Nearest: 'train\.txt'\."
    ):
        read_text(tmp_path / "trian.txt")


def test_a_missing_folder_is_reported_as_a_missing_file(tmp_path: Path):
    with pytest.raises(UserError, match=r"must exist\. Got no such file\.$"):
        read_text(tmp_path / "no" / "such.txt")


def test_an_empty_file_and_a_folder_are_refused(tmp_path: Path):
    (tmp_path / "empty.txt").touch()
    with pytest.raises(UserError, match=r"empty\.txt must contain text\. Got an empty file"):
        read_text(tmp_path / "empty.txt")
    with pytest.raises(UserError, match=r"must be a file\. Got a folder"):
        read_text(tmp_path)


def test_bytes_that_are_not_utf8_are_named_by_line_and_byte(tmp_path: Path):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"good\nalso good\ncaf\xe9 bad\n")
    with pytest.raises(UserError, match=r"latin\.txt:3 must be UTF-8\. Got byte 0xe9 at byte 18 of the file"):
        read_text(path)
