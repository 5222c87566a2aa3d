"""Writing a file that the user named."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from seqlab.runs.output_file import write_output
from seqlab.schema.errors import DiskError, UserError

RETRY = "write it again"


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_file_has_the_mode_of_the_umask(mask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        write_output(tmp_path / "new" / "page.html", "text\u00e9", retry=RETRY)
    finally:
        os.umask(before)
    assert (tmp_path / "new" / "page.html").stat().st_mode & 0o777 == mode
    assert (tmp_path / "new" / "page.html").read_text(encoding="utf-8") == "text\u00e9"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["page.html"]


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "page.html").symlink_to(tmp_path / "other" / "page.html")
    for text in ("one", "two"):
        write_output(tmp_path / "page.html", text, retry=RETRY)
        assert (tmp_path / "page.html").is_symlink()
        assert (tmp_path / "other" / "page.html").read_text(encoding="utf-8") == text


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[str] = []
    thread = threading.Thread(target=lambda: read.append(path.read_text(encoding="utf-8")))
    thread.start()
    write_output(path, "text", retry=RETRY)
    thread.join()
    assert read == ["text"]
    assert path.is_fifo()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_is_written_to_and_never_replaced() -> None:
    write_output(Path(os.devnull), "text", retry=RETRY)
    assert Path(os.devnull).is_char_device()
    with pytest.raises(DiskError, match="/dev/full cannot be written: No space left on device"):
        write_output(Path("/dev/full"), "text", retry=RETRY)
    assert Path("/dev/full").is_char_device()


def test_what_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(DiskError, match="cannot be written"):
        write_output(tmp_path / "loop", "text", retry=RETRY)
    with pytest.raises(UserError, match="must have a shorter name"):
        write_output(tmp_path / ("x" * 300), "text", retry=RETRY)
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]
