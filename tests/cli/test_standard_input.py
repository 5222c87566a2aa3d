"""Lines of standard input: what a file of the same bytes has, one block at a time."""

from __future__ import annotations

import io
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from seqlab.cli import standard_input
from seqlab.cli.standard_input import standard_lines
from seqlab.schema.errors import UserError


def given(monkeypatch: pytest.MonkeyPatch, content: bytes) -> io.BytesIO:
    stream = io.BytesIO(content)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
    return stream


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32-le", "cp1252"])
@pytest.mark.parametrize("block", [1, 3, 1 << 20])
def test_lines_are_those_of_a_file_however_they_are_cut(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, encoding: str, block: int
) -> None:
    monkeypatch.setattr(standard_input, "HEAD", 5)
    monkeypatch.setattr(standard_input, "_BLOCK", block)
    draw = random.Random(3)
    letters = "ab \n\n\r\x0b\u00e9" if encoding == "cp1252" else "ab \n\n\r\u2028\u00e9\U0001f600"
    for _ in range(30):
        text = "a" + "".join(draw.choices(letters, k=draw.randrange(40)))
        path = tmp_path / "lines.txt"
        path.write_text(text, encoding=encoding, newline="")
        given(monkeypatch, path.read_bytes())
        with path.open(encoding=encoding) as file:
            assert list(standard_lines(encoding)) == list(file)


def test_a_byte_order_mark_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, "\ufeffa\ufeff\nb".encode())
    assert list(standard_lines("utf-8")) == ["a\ufeff\n", "b"]
    given(monkeypatch, b"")
    assert list(standard_lines("utf-8")) == []


def test_no_more_is_read_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standard_input, "_BLOCK", 1000)
    stream = given(monkeypatch, b"a line\n" * 100_000)
    lines = standard_lines("utf-8")
    assert [next(lines) for _ in range(10_000)] == ["a line\n"] * 10_000
    assert stream.tell() <= 70_000 + standard_input.HEAD + 1000


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_a_damaged_line_is_named(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(standard_input, "_BLOCK", block)
    many = b"a\n" * 5000
    for bad, words in (
        (b"\xff", "line 5001, must be text in UTF-8"),
        (b"b\0", "line 5001, must be text. Got a z"),
    ):
        given(monkeypatch, many + bad)
        with pytest.raises(UserError, match=words):
            list(standard_lines("utf-8"))
