"""What is printed where a command line cannot be parsed, with a hint on what was probably meant."""

from __future__ import annotations

from cyclopts import (
    CycloptsError,
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

_OPTION_HINT = (
    "--help lists options. Settings are written without dashes, as in training.epochs=3; "
    "texts that begin with a dash follow ` -- `, as in: seqlab predict RUN -- '-5 degrees'."
)
_VALUE_HINT = "A value that begins with a dash follows an equals sign, as in --prompt=-x."


def usage_message(error: CycloptsError) -> str:
    """The message on a command line that is not understood."""
    match error:
        case UnknownOptionError():
            return f"{error} {_OPTION_HINT}"
        case UnknownCommandError(unused_tokens=[str(word), *_]) if word.startswith("-"):
            return f"{error} `seqlab --help` lists commands."
        case MissingArgumentError() if "parameter -" in str(error):
            return f"{error} {_VALUE_HINT}"
        case UnusedCliTokensError(unused_tokens=[_, *_] as words):
            return f"Only options may follow. Got {', '.join(map(repr, words))}. --help shows the arguments."
        case _:
            return str(error)
