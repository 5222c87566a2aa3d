"""Errors of the user's own code: one sentence, with the line of the user's file; free of torch."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seqlab.schema.errors import UserError, WorkError

_NO_MEMORY = ("can't allocate memory", "out of memory", "failed to map segment")
_files: set[str] = set()
"""Paths of the files that were executed as code of the user's own."""


class OwnCodeError(UserError):
    """Code of the user's own has failed, or does not do what it must."""


def note_file(path: Path) -> None:
    """Note that a file is executed, so that errors which pass it are found."""
    _files.add(str(path))


def describe(error: BaseException) -> str:
    r"""An exception in one sentence.

    >>> describe(KeyError("a")), describe(RuntimeError("mat1 and mat2\ndo not fit."))
    ("KeyError: 'a'.", 'RuntimeError: mat1 and mat2 do not fit.')
    """
    words = " ".join(_text(error).split())[:300]
    return f"{type(error).__name__}{': ' if words else ''}{words.rstrip('.')}."


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was too little memory.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(ValueError("a memory cell"))
    (True, False)
    """
    # Torch raises a RuntimeError, and the loader of libraries an ImportError or an OSError.
    if not isinstance(error, RuntimeError | ImportError | OSError):
        return isinstance(error, MemoryError)
    return any(phrase in _text(error) for phrase in _NO_MEMORY)


def is_ours(error: BaseException) -> bool:
    """Whether an exception is complete as it is, wherever it was raised: not one of the user's code."""
    return isinstance(error, UserError | WorkError | KeyboardInterrupt) or is_out_of_memory(error)


def location(error: BaseException) -> str | None:
    """`FILE:LINE` of the last line of the user's files that an exception passed; None if it passed none."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in _files]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else None


def as_own_error(error: BaseException) -> OwnCodeError | None:
    """An exception that passed a file of the user's own in one sentence; None if it passed none."""
    where = None if is_ours(error) else location(error)
    return None if where is None else OwnCodeError(f"{where} failed: {describe(error)}")


@contextmanager
def named_errors() -> Iterator[None]:
    """Turn an exception that passed a file of the user's own into one sentence.

    Raises:
        OwnCodeError: the block raised one that is not seqlab's own, also one that would end the program.
    """
    try:
        yield
    except BaseException as error:
        own = as_own_error(error)
        if own is None:
            raise
        raise own from None


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # the user's class may fail in this, too
        return ""
