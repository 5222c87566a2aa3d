"""What may follow on an unfinished command line: commands, options, and what they apply to."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from seqlab.cli.completion_sources import ARGUMENTS, OPTIONS, Completion, one_line

if TYPE_CHECKING:
    from cyclopts import App, ArgumentCollection


def candidates(app: App, line: str) -> list[Completion]:
    """What may replace the last word of a line, which begins with the program's name.

    Args:
        app: the commands.
        line: what is written up to the cursor; after a space the last word is empty.

    Raises:
        UserError: a recipe or study on the line does not exist or has no such settings.
    """
    words = _words(line)[1:] or [""]
    path: list[str] = []
    while len(words) > 1 and words[0] in app:
        path.append(words.pop(0))
        app = app[path[-1]]
    found = _arguments(app, " ".join(path), words) if app.default_command else _commands(app, words[-1])
    return [one for one in found if one.text.startswith(words[-1])]


def shell_lines(found: Iterable[Completion], shell: str, line: str) -> list[str]:
    """A line for each candidate, as the script of the shell reads it."""
    if shell == "fish":
        return [f"{one.text}\t{one.about}" if one.about else one.text for one in found]
    if shell == "zsh":
        escaped = [(one.text.replace(":", "\\:"), one.about) for one in found]
        return [f"{text}:{about}" if about else text for text, about in escaped]
    # Bash replaces only what follows the last equals sign or colon, at which it divides words.
    word = _words(line)[-1]
    begin = max(word.rfind("="), word.rfind(":")) + 1
    return [one.text[begin:] for one in found]


def _words(line: str) -> list[str]:
    """The words as a shell reads them; the last one may be empty, or in a quote that is still open."""
    for closing in ("", "'", '"', "\\"):
        try:
            words = shlex.split(line + closing)
        except ValueError:
            continue
        return [*words, ""] if not words or (not closing and line[-1].isspace()) else words
    return line.split(" ")


def _commands(app: App, word: str) -> Iterable[Completion]:
    if word.startswith("-"):
        return map(Completion, (*app.help_flags, *app.version_flags))
    return [Completion(name, one_line(app[name].help)) for name in app if not name.startswith("-")]


def _arguments(app: App, command: str, words: Sequence[str]) -> Iterable[Completion]:
    """Candidates for the last word of what follows a command."""
    known = app.assemble_argument_collection(default_parameter=app.default_parameter, parse_docstring=True)
    option, positional = _read(known, words[:-1])
    if option is not None:
        return _values(known, option, positional)
    name, equals, _ = words[-1].partition("=")
    if name.startswith("-") and "--" not in words[:-1]:
        values = _values(known, name, positional) if equals else []
        return [Completion(f"{name}={one.text}", one.about) for one in values] or _options(app, known)
    sources = ARGUMENTS[command]
    if not sources:
        return []
    source = sources[min(len(positional), len(sources) - 1)]
    return [one for one in source(positional, words[-1]) if one.text not in positional]


def _read(known: ArgumentCollection, words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The option that still lacks its value, and the arguments that are no options."""
    takes_value = {name: argument.hint is not bool for argument in known for name in argument.names}
    option: str | None = None
    positional: list[str] = []
    for word in words:
        if option is not None:
            option = None
        elif takes_value.get(word, False) and word.startswith("-"):
            option = word
        elif not word.startswith("-"):
            positional.append(word)
    return option, positional


def _values(known: ArgumentCollection, option: str, positional: Sequence[str]) -> list[Completion]:
    declared = [argument.get_choices() or () for argument in known if option in argument.names]
    choices = [Completion(choice) for found in declared for choice in found]
    return choices if choices or option not in OPTIONS else list(OPTIONS[option](positional, ""))


def _options(app: App, known: ArgumentCollection) -> list[Completion]:
    named = [(name, argument) for argument in known for name in argument.names if name.startswith("-")]
    flags = [Completion(name, one_line(argument.parameter.help)) for name, argument in named]
    return [*flags, *map(Completion, app.help_flags)]
