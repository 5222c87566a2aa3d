"""Temporary files: new, random, locked while their writer lives, removed when it is gone."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seqlab.runs import atomic
from seqlab.runs.atomic import TEMPORARY, directory, remove, remove_leftovers, write_text
from seqlab.schema.errors import DiskError


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_what_a_living_writer_fills_stays(tmp_path: Path) -> None:
    """A second writer of the same name has a directory of its own."""
    with directory(tmp_path / "made") as first:
        remove_leftovers(tmp_path)
        remove_leftovers(tmp_path, "made")
        assert first.is_dir()
        with directory(tmp_path / "other") as second:
            assert second != first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "other"]


def test_the_second_of_two_directories_is_refused(tmp_path: Path) -> None:
    def second() -> None:
        with directory(tmp_path / "made") as temporary:
            (temporary / "a").write_text("second")
            _make(tmp_path / "made", "first")

    with pytest.raises(DiskError, match="not empty"):
        second()
    assert (tmp_path / "made" / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def _make(path: Path, content: str) -> None:
    with directory(path) as temporary:
        (temporary / "a").write_text(content)


KILLED = """
import os, sys
from pathlib import Path
from seqlab.runs import atomic
atomic.sync = lambda path: os._exit(9)
atomic.write_text(Path(sys.argv[1]), "half")
"""


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    """And nothing else: neither files of the user's nor what another file's writer has."""
    path = tmp_path / "report.html"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == 9
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(f"{TEMPORARY}report.html-")
    (tmp_path / f"{TEMPORARY}report.html-notes").write_text("mine")
    write_text(path, "whole")
    names = {"report.html", f"{TEMPORARY}report.html-notes"}
    assert {found.name for found in tmp_path.iterdir()} == names


def test_files_have_the_mode_of_the_umask(tmp_path: Path, umask: None) -> None:
    write_text(tmp_path / "file", "")
    with directory(tmp_path / "folder"):
        pass
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"file": 0o640, "folder": 0o750}


def test_other_names_of_a_file_keep_its_content(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "hard").hardlink_to(tmp_path / "mine")
    (tmp_path / "soft").symlink_to(tmp_path / "mine")
    for name in ("hard", "soft"):
        write_text(tmp_path / name, "new")
        assert (tmp_path / name).read_text() == "new"
        assert (tmp_path / "mine").read_text() == "mine"


def test_names_may_be_as_long_as_the_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 125 + ".html")
    write_text(path, "whole")
    assert path.read_text() == "whole"


def test_a_kill_while_deleting_leaves_no_half_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, **_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "step").mkdir()
    (tmp_path / "step" / "file").write_text("")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove(tmp_path / "step")
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(TEMPORARY)
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_leftovers_that_are_links_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "folder" / f"{TEMPORARY}x").symlink_to(tmp_path / "mine")
    remove_leftovers(tmp_path / "folder")
    assert (tmp_path / "mine").is_dir()


def test_a_file_that_fails_to_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("old")

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "sync", full)
    with pytest.raises(DiskError, match=r"Free space there, then try\."):
        write_text(tmp_path / "a", "new", retry="try")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]
