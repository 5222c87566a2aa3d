"""Output that cannot be written: on a full disk, to a closed stream, to a reader that had enough."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tiny

from seqlab.cli import run
from seqlab.cli.streams import StandardStreams
from seqlab.runs.run_folder import open_run

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
RunOn = Callable[..., tuple[int, OSError | None]]


@pytest.fixture
def run_on(monkeypatch: pytest.MonkeyPatch) -> RunOn:
    """Run command lines on two open descriptors; returns the largest status, and what was lost."""

    def call(out: int, err: int, *lines: list[str], encoding: str = "utf-8") -> tuple[int, OSError | None]:
        streams = StandardStreams(out, err, encodings=(encoding, encoding))
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams.out)
            patch.setattr(sys, "stderr", streams.err)
            return max(run(line) for line in lines), streams.lost_output()

    return call


@pytest.fixture
def full() -> Iterator[int]:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "kept", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


COMMANDS = [
    ["predict", "--help"],
    ["list"],
    ["data", "info", "brackets"],
    ["params", "brackets-lstm", "data.train=9"],
    ["resume", "brackets-lstm"],
    ["evaluate", "imdb-linear"],
    ["diagnose", "brackets-lstm", "--rows", "2"],
    ["sample", "brackets-lstm"],
    ["predict", "imdb-linear", "a good film"],
    pytest.param(["report", "brackets-lstm", "-o", os.devnull], marks=pytest.mark.slow),
]


@pytest.mark.usefixtures("language", "classifier")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_full_standard_output_is_a_failure(
    command: list[str], options: list[str], run_on: RunOn, full: int, tmp_path: Path
) -> None:
    descriptor = os.open(tmp_path / "err", os.O_RDWR | os.O_CREAT)
    status, lost = run_on(full, descriptor, [*command, *options])
    os.close(descriptor)
    assert status == 0, "the work itself was done"
    assert lost is not None
    assert lost.strerror == "No space left on device"
    assert "Traceback" not in (tmp_path / "err").read_text()


@pytest.mark.usefixtures("language")
def test_a_full_standard_error_loses_no_result_but_is_a_failure(
    run_on: RunOn, full: int, kept: int, tmp_path: Path
) -> None:
    status, lost = run_on(kept, full, ["resume", "brackets-lstm"])
    assert (status, lost is None) == (0, False)
    assert "2 of 2 epochs done" in (tmp_path / "kept").read_text()


def test_a_reader_that_had_enough_is_no_failure_and_training_continues(
    run_on: RunOn, kept: int, runs: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    assert run_on(writer, writer, ["train", *tiny.BRACKETS]) == (0, None)
    assert run_on(kept, writer, ["resume", "brackets-lstm"]) == (0, None)
    os.close(writer)
    assert open_run(next(runs.iterdir())).finished


@pytest.mark.usefixtures("classifier")
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_an_encoding_lacks_is_escaped(encoding: str, run_on: RunOn, kept: int, tmp_path: Path) -> None:
    text = "good \u96fb\u5f71 \U0001f600"
    lines = [["predict", "imdb-linear", text, *options] for options in ([], ["--json"])]
    assert run_on(kept, kept, *lines, encoding=encoding) == (0, None)
    first, document = (tmp_path / "kept").read_bytes().decode(encoding).split("\n", 1)
    assert first.endswith(r"good \u96fb\u5f71 \U0001f600")
    assert json.loads(document)[0]["text"] == text


def shell(command: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    program = f"{sys.executable} -m seqlab"
    return subprocess.run(
        ["bash", "-c", f'seqlab() {{ {program} "$@"; }}; {command}'],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        ("seqlab --version > /dev/full", 1, "seqlab: Output was lost: No space left on device.\n"),
        ("seqlab --version >&-", 1, "seqlab: Output was lost: Bad file descriptor.\n"),
        ("seqlab --version 2>&-", 0, ""),
        ("seqlab lits 2>&-", 2, ""),
        ("seqlab lits 2> /dev/full", 2, ""),
        ("seqlab list models | head -1; exit ${PIPESTATUS[0]}", 0, ""),
        ("trap '' PIPE; seqlab list models | true; exit ${PIPESTATUS[0]}", 0, ""),
    ],
)
def test_the_status_of_the_program(command: str, status: int, message: str, tmp_path: Path) -> None:
    done = shell(command, tmp_path)
    assert (done.returncode, done.stderr) == (status, message)
    assert "seqlab:" not in done.stdout


def test_a_descriptor_that_does_not_block_gets_everything() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    text = "x" * 1_000_000
    read: list[str] = []

    def read_all() -> None:
        with os.fdopen(reader, encoding="utf-8") as stream:
            read.append(stream.read())

    thread = threading.Thread(target=read_all)
    thread.start()
    streams = StandardStreams(writer, writer)
    streams.out.write(text)
    assert streams.lost_output() is None
    os.close(writer)
    thread.join()
    assert read == [text]


def test_code_of_the_user_cannot_close_them() -> None:
    reader, writer = os.pipe()
    streams = StandardStreams(writer, writer)
    streams.out.close()
    streams.out.write("still open\n")
    assert streams.lost_output() is None
    os.close(writer)
    with os.fdopen(reader) as file:
        assert file.read() == "still open\n"
