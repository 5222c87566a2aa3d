"""Every command on a run whose every name is hostile: a terminal receives text, never a command from data."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from seqlab.cli import run
from seqlab.cli.streams import StandardStreams

HOSTILE = "\x1b]0;t\x07\x1b[31m\x9b2J[bold]:smile:[1:x:2][/]\u202e\r\x7f"
SHOWN = r"\x1b]0;t\x07\x1b[31m\x9b2J[bold]:smile:[1:x:2][/]\u202e\r\x7f"
OURS = re.compile(r"\x1b\[(?:\??[0-9;]*)[mhlKA]|\x1b\[[0-9]*F")
"""Colours, bold, the cursor, erasing: what the program itself sends for tables and progress bars."""
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
TABLE = f"table{HOSTILE}.csv".replace("/", "")
SETTINGS = [f"data.text_column=text{HOSTILE}", f"data.label_column=label{HOSTILE}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a classifier and a language model that were trained on hostile data."""
    path = tmp_path_factory.mktemp("hostile")
    with (path / TABLE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([f"text{HOSTILE}", f"label{HOSTILE}"])
        for number in range(12):
            writer.writerow([f"bad {number} {HOSTILE}", f"no{HOSTILE}"])
            writer.writerow([f"good {number} \u96fb\u5f71", "\u4e2d\u7acb"])
    (path / "code.txt").write_text(f"if a:\n\tb{HOSTILE.strip()}[1:x:2]\n" * 40, encoding="utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_RUNS", str(path / "runs"))
        patch.setenv("SEQLAB_CACHE", str(path / "cache"))
        table = path / TABLE
        assert run(["train", "text-nbsvm", "name=labels", f"data.path={table}", *SETTINGS]) == 0
        assert run(["train", "text-5gram", "name=texts", f"data.path={path / 'code.txt'}"]) == 0
    return path


SAMPLE = ["sample", "texts", "--count", "2", "--length", "60", "--temperature", "0", "--prompt", "if a"]
COMMANDS = {
    "list": ["list", "runs"],
    "data": ["data", "show", "table", "path={table}", *(one.removeprefix("data.") for one in SETTINGS)],
    "evaluate": ["evaluate", "labels"],
    "predict": ["predict", "labels", f"good {HOSTILE}\nseqlab: done", HOSTILE],
    "explain": ["explain", "labels", f"good {HOSTILE}\nseqlab: done", HOSTILE],
    "sample": SAMPLE,
    "prompt": [*SAMPLE[:-1], f"if a{HOSTILE}"],
    "run": ["evaluate", f"no{HOSTILE}\ud800"],
    "recipe": ["train", f"no{HOSTILE}"],
    "setting": ["train", "text-nbsvm", f"x{HOSTILE}=1"],
    "value": ["train", "text-nbsvm", f"data.path=no{HOSTILE}"],
    "option": ["list", f"--no{HOSTILE}"],
    "command": [f"no{HOSTILE}"],
    "metric": ["evaluate", "labels", "--metric", f"no{HOSTILE}"],
    "encoding": ["predict", "labels", "--encoding", f"no{HOSTILE}"],
    "file": ["predict", "labels", "--file", f"no{HOSTILE}"],
}


@pytest.fixture
def call(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command line, both of its streams on a terminal or in a pipe; returns what arrives there."""
    monkeypatch.setenv("SEQLAB_RUNS", str(folder / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(folder / "cache"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")

    def received(arguments: list[str], *, terminal: bool) -> str:
        table = str(folder / TABLE)
        arguments = [word.replace("{table}", table) for word in arguments]
        reader, writer = os.openpty() if terminal else os.pipe()
        parts: list[bytes] = []
        thread = threading.Thread(target=read_all, args=(reader, parts))
        thread.start()
        streams = StandardStreams(writer, writer)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams.out)
            patch.setattr(sys, "stderr", streams.err)
            run(arguments)
            assert streams.lost_output() is None
        os.close(writer)
        thread.join()
        os.close(reader)
        return b"".join(parts).decode("utf-8").replace("\r\n", "\n")

    return received


def read_all(descriptor: int, parts: list[bytes]) -> None:
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # of a terminal whose other end is closed
            return
        if not part:
            return
        parts.append(part)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_terminal_receives_no_command_from_data(name: str, call: Callable[..., str]) -> None:
    text = OURS.sub("", call(COMMANDS[name], terminal=True))
    assert not FORBIDDEN.search(text.replace("\r", ""))
    assert "Internal error" not in text


@pytest.mark.parametrize("name", COMMANDS)
def test_a_pipe_receives_the_text_with_visible_escapes(name: str, call: Callable[..., str]) -> None:
    text = call(COMMANDS[name], terminal=False)
    if name not in ("sample", "prompt"):
        assert not FORBIDDEN.search(text)
        assert name == "list" or SHOWN in text or repr(HOSTILE)[1:-1] in text
    assert "seqlab: done" not in text.splitlines()


def test_json_is_exact_and_printable(call: Callable[..., str]) -> None:
    text = call([*COMMANDS["predict"][:3], "--json"], terminal=True)
    assert not FORBIDDEN.search(OURS.sub("", text))
    (answer,) = json.loads(text[text.index("[\n") :])
    assert answer["text"] == f"good {HOSTILE}\nseqlab: done"
    assert f"no{HOSTILE}" in answer["probabilities"]


def test_a_sample_in_a_pipe_is_exact(call: Callable[..., str]) -> None:
    found = call(SAMPLE, terminal=False)
    (first, _) = json.loads(call([*SAMPLE, "--json"], terminal=False))
    end = "" if first["complete"] else " ..."
    assert found.startswith(f"[1] if a{first['text']}{end}\n[2] if a")
    assert "\n\tb" in found
    assert "[1:x:2]" in found


def test_a_sample_on_a_terminal_has_spaces_for_tabs_and_visible_escapes(call: Callable[..., str]) -> None:
    found = OURS.sub("", call(SAMPLE, terminal=True))
    assert "\n        b" in found
    assert "[1:x:2]" in found
