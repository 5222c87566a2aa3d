"""What a command that failed prints, and its exit status."""

from __future__ import annotations

import errno
import os

from seqlab.schema.errors import UserError, WorkError
from seqlab.schema.own_errors import describe, is_out_of_memory

FAILED, WRONG_INPUT = 1, 2
_WRONG_PATH = {
    errno.ENOENT: "must exist",
    errno.ENOTDIR: "must lie in a folder; a part of its path is a file",
    errno.EISDIR: "must be a file, not a folder",
    errno.ENAMETOOLONG: "must have a shorter name",
    errno.ELOOP: "must not be a link that leads back to itself",
    errno.EACCES: "must be accessible to this user",
    errno.EPERM: "must be accessible to this user",
}
"""What must hold for a path of the user's, by the number of the operating system's error."""
_REMEDIES = {
    errno.ENOSPC: "Free space there",
    errno.EDQUOT: "Free space there",
    errno.EFBIG: "Raise the limit of file sizes (`ulimit -f`)",
    errno.EROFS: "Choose a path that can be written",
    errno.EMFILE: "Raise the limit of open files (`ulimit -n`)",
    errno.ENFILE: "Close other programs",
    errno.ENOMEM: "Close other programs, or choose smaller sizes",
}


def failure(error: BaseException) -> tuple[str, int]:
    """The message on an exception, and the exit status: 1 the work failed, 2 the input was wrong."""
    match error:
        case UserError():
            return str(error), WRONG_INPUT
        case WorkError():
            return str(error), FAILED
        case OSError(errno=int(number)):
            return _os_failure(error, number)
        case UnicodeEncodeError() | RecursionError():
            return _input_problem(error), WRONG_INPUT
        case _ if is_out_of_memory(error):
            return _memory_failure(error)
        case _:
            message = f"Internal error, please report it: {describe(error)}"
            return f"{message} (SEQLAB_TRACEBACK=1 shows the traceback)", FAILED


def _os_failure(error: OSError, number: int) -> tuple[str, int]:
    reason = error.strerror or os.strerror(number)
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    path = names[-1] if names else None
    if number in _WRONG_PATH and path is not None:
        return f"{path!r} {_WRONG_PATH[number]}. Got: {reason}.", WRONG_INPUT
    remedy = f" {_REMEDIES[number]}, then repeat the command." if number in _REMEDIES else ""
    what = "The operating system refused" if path is None else f"{path!r} cannot be used"
    return f"{what}: {reason}.{remedy}", FAILED


def _input_problem(error: UnicodeEncodeError | RecursionError) -> str:
    match error:
        case UnicodeEncodeError(object=text, start=start):
            return f"Texts and names must be UTF-8. Got {text[max(0, start - 20) : start + 20]!r}."
        case _:
            return "The input must be nested less deeply. Got more levels than can be read."


def _memory_failure(error: BaseException) -> tuple[str, int]:
    return (
        f"There must be more memory for this. Got: {str(error) or 'out of memory'}. "
        "Choose smaller sizes, or close other programs.",
        FAILED,
    )
