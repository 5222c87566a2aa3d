"""A file that the user named: a report, a table."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seqlab.runs import atomic, run_folder
from seqlab.schema.errors import UserError


def check_paths(output: Path, static: Path | None = None) -> None:
    """Refuse the paths of a report that cannot be written, or that would replace something else.

    Args:
        output: the file.
        static: the folder of charts and tables.

    Raises:
        UserError: one of them is of another kind, lies below a file, belongs to a run, or is the other one.
    """
    if str(output) == "-":
        raise UserError("'output' must be a file. Got '-'. Standard output is /dev/stdout.")
    if output.is_dir():
        raise UserError(f"'output' must be a file. Got the folder {str(output)!r}.")
    if output.exists() and run_folder.exists(output.parent):
        raise UserError(f"'output' must not be a file of a run. Got {str(output)!r}.")
    _check_above(output, "output")
    if static is None:
        return
    if static.exists() and not static.is_dir():
        raise UserError(f"'static' must be a folder. Got the file {str(static)!r}.")
    _check_above(static, "static")
    file, folder = (Path(os.path.realpath(path)) for path in (output, static))
    if file in (folder, *folder.parents):
        raise UserError(
            f"'static' must be a folder other than the file 'output', and not below it. Got {str(static)!r} "
            f"for 'static' and {str(output)!r} for 'output'."
        )


def _check_above(path: Path, option: str) -> None:
    """Refuse a path that leads through a file."""
    above = next((parent for parent in path.parents if os.path.lexists(parent)), None)
    if above is not None and not above.is_dir():
        raise UserError(f"{option!r} must lie in a folder. Got {str(path)!r}, but {str(above)!r} is a file.")


def write_output(path: Path, text: str, *, retry: str) -> None:
    """Write a text file, in UTF-8, whole or not at all; links are followed, and its folder is created.

    A device or a pipe, such as /dev/stdout, is written to and never replaced.

    Args:
        path: of the file.
        text: its content.
        retry: what a user does after a failure, for the message.

    Raises:
        UserError: the name is too long.
        DiskError: the disk is full or cannot be written.
    """
    with atomic.disk_errors(path, retry):
        if path.exists() and not path.is_file():
            # The reader of a pipe may have had enough.
            with suppress(BrokenPipeError), path.open("w", encoding="utf-8") as stream:
                stream.write(text)
        else:
            target = Path(os.path.realpath(path))
            if target.is_symlink():
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            atomic.write_text(target, text, retry=retry)


@contextmanager
def new_output(path: Path, *, overwrite: bool, retry: str) -> Iterator[Path]:
    """A file that is written piece by piece, whole or not at all; its folder is created.

    Args:
        path: of the file.
        overwrite: whether a file that exists is replaced; a link to it is followed.
        retry: what a user does after a failure, for the message.

    Yields:
        The path to write to, in a temporary folder, in which other files may be written, too.

    Raises:
        UserError: it exists and is not to be replaced, or is no plain file.
        DiskError: the disk is full or cannot be written.
    """
    if os.path.lexists(path) and not path.is_file():
        raise UserError(f"'output' must be a file. Got {str(path)!r}, which exists and is none.")
    if path.exists() and not overwrite:
        raise UserError(
            f"'output' must be a file that does not exist yet. Got {str(path)!r}. To replace it: --overwrite."
        )
    with atomic.large_file(Path(os.path.realpath(path)), retry=retry, replaces=overwrite) as temporary:
        yield temporary
