"""Processes that keep processors busy; free of torch."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.synchronize import Event

_BURN_SECONDS = 0.02
"""Time between two checks of whether to burn on, and whether the parent is alive."""
_POLL_SECONDS = 0.5


class Burners:
    """Switches some processes, which each keep one processor busy, on and off."""

    def __init__(self, event: Event):
        self._event = event

    def switch(self, *, on: bool) -> None:
        """Let all processes burn, or wait."""
        if on:
            self._event.set()
        else:
            self._event.clear()


@contextmanager
def burners(count: int) -> Iterator[Burners]:
    """Some processes, which wait at first and end with the block, or when this process ends."""
    context = get_context("spawn")
    event = context.Event()
    processes = [context.Process(target=_burn, args=(event, os.getpid()), daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield Burners(event)
    finally:
        for process in processes:
            process.kill()
            process.join()


def _burn(event: Event, parent: int) -> None:
    # A killed parent cannot end its processes, so each looks after itself.
    while os.getppid() == parent:
        if event.wait(_POLL_SECONDS):
            end = time.monotonic() + _BURN_SECONDS
            while time.monotonic() < end:
                pass
