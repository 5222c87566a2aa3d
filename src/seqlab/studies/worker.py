"""A process that trains runs of a study for another process."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from typing_extensions import override

from seqlab.studies.job import Job, JobCallback, JobOutcome, run_job

LOST = JobOutcome("failed", "its process died")
"""Received where the connection to a worker was lost."""
_EXIT_SECONDS = 5
"""Longest time a process has to end by itself."""
_PARENT_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Attempt:
    """A job with the number of the attempt at it."""

    job: Job
    number: int = 1

    def next(self) -> Attempt:
        """The next attempt at the same job."""
        return Attempt(self.job, self.number + 1)


class Worker:
    """A process that runs one job at a time, and the connection to it. attempt: its job; None if idle."""

    def __init__(self) -> None:
        # Spawned, because a forked process would inherit locks that threads of torch may hold.
        context = get_context("spawn")
        self.connection, remote = context.Pipe()
        self._process: SpawnProcess = context.Process(target=_main, args=(remote, os.getpid()), daemon=True)
        self._process.start()
        # With a copy open here, the end of the process would not close the connection.
        remote.close()
        self.attempt: Attempt | None = None
        self._stop_requested = False

    def assign(self, attempt: Attempt) -> Worker:
        """Start a job; returns the worker."""
        self.attempt = attempt
        # A process that died meanwhile is noticed when its connection is read.
        with suppress(OSError):
            self.connection.send(attempt.job)
        return self

    def receive(self, callback: JobCallback) -> JobOutcome | None:
        """Take one message; returns the outcome where the job is done."""
        try:
            match self.connection.recv():
                case "done", outcome:
                    return outcome
                case "prune", arguments:
                    self.connection.send(callback.prune(*arguments))
                case "progressed", arguments:
                    callback.progressed(*arguments)
                case "message", arguments:
                    callback.message(*arguments)
        except (EOFError, OSError):
            return LOST
        return None

    def exit_reason(self) -> JobOutcome:
        """Why a lost process ended, as the outcome of its job."""
        self._process.join(_EXIT_SECONDS)
        if self._stop_requested:
            return JobOutcome("interrupted")
        code = self._process.exitcode
        how = (
            f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with status {code}"
        )
        return JobOutcome("failed", f"The process that trained it {how}; what it saved is kept.")

    def request_stop(self) -> None:
        """Let the process save and stop; requested once, because a second signal stops without saving."""
        if self.attempt is not None and not self._stop_requested:
            self._stop_requested = True
            self._process.terminate()

    def end(self) -> None:
        """End the process."""
        # The process ends by itself when its connection is closed, unless it is stuck.
        self.connection.close()
        self._process.join(_EXIT_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


class WorkerLink(JobCallback):
    """Sends the calls of a run to the process that assigned it."""

    def __init__(self, link: Connection):
        self._link = link

    @override
    def progressed(self, number: int, share: float, text: str) -> None:
        self._link.send(("progressed", (number, share, text)))

    @override
    def message(self, number: int, text: str) -> None:
        self._link.send(("message", (number, text)))

    @override
    def prune(self, number: int, epoch: float, values: Mapping[str, float]) -> str:
        self._link.send(("prune", (number, epoch, dict(values))))
        return str(self._link.recv())


def _main(link: Connection, parent: int) -> None:
    """Run the jobs that arrive and return their outcomes, until the connection is closed."""
    # A session of its own: Ctrl-C on the terminal reaches the parent alone, which then requests a stop.
    os.setsid()
    # What code of the user's own prints is no result.
    sys.stdout = sys.stderr
    threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()
    while True:
        try:
            job: Any = link.recv()
            outcome = run_job(job, WorkerLink(link))
            link.send(("done", outcome))
        except (EOFError, OSError, KeyboardInterrupt):
            return


def _watch_parent(parent: int, kill: Callable[[int, int], None] = os.kill) -> None:
    """Save and stop when the parent has died: nobody waits for the result any more."""
    while os.getppid() == parent:
        time.sleep(_PARENT_POLL_SECONDS)
    kill(os.getpid(), signal.SIGTERM)
