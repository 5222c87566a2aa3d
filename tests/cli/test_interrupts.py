"""Signals that end the program, at any moment: status 130, one sentence, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from seqlab.cli import run
from seqlab.training.interrupt import catch_signals

# Runs `seqlab` and sends itself signals at the N-th import of a module that is not loaded yet.
PROGRAM = """
import os, sys
count, signals = int(sys.argv[1]), [int(number) for number in sys.argv[2].split(",")]
class AtAnImport:
    def find_spec(self, name, path=None, target=None):
        global count
        count -= 1
        if count == 0:
            for number in signals:
                os.kill(os.getpid(), number)
from seqlab.cli import main
sys.argv = ["seqlab", *sys.argv[3:]]
sys.meta_path.insert(0, AtAnImport())
main()
"""


def interrupted(count: int, signals: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(count), signals, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("count", "signals"), [(20, "2"), (20, "2,2"), (300, "2"), (900, "2,2")])
def test_an_interrupt_during_imports(count: int, signals: str) -> None:
    done = interrupted(count, signals, "sample", "brackets")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "seqlab: Interrupted.\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_as_an_interrupt_does(number: int) -> None:
    done = interrupted(100, str(int(number)), "list")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "seqlab: Interrupted.\n")


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with catch_signals() as stop_request:
            os.kill(os.getpid(), signal.SIGHUP)
        assert not stop_request.stop
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_training_is_asked_to_stop_and_the_handlers_return(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with catch_signals() as stop_request:
        os.kill(os.getpid(), number)
        assert stop_request.stop
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_an_interrupt_that_a_library_turned_into_another_error(monkeypatch, capsys) -> None:
    from seqlab.cli import list_commands
    from seqlab.cli.interrupts import INTERRUPTED, Interrupts

    interrupts = Interrupts()
    interrupts.received = True

    def fail() -> None:
        raise ImportError("numpy failed to import")

    monkeypatch.setattr(list_commands, "tables", fail)
    assert run(["list"], interrupts) == INTERRUPTED
    assert capsys.readouterr().err == "seqlab: Interrupted.\n"


def test_without_a_signal_the_program_ends_as_usual() -> None:
    done = interrupted(10**9, "2", "--version")
    assert (done.returncode, done.stderr) == (0, "")


BEFORE_HANDLERS = """
import sys

class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == "seqlab.cli.interrupts":
            raise KeyboardInterrupt

from seqlab.cli import main
sys.meta_path.insert(0, Interrupting())
main()
"""


def test_an_interrupt_before_there_are_handlers() -> None:
    command = [sys.executable, "-c", BEFORE_HANDLERS]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "seqlab: Interrupted.\n")
