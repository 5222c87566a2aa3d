"""Ctrl-C and SIGTERM: finish the step, save, and say how to go on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """Training was asked to stop and has been saved."""


class StopRequest:
    """Whether somebody asked to stop; a second Ctrl-C stops at once."""

    def __init__(self) -> None:
        self.stop = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if self.stop:
            raise KeyboardInterrupt
        self.stop = True

    def heed(self) -> None:
        """Called between parts of long work that can be done anew: stop here if asked to."""
        if self.stop:
            raise Interrupted("Stopped while scoring; what was trained is saved, `seqlab resume` scores it.")


@contextmanager
def catch_signals() -> Iterator[StopRequest]:
    """Catch SIGINT and SIGTERM while the block runs; only the main thread can."""
    wish = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, wish.ask) for number in signals}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
