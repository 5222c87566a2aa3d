"""The command line: parse arguments, call one function, print."""

from __future__ import annotations

import os
import sys

# Not imported from `typing`, because little may be loaded before signals are handled.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from seqlab.cli.interrupts import Interrupts
    from seqlab.cli.streams import StandardStreams


def main() -> None:
    """Entry point of `seqlab`."""
    # Before any other import: Ctrl-C may arrive in the first moment, also while this is imported.
    try:
        from seqlab.cli.interrupts import INTERRUPTED, Interrupts, exit_now

        interrupts = Interrupts()
        interrupts.install()
    except KeyboardInterrupt:
        os.write(2, b"seqlab: Interrupted.\n")
        os._exit(130)
    try:
        from seqlab.cli.streams import standard_streams

        streams = standard_streams()
        status = _checked(streams, run(sys.argv[1:], interrupts))
    except BaseException as error:
        # A signal while its own message was printed, or no memory even for a message.
        if interrupts.received or isinstance(error, KeyboardInterrupt):
            exit_now("Interrupted.", INTERRUPTED)
        if isinstance(error, MemoryError):
            exit_now("There must be more memory for this.", 1)
        raise
    interrupts.finish(status)


def run(arguments: Sequence[str], interrupts: Interrupts | None = None) -> int:
    """Run one command line.

    Args:
        arguments: what follows `seqlab`.
        interrupts: whether a signal was received; some libraries turn an interrupt into another error.

    Returns:
        The exit status: 0 done, 1 the work failed, 2 the input was wrong, 130 interrupted.
    """
    from seqlab.cli.failure import failure
    from seqlab.cli.interrupts import INTERRUPTED
    from seqlab.schema.errors import UserError, WorkError
    from seqlab.schema.own_errors import named_errors

    try:
        with named_errors():
            _run(arguments)
    except KeyboardInterrupt as interrupt:
        # Training raises it with a sentence on what was saved; other commands have nothing to lose.
        return _print_error(str(interrupt) or "Interrupted.", INTERRUPTED)
    except SystemExit:
        raise
    # Not only `Exception`: a panic within a library in Rust is none.
    except BaseException as error:
        if interrupts is not None and interrupts.received:
            return _print_error("Interrupted.", INTERRUPTED)
        if os.environ.get("SEQLAB_TRACEBACK") and not isinstance(error, UserError | WorkError):
            raise
        return _print_error(*failure(error))
    return 0


def _run(arguments: Sequence[str]) -> None:
    from cyclopts import CycloptsError

    from seqlab.cli.app import app
    from seqlab.cli.console import help_console, results_apart
    from seqlab.cli.usage_errors import usage_message
    from seqlab.schema.errors import UserError

    try:
        with results_apart():
            app(
                list(arguments),
                console=help_console(),
                exit_on_error=False,
                print_error=False,
                result_action="return_value",
            )
    except CycloptsError as error:
        raise UserError(usage_message(error)) from error


def _checked(streams: StandardStreams, status: int) -> int:
    """The exit status: work whose output was lost has failed."""
    from seqlab.cli.failure import FAILED

    lost = streams.lost_output()
    return status if lost is None else status or _print_error(f"Output was lost: {lost.strerror}.", FAILED)


def _print_error(message: str, status: int) -> int:
    from seqlab.cli.console import print_note

    print_note(f"seqlab: {message}")
    sys.stderr.flush()
    return status
