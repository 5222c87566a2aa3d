"""Threads and floating-point settings of the process, set for a block and restored after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from seqlab.runs.processors import usable_threads
from seqlab.schema.errors import UserError


def default_threads() -> int:
    """Threads where nobody requests a number: `usable_threads`, or fewer if torch was set to fewer before."""
    return min(usable_threads(), torch.get_num_threads())


@contextmanager
def numerics(device: str, threads: int | None) -> Iterator[torch.device]:
    """Yield the device of this name; inside the block, threads and numerics are those of training.

    Args:
        device: torch's name of it.
        threads: number of threads of the numerical libraries; None is `default_threads`.

    Raises:
        UserError: there is no such device, or threads is not positive.
    """
    if threads is not None and not isinstance(threads, int):
        raise UserError(f"'threads' must be a whole number. Got {threads!r}.")
    if threads is not None and threads < 1:
        raise UserError(f"'threads' must be at least 1. Got {threads}.")
    found = _device(device)
    threads_before, flushed_before = torch.get_num_threads(), _flushes_denormals()
    torch.set_num_threads(threads or default_threads())
    # Gradients of confident models fall below 1e-38; denormals make processors a hundred times slower.
    torch.set_flush_denormal(True)
    try:
        yield found
    finally:
        torch.set_num_threads(threads_before)
        torch.set_flush_denormal(flushed_before)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0][:200]
        raise UserError(f"'device' must be one this machine has. Got {name!r}: {reason}") from None
    return device


def _flushes_denormals() -> bool:
    """Whether this thread flushes denormal numbers to zero; torch has no function that reports it."""
    return (torch.full((), 2e-38) * 0.1).item() == 0
