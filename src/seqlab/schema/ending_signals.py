"""The signals that ask a program to end. Imports little, because one may arrive in the first moment."""

from __future__ import annotations

import signal

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `kill`, and a terminal that was closed."""


def heeded_signals() -> list[signal.Signals]:
    """The ending signals that are not ignored, as some are under nohup and in the background of a script."""
    return [number for number in ENDING_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
