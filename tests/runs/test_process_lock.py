"""The lock: one holder, whatever its file says and whoever has written it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from seqlab.runs.process_lock import process_lock
from seqlab.schema.errors import DamagedFileError, InUseError


def test_the_holder_is_named(tmp_path: Path) -> None:
    with process_lock(tmp_path / "lock", "In use."):
        holder = rf"^In use\. It is process {os.getpid()} on "
        with pytest.raises(InUseError, match=holder), process_lock(tmp_path / "lock", "In use."):
            pass
    with process_lock(tmp_path / "lock", "In use."):
        pass


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"process": "x", "host": 1}', "[" * 100_000, '{"process": 1}']
)
def test_what_its_file_says_decides_nothing(tmp_path: Path, content: str) -> None:
    """A process that is gone held it, or something else wrote it."""
    (tmp_path / "lock").write_text(content)
    with process_lock(tmp_path / "lock", "In use."):
        assert json.loads((tmp_path / "lock").read_text())["process"] == os.getpid()
        (tmp_path / "lock").write_text(content)
        with pytest.raises(InUseError, match=r"^In use\.$"), process_lock(tmp_path / "lock", "In use."):
            pass


def test_another_name_of_its_file_keeps_its_content(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "lock").hardlink_to(tmp_path / "mine")
    with (
        process_lock(tmp_path / "lock", "In use."),
        pytest.raises(InUseError),
        process_lock(tmp_path / "lock", "In use."),
    ):
        pass
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_link_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "lock").symlink_to(tmp_path / "mine")
    with pytest.raises(DamagedFileError, match="Got a link"), process_lock(tmp_path / "lock", "In use."):
        pass
    assert (tmp_path / "mine").read_text() == "mine"
