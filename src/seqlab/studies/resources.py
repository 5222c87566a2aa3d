"""Where the runs of a study are computed."""

from __future__ import annotations

from dataclasses import dataclass

from seqlab.runs.processors import usable_threads
from seqlab.schema.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Device and threads of each run; None is the default of `seqlab train`."""

    device: str | None = None
    threads: int | None = None


def resources_for(processes: int, device: str | None, threads: int | None) -> Resources:
    """The resources of each run where `processes` runs share the threads of the machine.

    Raises:
        UserError: a number is not positive, or there are more processes than threads or processors.
    """
    if processes < 1:
        raise UserError(f"'processes' must be at least 1. Got {processes}.")
    if threads is not None and threads < 1:
        raise UserError(f"'threads' must be at least 1. Got {threads}.")
    if processes == 1:
        return Resources(device=device, threads=threads)
    # OMP_NUM_THREADS limits the threads of each process, not how many there are.
    available = threads or usable_threads({})
    if processes > available:
        raise UserError(f"'processes' must be at most the threads, {available}. Got {processes}.")
    # The same number for each run, even if a thread stays idle: the bits of results depend on it.
    share = available // processes
    return Resources(device=device, threads=share if threads else min(share, usable_threads()))
