"""Who carries out a study's runs: this process, or several of them.

An executor asks for a job whenever it has room for one, and hands back how each ended. It knows nothing of
the study; what a run found stands in the run's folder.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Protocol

from typing_extensions import override

from seqlab.studies.job import Job, JobCallback, JobOutcome, run_job
from seqlab.training.interrupt import StopRequest, catch_signals

PATIENCE = 0.2
"""Seconds after which a stop_request to stop is noticed."""
ATTEMPTS = 2
"""Times a run is given to a process; one that died may have been killed for want of memory."""


class JobSource(Protocol):
    """Where jobs come from, and where their outcomes go."""

    def next(self) -> Job | None:
        """The next job; None where there is none now, which more outcomes may change."""
        ...

    def done(self, number: int, outcome: JobOutcome) -> bool:
        """Take an outcome; says whether to go on with others."""
        ...


class Executor(Protocol):
    """Carries out jobs until there are none left, or until somebody asks to stop."""

    def run(self, work: JobSource, watch: JobCallback) -> None:
        """Every job of `work`; raises KeyboardInterrupt when asked to stop, everything being saved."""
        ...


class Inline(Executor):
    """One run after the other, in this process."""

    @override
    def run(self, work: JobSource, watch: JobCallback) -> None:
        while (job := work.next()) is not None:
            outcome = run_job(job, watch)
            if not work.done(job.number, outcome):
                if outcome.state == "interrupted":
                    raise KeyboardInterrupt
                return


class Processes(Executor):
    """Several runs side by side, each in a process that was spawned and may die without harm to others."""

    def __init__(self, count: int):
        self._count = count

    @override
    def run(self, work: JobSource, watch: JobCallback) -> None:
        workers: list[_Worker] = []
        with catch_signals() as stop_request:
            try:
                self._serve(work, watch, workers, stop_request)
            finally:
                for worker in workers:
                    worker.end()
        if stop_request.stop:
            raise KeyboardInterrupt

    def _serve(
        self, work: JobSource, watch: JobCallback, workers: list[_Worker], stop_request: StopRequest
    ) -> None:
        going = True
        while True:
            if stop_request.stop or not going:
                for worker in workers:
                    worker.ask_to_stop()
            else:
                self._fill(work, workers)
            busy = {worker.connection: worker for worker in workers if worker.job is not None}
            if not busy:
                return
            for ready in connection.wait(list(busy), PATIENCE):
                assert isinstance(ready, Connection)
                worker = busy[ready]
                outcome = worker.heard(watch)
                if outcome is None or worker.job is None:
                    continue
                if outcome is LOST:
                    workers.remove(worker)
                    outcome = worker.mourn()
                    if outcome.state == "failed" and worker.job.attempt < ATTEMPTS:
                        workers.append(_Worker().given(worker.job.again()))
                        continue
                number, worker.job = worker.job.job.number, None
                going = work.done(number, outcome) and going

    def _fill(self, work: JobSource, workers: list[_Worker]) -> None:
        while sum(worker.job is not None for worker in workers) < self._count:
            job = work.next()
            if job is None:
                return
            idle = next((worker for worker in workers if worker.job is None), None)
            if idle is None:
                idle = _Worker()
                workers.append(idle)
            idle.given(_Given(job))


LOST = JobOutcome("failed", "its process died")


@dataclass(frozen=True)
class _Given:
    """A job with the number of the attempt at it."""

    job: Job
    attempt: int = 1

    def again(self) -> _Given:
        return _Given(self.job, self.attempt + 1)


class _Worker:
    """A process that carries out one job at a time, and the line to it."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process: SpawnProcess = context.Process(target=_serve, args=(theirs, os.getpid()), daemon=True)
        self._process.start()
        theirs.close()
        self.job: _Given | None = None
        self._asked = False

    def given(self, job: _Given) -> _Worker:
        """Begin a job."""
        self.job = job
        # Where it died meanwhile, that is heard when its line is read.
        with suppress(OSError):
            self.connection.send(job.job)
        return self

    def heard(self, watch: JobCallback) -> JobOutcome | None:
        """Take one message; the outcome when the job is done."""
        try:
            match self.connection.recv():
                case "done", outcome:
                    return outcome
                case "prune", arguments:
                    self.connection.send(watch.prune(*arguments))
                case "news", arguments:
                    watch.news(*arguments)
                case "message", arguments:
                    watch.message(*arguments)
        except (EOFError, OSError):
            return LOST
        return None

    def mourn(self) -> JobOutcome:
        """How a process ended that should not have."""
        self._process.join(5)
        if self._asked:
            return JobOutcome("interrupted")
        code = self._process.exitcode
        how = (
            f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with status {code}"
        )
        return JobOutcome("failed", f"The process that ran it {how}; what it saved is still there.")

    def ask_to_stop(self) -> None:
        """Let it save and stop; asked once, because a second time would not let it save."""
        if self.job is not None and not self._asked:
            self._asked = True
            self._process.terminate()

    def end(self) -> None:
        """Let the process go."""
        self.connection.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


class WorkerLink(JobCallback):
    """A watch that speaks to the process which asked for the work."""

    def __init__(self, line: Connection):
        self._line = line

    @override
    def news(self, number: int, share: float, words: str) -> None:
        self._line.send(("news", (number, share, words)))

    @override
    def message(self, number: int, text: str) -> None:
        self._line.send(("message", (number, text)))

    @override
    def prune(self, number: int, epoch: float, values: Mapping[str, float]) -> str:
        self._line.send(("prune", (number, epoch, dict(values))))
        return str(self._line.recv())


def _serve(line: Connection, parent: int) -> None:
    """The worker's main: jobs in, outcomes out, until the other side is gone."""
    # A session of its own: Ctrl-C on the terminal reaches the parent alone, which then asks for a stop.
    os.setsid()
    threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()
    while True:
        try:
            job: Any = line.recv()
            outcome = run_job(job, WorkerLink(line))
            line.send(("done", outcome))
        except (EOFError, OSError, KeyboardInterrupt):
            return


def _watch_parent(parent: int, kill: Callable[[int, int], None] = os.kill) -> None:
    """Save and stop when the parent is gone: nobody waits for the result any more."""
    while os.getppid() == parent:
        time.sleep(0.5)
    kill(os.getpid(), signal.SIGTERM)
