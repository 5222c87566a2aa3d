"""Signals that end the program: with a short message and a status, never with a traceback."""

from __future__ import annotations

import os
import signal
import sys

from seqlab.schema.ending_signals import heeded_signals

# Not imported from `typing`, because little may be loaded before signals are handled.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, NoReturn

INTERRUPTED = 130
"""Exit status of a program that was interrupted; a shell reports the same of one that Ctrl-C killed."""


class Interrupts:
    """Raises KeyboardInterrupt at the first signal, and exits at once at the second.

    Training replaces these handlers while it runs: it saves first.
    """

    def __init__(self) -> None:
        self.received = False

    def install(self) -> None:
        """Handle the signals from now on."""
        for number in heeded_signals():
            signal.signal(number, self._handle)
        sys.unraisablehook = self._unraisable

    def finish(self, status: int) -> NoReturn:
        """Exit; after an interrupt without Python's own cleanup, which another signal would disturb."""
        for number in heeded_signals():
            signal.signal(number, lambda *_: os._exit(status))
        if status == INTERRUPTED:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(status)
        sys.exit(status)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            exit_now("Interrupted.", INTERRUPTED)
        self.received = True
        raise KeyboardInterrupt

    def _unraisable(self, unraisable: Any) -> None:
        """Python drops an exception within a destructor or a callback; an interrupt must not be lost."""
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            exit_now("Interrupted.", INTERRUPTED)
        sys.__unraisablehook__(unraisable)


def exit_now(message: str, status: int) -> NoReturn:
    """End the process at once, without any cleanup."""
    show_cursor = b"\x1b[?25h" if os.isatty(2) else b""
    try:
        os.write(2, show_cursor + f"seqlab: {message}\n".encode())
    finally:
        os._exit(status)
