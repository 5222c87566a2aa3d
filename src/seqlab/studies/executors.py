"""Executors train a study's runs: in this process, or in several.

An executor takes a job whenever a process is free, and returns the outcome of each. It knows nothing of the
study: the results of a run are in the run's folder.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Protocol

from typing_extensions import override

from seqlab.studies.job import Job, JobCallback, JobOutcome, run_job
from seqlab.studies.worker import LOST, Attempt, Worker
from seqlab.training.interrupt import StopRequest, catch_signals

POLL_SECONDS = 0.2
"""Longest time until a stop request is noticed."""
ATTEMPTS = 2
"""Processes that a run is given to; one that died may have been killed for want of memory."""


class JobSource(Protocol):
    """Where jobs come from, and where their outcomes go."""

    def next(self) -> Job | None:
        """The next job; None where there is none now."""
        ...

    @property
    def waiting(self) -> bool:
        """Whether there will be another job although no job is running."""
        ...

    def finish(self, number: int, outcome: JobOutcome) -> bool:
        """Take an outcome; returns whether to continue with further jobs."""
        ...


class Executor(Protocol):
    """Trains runs until there are none left, or until a stop is requested."""

    def run(self, jobs: JobSource, callback: JobCallback) -> None:
        """Run every job.

        Raises:
            KeyboardInterrupt: a stop was requested; everything is saved.
        """
        ...


class InlineExecutor(Executor):
    """One run after another, in this process."""

    @override
    def run(self, jobs: JobSource, callback: JobCallback) -> None:
        while True:
            job = jobs.next()
            if job is None:
                if not jobs.waiting:
                    return
                time.sleep(POLL_SECONDS)
                continue
            outcome = run_job(job, callback)
            if not jobs.finish(job.number, outcome):
                if outcome.state == "interrupted":
                    raise KeyboardInterrupt
                return


class ProcessExecutor(Executor):
    """Several runs at a time, each in a spawned process; one that dies does no harm to the others."""

    def __init__(self, count: int):
        self._count = count

    @override
    def run(self, jobs: JobSource, callback: JobCallback) -> None:
        with catch_signals() as stop_request, _worker_pool() as workers:
            self._serve(jobs, callback, workers, stop_request)
        if stop_request.stop:
            raise KeyboardInterrupt

    def _serve(
        self, jobs: JobSource, callback: JobCallback, workers: list[Worker], stop_request: StopRequest
    ) -> None:
        wanted = True
        while True:
            # Busy workers still send outcomes after a stop request; the loop ends when none is busy.
            if stop_request.stop or not wanted:
                for worker in workers:
                    worker.request_stop()
            else:
                self._assign_jobs(jobs, workers)
            busy = {worker.connection: worker for worker in workers if worker.attempt is not None}
            if not busy and (stop_request.stop or not wanted or not jobs.waiting):
                return
            for ready in connection.wait(list(busy), POLL_SECONDS):
                assert isinstance(ready, Connection)
                wanted = self._receive(busy[ready], jobs, callback, workers) and wanted

    def _receive(self, worker: Worker, jobs: JobSource, callback: JobCallback, workers: list[Worker]) -> bool:
        """Take a worker's message; returns whether to continue with further jobs."""
        outcome, attempt = worker.receive(callback), worker.attempt
        if outcome is None or attempt is None:
            return True
        if outcome is LOST:
            workers.remove(worker)
            outcome = worker.exit_reason()
            # The second attempt resumes from what the first one saved.
            if outcome.state == "failed" and attempt.number < ATTEMPTS:
                workers.append(Worker().assign(attempt.next()))
                return True
        worker.attempt = None
        return jobs.finish(attempt.job.number, outcome)

    def _assign_jobs(self, jobs: JobSource, workers: list[Worker]) -> None:
        while sum(worker.attempt is not None for worker in workers) < self._count:
            job = jobs.next()
            if job is None:
                # A search may have the next job once another run has ended.
                return
            idle = next((worker for worker in workers if worker.attempt is None), None)
            if idle is None:
                idle = Worker()
                workers.append(idle)
            idle.assign(Attempt(job))


@contextmanager
def _worker_pool() -> Iterator[list[Worker]]:
    """A list of workers that are ended with the block."""
    workers: list[Worker] = []
    try:
        yield workers
    finally:
        for worker in workers:
            worker.end()
