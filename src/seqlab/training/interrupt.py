"""Ctrl-C, SIGTERM and SIGHUP: finish the step, save, and report how to continue."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from seqlab.schema.ending_signals import heeded_signals


class Interrupted(KeyboardInterrupt):
    """Training was stopped by the user, after everything was saved."""


class StopRequest:
    """Whether a stop was requested; a second signal stops immediately."""

    def __init__(self) -> None:
        self.stop = False

    def request(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if self.stop:
            raise KeyboardInterrupt
        self.stop = True

    def check(self) -> None:
        """Stop here if requested; called between parts of long work that can be repeated.

        Raises:
            Interrupted: a stop was requested.
        """
        if self.stop:
            raise Interrupted("Stopped while scoring. The trained model is saved; `seqlab resume` scores it.")


@contextmanager
def catch_signals() -> Iterator[StopRequest]:
    """Catch the ending signals while the block runs; only the main thread can."""
    stop_request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop_request
        return
    before = {number: signal.signal(number, stop_request.request) for number in heeded_signals()}
    try:
        yield stop_request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
