"""The command line: parse arguments, call one function, print."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from seqlab.schema.errors import UserError, WorkError

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


def main() -> None:
    """Entry point of `seqlab`."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Returns:
        The exit status: 0 done, 1 the work failed, 2 the input was wrong, 130 interrupted.
    """
    from cyclopts import CycloptsError, UnknownOptionError

    from seqlab.cli.app import app

    try:
        app(list(arguments), exit_on_error=False, print_error=False, result_action="return_value")
    except (UserError, CycloptsError) as error:
        unknown_option = isinstance(error, UnknownOptionError)
        return _print_error(_with_settings_hint(str(error)) if unknown_option else str(error), WRONG_INPUT)
    except WorkError as error:
        return _print_error(str(error), FAILED)
    except KeyboardInterrupt as interrupt:
        # Training raises it with a sentence on what was saved; other commands have nothing to lose.
        return _print_error(str(interrupt) or "Interrupted.", INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output left, as `head` does; Python must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if os.environ.get("SEQLAB_TRACEBACK"):
            raise
        message = f"Internal error, please report it: {type(error).__name__}: {error}"
        return _print_error(f"{message} (SEQLAB_TRACEBACK=1 shows the traceback)", FAILED)
    return DONE


def _with_settings_hint(message: str) -> str:
    """The message on an unknown option, which may be meant as a setting."""
    if "Did you mean" in message:
        return message
    return f"{message} Settings are written without dashes, as in training.epochs=3; --help lists options."


def _print_error(message: str, status: int) -> int:
    print(f"seqlab: {message}", file=sys.stderr)
    return status
