"""Which files of a folder are read, and what is reported about the others."""

from __future__ import annotations

import fnmatch
import os
import random
from pathlib import Path
from typing import Any

import pytest

from seqlab.data.data_kinds import DATASETS
from seqlab.data.sources.file_search import find_files
from seqlab.data.sources.text import TextConfig
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError

TEXT = "".join(f"line {index} of a text\n" for index in range(60))


def config(path: Path, **settings: Any) -> TextConfig:
    return parse(DATASETS["text"], {"kind": "text", "path": str(path), **settings}, "data")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three texts that are read by default, and much that is not."""
    path = tmp_path / "texts"
    for name in (
        "b.txt",
        "a.txt",
        "part/c.txt",
        "notes.md",
        ".hidden.txt",
        ".ipynb_checkpoints/b-checkpoint.txt",
    ):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(f"{name}\n{TEXT}")
    (tmp_path / "outside.txt").write_text("outside")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "d.txt").write_text("elsewhere")
    (path / "link.txt").symlink_to(tmp_path / "outside.txt")
    (path / "linked").symlink_to(tmp_path / "elsewhere")
    (path / "folder.txt").mkdir()
    os.mkfifo(path / "pipe.txt")
    return path


def names(folder: Path, pattern: str) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in find_files(folder, pattern).files]


def test_hidden_files_links_folders_and_pipes_are_left_out_and_reported(folder: Path):
    dataset = config(folder).build()
    assert dataset.notes == (
        f"3 files were read in {folder}; left out: 2 folders, pipes or devices of this name, 2 hidden, "
        "2 links, 1 of other names.",
    )
    text = "".join(text for (text,) in config(folder).read().texts.values())
    assert text == "".join(f"{name}\n{TEXT}" for name in ("a.txt", "b.txt", "part/c.txt"))
    assert config(folder / "a.txt").build().notes == ()
    hidden = folder / ".ipynb_checkpoints"
    assert names(hidden, "*.txt") == ["b-checkpoint.txt"], "a folder that the user names is read"


def test_a_hidden_copy_changes_nothing(folder: Path):
    before = config(folder)
    expected = before.content_hash(), before.read().texts
    (folder / ".git").mkdir()
    (folder / ".git" / "a.txt").write_text(TEXT)
    assert (before.content_hash(), before.read().texts) == expected


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.md", ["notes.md"]),
        ("a.*", ["a.txt"]),
        ("[bc].txt", ["b.txt", "part/c.txt"]),
        ("?.txt", ["a.txt", "b.txt", "part/c.txt"]),
        ("part/*.txt", ["part/c.txt"]),
        ("**/*.txt", ["a.txt", "b.txt", "part/c.txt"]),
        ("part/**/c.txt", ["part/c.txt"]),
        ("./a.txt", ["a.txt"]),
    ],
)
def test_patterns(folder: Path, pattern: str, found: list[str]):
    assert names(folder, pattern) == found


def plainly_matches(path: list[str], pattern: list[str]) -> bool:
    """Whether a path matches a pattern, by trying every number of folders for each `**`."""
    if not pattern or not path:
        return not path and all(part == "**" for part in pattern)
    if pattern[0] == "**":
        return plainly_matches(path, pattern[1:]) or plainly_matches(path[1:], pattern)
    return fnmatch.fnmatchcase(path[0], pattern[0]) and plainly_matches(path[1:], pattern[1:])


def test_patterns_of_many_folders_are_what_they_say(tmp_path: Path):
    draw = random.Random(0)
    for _ in range(60):
        path = tmp_path.joinpath(*draw.choices("ab", k=draw.randrange(1, 5)), draw.choice("ab") + ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    files = [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*.txt"))]
    matched = 0
    for _ in range(200):
        pattern = [*draw.choices(["**", "a", "b", "*"], k=draw.randrange(5)), draw.choice(["a.txt", "*"])]
        expected = [file for file in files if plainly_matches(file.split("/"), ["**", *pattern])]
        matched += bool(expected)
        try:
            assert names(tmp_path, "/".join(pattern)) == expected, pattern
        except UserError:
            assert not expected
    assert matched > 100


def test_the_time_of_a_pattern_is_linear_in_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    deep = tmp_path.joinpath(*"a" * 30)
    deep.mkdir(parents=True)
    (deep / "a.txt").touch()
    compared = []
    plain = fnmatch.fnmatchcase
    monkeypatch.setattr(fnmatch, "fnmatchcase", lambda *both: compared.append(both) or plain(*both))
    with pytest.raises(UserError, match="Got none"):
        find_files(tmp_path, "/".join(["**", "a"] * 30 + ["b.txt"]))
    assert len(compared) <= 31 * 31 * 61


@pytest.mark.parametrize(
    "pattern", ["../*.txt", "part/../../*.txt", "/etc/*", "..", "C:/*.txt", "..\\*.txt", "."]
)
def test_a_pattern_cannot_leave_the_folder(folder: Path, pattern: str):
    with pytest.raises(UserError, match=r"'data.pattern' must match names inside the folder 'data.path'"):
        config(folder, pattern=pattern)


def test_nothing_that_matches_is_refused_with_what_there_is(folder: Path):
    with pytest.raises(UserError) as error:
        config(folder, pattern="*.rst").build()
    assert (
        "Got none; its files have the extensions: .md, .txt. Left out: 2 hidden, 2 links, 5 of other"
        in str(error.value)
    )
    for only in ("a.txt", "b.txt", "part/c.txt"):
        (folder / only).unlink()
    with pytest.raises(UserError, match=r"Got none; .*Left out: .*2 links"):
        config(folder).build()


def test_a_folder_that_cannot_be_listed_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch):
    scandir = os.scandir

    def forbidden(path: Any) -> Any:
        if Path(path).name == "part":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    with pytest.raises(UserError, match=r"part must be a folder that can be read\. Got: Permission denied\."):
        config(folder).build()


def test_copies_are_reported(folder: Path):
    (folder / "copy.txt").write_bytes((folder / "a.txt").read_bytes())
    assert (
        config(folder).build().notes[1] == f"{folder / 'copy.txt'} holds the same text as {folder / 'a.txt'}."
    )
    twice = config(folder / "a.txt", valid_path=str(folder / "copy.txt")).build()
    assert twice.notes == (f"{folder / 'copy.txt'} holds the same text as {folder / 'a.txt'}.",)


def test_names_that_are_not_utf8_are_read(tmp_path: Path):
    (tmp_path / os.fsdecode(b"a\xff.txt")).write_text(TEXT)
    assert len(config(tmp_path).build().splits) == 3


def test_a_byte_order_mark_begins_no_text(tmp_path: Path):
    for name, encoding in (("a.txt", "utf-8-sig"), ("b.txt", "utf-8-sig")):
        (tmp_path / name).write_text(TEXT, encoding=encoding)
    assert "\ufeff" not in "".join(text for (text,) in config(tmp_path).read().texts.values())
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-16")
    with pytest.raises(UserError, match=r"Got UTF-16\. Name its encoding: data\.encoding=utf-16\.$"):
        config(tmp_path / "a.txt").build()
    assert config(tmp_path / "a.txt", encoding="utf-16").read().texts["train"][0].startswith("line 0")
    (tmp_path / "a.txt").write_text("a\nb\0\n")
    with pytest.raises(UserError, match=r"a\.txt:2 must be text\. Got a zero byte"):
        config(tmp_path / "a.txt").build()
