"""Signals that end the program: with a short message and a status, never with a traceback.

Only the standard library is imported, because a signal may arrive in the first moment.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

INTERRUPTED = 130
"""Exit status of a program that was interrupted; a shell reports the same of one that Ctrl-C killed."""
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Raises KeyboardInterrupt at the first signal that ends programs, and exits at once at the second.

    Training replaces these handlers while it runs: it saves first.
    """

    def __init__(self) -> None:
        self.received = False

    def install(self) -> None:
        """Handle the signals from now on; one that is ignored, as under nohup, stays ignored."""
        for number in ENDING_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._handle)
        sys.unraisablehook = self._unraisable

    def ignore(self) -> None:
        """Ignore the signals from now on: the work is done, and Python is cleaning up."""
        for number in ENDING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            _exit_now()
        self.received = True
        raise KeyboardInterrupt

    def _unraisable(self, unraisable: Any) -> None:
        """Python drops an exception within a destructor or a callback; not this one."""
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            _exit_now()
        sys.__unraisablehook__(unraisable)


def _exit_now() -> NoReturn:
    show_cursor = b"\x1b[?25h" if os.isatty(2) else b""
    try:
        os.write(2, show_cursor + b"seqlab: Interrupted.\n")
    finally:
        os._exit(INTERRUPTED)
