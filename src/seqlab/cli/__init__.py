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
    # Before any other import: Ctrl-C may arrive in the first moment.
    from seqlab.cli.interrupts import INTERRUPTED, Interrupts

    interrupts = Interrupts()
    interrupts.install()
    try:
        from seqlab.cli.streams import standard_streams

        streams = standard_streams()
        status = _checked(streams, run(sys.argv[1:], interrupts))
    except BaseException:
        if not interrupts.received:
            raise
        status = INTERRUPTED
    interrupts.ignore()
    sys.exit(status)


def run(arguments: Sequence[str], interrupts: Interrupts | None = None) -> int:
    """Run one command line.

    Args:
        arguments: what follows `seqlab`.
        interrupts: whether a signal was received; some libraries turn an interrupt into another error.

    Returns:
        The exit status: 0 done, 1 the work failed, 2 the input was wrong, 130 interrupted.
    """
    from seqlab.cli.interrupts import INTERRUPTED

    try:
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
        if os.environ.get("SEQLAB_TRACEBACK"):
            raise
        from seqlab.cli.failure import failure

        return _print_error(*failure(error))
    return 0


def _run(arguments: Sequence[str]) -> None:
    from cyclopts import CycloptsError, UnknownOptionError

    from seqlab.cli.app import app
    from seqlab.cli.console import help_console
    from seqlab.schema.errors import UserError

    try:
        app(
            list(arguments),
            console=help_console(),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except UnknownOptionError as error:
        raise UserError(f"{error} {_dash_hint(error.token.keyword or error.token.value)}") from error
    except CycloptsError as error:
        raise UserError(str(error)) from error


def _dash_hint(option: str) -> str:
    """What an unknown option may be instead: a setting, or a text."""
    if option.startswith("--") and " " not in option:
        return "Settings are written without dashes, as in training.epochs=3; --help lists options."
    return "A text that begins with a dash follows ` -- `, as in: seqlab predict RUN -- '-5 degrees'."


def _checked(streams: StandardStreams, status: int) -> int:
    """The exit status: work whose output was lost has failed."""
    from seqlab.cli.failure import FAILED

    lost = streams.lost_output()
    return status if lost is None else status or _print_error(f"Output was lost: {lost.strerror}.", FAILED)


def _print_error(message: str, status: int) -> int:
    from seqlab.cli.visible import visible

    print(visible(f"seqlab: {message}", keep="\n\t"), file=sys.stderr, flush=True)
    return status
