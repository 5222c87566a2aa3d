"""Where a report can be written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seqlab.runs import run_folder
from seqlab.runs.output_file import check_paths
from seqlab.schema.errors import UserError


@pytest.mark.parametrize(
    ("output", "static", "words"),
    [
        ("-", None, r"'output' must be a file\. Got '-'\. Standard output is /dev/stdout\."),
        ("", None, r"'output' must be a file\. Got the folder '\.'"),
        ("folder", None, r"'output' must be a file\. Got the folder 'folder'"),
        ("file/r.html", None, r"'output' must lie in a folder\. Got 'file/r\.html', but 'file' is a file\."),
        ("file/a/b/r.html", None, r"'output' must lie in a folder\. .*, but 'file' is a file\."),
        ("broken/r.html", None, r"'output' must lie in a folder\. .*, but 'broken' is a file\."),
        ("r.html", "file", r"'static' must be a folder\. Got the file 'file'\."),
        ("r.html", "file/a", r"'static' must lie in a folder\. Got 'file/a', but 'file' is a file\."),
        ("st", "st", r"'static' must be a folder other than the file 'output', and not below it\."),
        ("st", "st/a", r"'static' must be a folder other than the file 'output', and not below it\."),
        ("st", "./folder/../st", r"'static' must be a folder other than the file 'output'"),
        ("link", "st", r"'static' must be a folder other than the file 'output'"),
    ],
)
def test_paths_that_cannot_be_written_are_refused(
    output: str, static: str | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("kept")
    Path("folder").mkdir()
    Path("broken").symlink_to("nothing")
    Path("link").symlink_to("st")
    with pytest.raises(UserError, match=words):
        check_paths(Path(output), None if static is None else Path(static))
    assert Path("file").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "file", "folder", "link"]


def test_other_paths_are_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("kept")
    Path("folder").mkdir()
    for output, static in (
        ("file", None),
        ("folder/r.html", "folder"),
        ("new/r.html", "new"),
        ("a", "b/c/d"),
    ):
        check_paths(Path(output), None if static is None else Path(static))
    check_paths(Path(os.devnull))


def test_a_folder_of_runs_that_is_not_utf8_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", os.fsdecode(b"/tmp/runs\xff"))
    with pytest.raises(UserError, match=r"SEQLAB_RUNS must be UTF-8\. Got '/tmp/runs\\udcff'\. Rename"):
        run_folder.root()
