"""The errors that a user sees, and the parts of their messages."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable

from seqlab.schema.visible import shortened, visible

_LONGEST = 1_000
"""Characters of a word that a message shows, at most; every path that is in use is shorter."""
_ENDS = 100
"""Characters of each end of a longer word that remain."""
_COMPARED, _CHOICES = 200, 2_000
"""Characters of a word, and words, that are compared in spelling, which takes their squares in time."""
_PART = 3
"""Characters from which a part of a name is a hint of it."""


class _SentenceError(Exception):
    """An error whose message is complete: a notebook shows it without a traceback."""

    def _render_traceback_(self) -> list[str]:
        # The name by which IPython asks for the lines that it shows.
        return [f"{type(self).__name__}: {visible(str(self), keep=chr(10))}"]


class UserError(_SentenceError, ValueError):
    """The user's input is wrong (exit status 2).

    The message gives what must hold, what was received, and the nearest valid choice.
    """

    def __init__(self, message: object = ""):
        super().__init__(without_long_words(str(message)))


class WorkError(_SentenceError, RuntimeError):
    """The input was right, but the work failed: a full disk, a diverged loss (exit status 1)."""

    def __init__(self, message: object = ""):
        super().__init__(without_long_words(str(message)))


class DivergedError(WorkError):
    """Training left the numbers that a model returns from: a loss, gradient or weight is not finite."""


class DamagedFileError(UserError):
    """A file of a folder that seqlab wrote is missing, or is not what this version wrote there."""


class InUseError(WorkError):
    """Another process works in the folder of a run or study, which is no failure of either."""


class DiskError(WorkError):
    """A file cannot be written, so that any other work that needs the disk would fail, too."""


def without_long_words(text: str) -> str:
    """A text with the middle of each very long word left out, so that a message can be read.

    >>> without_long_words(f"Got {'a' * 2_000}.") == f"Got {'a' * 100} ... 1,801 characters ... {'a' * 99}."
    True
    """

    def ends(word: re.Match[str]) -> str:
        left_out = len(word[0]) - 2 * _ENDS
        return f"{word[0][:_ENDS]} ... {left_out:,} characters ... {word[0][-_ENDS:]}"

    return re.sub(rf"\S{{{_LONGEST + 1},}}", ends, text)


def in_quotes(text: str) -> str:
    r"""A text of the user's in quotes, for a message; the end of a long one is left out.

    >>> in_quotes("a\tb"), len(in_quotes("long" * 100))
    ("'a\\tb'", 62)
    """
    return repr(shortened(text))


def require_utf8(text: str, what: str, advice: str = "") -> str:
    """The text, if it can be written to a file.

    Args:
        text: of the user's; halves of surrogate pairs come from other bytes.
        what: what it is, the beginning of the message.
        advice: a sentence after it, preceded by a space.

    Raises:
        UserError: it cannot, or is no text.
    """
    if not isinstance(text, str):  # in Python a table's missing value comes as None or NaN
        raise UserError(f"{what} must be text. Got {text!r}.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError(f"{what} must be UTF-8. Got {in_quotes(text)}.{advice}") from None
    return text


def with_value(option: str, value: str) -> str:
    """An option or a setting with a value, as it is typed in a shell.

    Args:
        option: how it begins, with the separator: `--column ` or `data.path=`.
        value: any text.

    >>> with_value("--column ", "a b"), with_value("--column ", "-text")
    ("--column 'a b'", '--column=-text')
    """
    joined = f"{option[:-1]}=" if value.startswith("-") and option.endswith(" ") else option
    return joined + shlex.quote(value)


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice closest in spelling to `word`, or None when nothing is close.

    >>> nearest("learning_rat", ["momentum", "learning_rate"])
    'learning_rate'
    """
    known = sorted(choice for choice in choices if len(choice) <= _COMPARED)[:_CHOICES]
    if len(word) > _COMPARED:
        return None
    close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    if close:
        return close[0]
    # A short part of a long name is not close in spelling.
    return next((choice for choice in known if len(word) >= _PART and word.lower() in choice.lower()), None)


def unknown(
    what: str, word: str, choices: Iterable[str], *, hint: str | None = None, where: str = ""
) -> UserError:
    """An error for a name that is not among the choices.

    Args:
        what: the name is of.
        word: the name.
        choices: all there are.
        hint: the one that was probably meant; None is the nearest.
        where: it is not to be found, with a preposition, such as "in mine.py".

    >>> print(unknown("recipe", "ptb-lsm", ["ptb-lstm", "imdb-lstm"]))
    There is no recipe 'ptb-lsm'. Nearest: 'ptb-lstm'. Known: imdb-lstm, ptb-lstm.
    >>> print(unknown("argument", "size", [], where="of mine.py:Net"))
    There is no argument 'size' of mine.py:Net. Known: none.
    """
    known = sorted(choices)
    hint = hint or nearest(word, known)
    middle = f" Nearest: {hint!r}." if hint else ""
    whole = f"There is no {what} {word!r}{' ' if where else ''}{where}."
    return UserError(f"{whole}{middle} Known: {', '.join(known) or 'none'}.")
