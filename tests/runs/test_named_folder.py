"""Folders named by environment variables: expanded, or refused with a sentence by every command."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seqlab.cli import run
from seqlab.data.fetch import cache_folder
from seqlab.runs import run_folder
from seqlab.schema.errors import UserError

COMMANDS = (
    ["list", "runs"],
    ["train", "brackets-lstm", "data.train=60", "data.valid=20", "data.test=20"],
    ["study", "brackets-cells"],
    ["report", "brackets-lstm"],
    ["resume", "brackets-lstm"],
)


@pytest.mark.parametrize(
    ("variable", "folder"), [("SEQLAB_RUNS", run_folder.root), ("SEQLAB_CACHE", cache_folder)]
)
def test_a_tilde_is_the_users_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, folder
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(variable, "~/mine")
    assert folder() == tmp_path / "mine"
    monkeypatch.setenv(variable, "~nobody-of-this-name/mine")
    with pytest.raises(UserError, match=rf"\${variable} must name a folder. Got '~nobody"):
        folder()


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("kind", ["file", "pipe", "below a file", "broken link"])
def test_runs_must_be_in_a_folder(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    kind: str,
) -> None:
    path = tmp_path / "mine"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "broken link":
            path.symlink_to(tmp_path / "nothing")
        case _:
            path.write_text("mine")
    monkeypatch.setenv("SEQLAB_RUNS", str(path / "runs" if kind == "below a file" else path))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    assert run(words) == 2
    printed = capsys.readouterr().err.replace("\n", " ")
    assert "$SEQLAB_RUNS must name a folder. Got " in printed
    assert "Internal error" not in printed
