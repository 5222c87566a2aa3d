"""Every exception that reaches the entry point: a sentence and a status."""

from __future__ import annotations

import errno
import os

import pytest

from seqlab.cli import list_commands, run
from seqlab.cli.failure import failure
from seqlab.schema.errors import UserError, WorkError


@pytest.mark.parametrize(
    ("number", "status", "sentence"),
    [
        (errno.ENOENT, 2, "'some/path' must exist. Got: No such file or directory."),
        (errno.EISDIR, 2, "'some/path' must be a file, not a folder. Got: Is a directory."),
        (errno.ENOTDIR, 2, "'some/path' must lie in a folder; a part of its path is a file."),
        (errno.ENAMETOOLONG, 2, "'some/path' must have a shorter name. Got: File name too long."),
        (errno.ELOOP, 2, "'some/path' must not be a link that leads back to itself."),
        (errno.EACCES, 2, "'some/path' must be accessible to this user. Got: Permission denied."),
        (errno.ENOSPC, 1, "'some/path' cannot be used: No space left on device. Free space there, then"),
        (errno.EROFS, 1, "'some/path' cannot be used: Read-only file system. Choose a path"),
        (errno.EMFILE, 1, "'some/path' cannot be used: Too many open files. Raise the limit"),
        (errno.EIO, 1, "'some/path' cannot be used: Input/output error."),
    ],
)
def test_an_error_of_the_operating_system_names_the_path(number: int, status: int, sentence: str) -> None:
    message, found = failure(OSError(number, os.strerror(number), "some/path"))
    assert found == status
    assert message.startswith(sentence)


def test_an_error_of_the_operating_system_without_a_path() -> None:
    message = (
        "The operating system refused: No space left on device. Free space there, then repeat the command."
    )
    assert failure(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) == (message, 1)
    assert failure(OSError(errno.ENOENT, os.strerror(errno.ENOENT)))[1] == 1


class Panic(BaseException):
    """As Rust's panics arrive in Python."""


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (UserError("wrong"), 2, "wrong"),
        (WorkError("failed"), 1, "failed"),
        (MemoryError(), 1, "There must be more memory for this. Got: out of memory."),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 1, "There must be more memory"),
        (ImportError("x.so: failed to map segment from shared object"), 1, "There must be more memory"),
        (
            UnicodeEncodeError("utf-8", "ab\ud800", 2, 3, "no"),
            2,
            r"Texts and names must be UTF-8. Got 'ab\ud800'.",
        ),
        (RecursionError("deep"), 2, "The input must be nested less deeply."),
        (Panic("index out of bounds"), 1, "Internal error, please report it: Panic: index out of bounds"),
        (RuntimeError("else"), 1, "Internal error, please report it: RuntimeError: else"),
        (OSError("without a number"), 1, "Internal error, please report it: OSError: without a number"),
    ],
)
def test_every_exception_is_a_sentence_on_standard_error(
    error: BaseException, status: int, sentence: str, monkeypatch, capsys
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(list_commands, "tables", fail)
    for arguments in (["list"], ["list", "--json"]):
        assert run(arguments) == status
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"seqlab: {sentence}")
        assert err.count("\n") == 1


def test_a_traceback_is_shown_on_request_where_the_user_did_nothing_wrong(monkeypatch, capsys) -> None:
    monkeypatch.setenv("SEQLAB_TRACEBACK", "1")
    assert run(["list", "modles"]) == 2
    assert capsys.readouterr().err.startswith("seqlab: There is no list 'modles'.")

    def fail() -> None:
        raise MemoryError

    monkeypatch.setattr(list_commands, "tables", fail)
    with pytest.raises(MemoryError):
        run(["list"])
