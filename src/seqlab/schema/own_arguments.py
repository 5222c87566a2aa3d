"""The arguments of the user's own functions and classes: read from signatures, checked before a call."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from seqlab.schema.errors import nearest, unknown
from seqlab.schema.own_code import OwnCode, OwnCodeError


def read_parameters(code: OwnCode, function: Any) -> dict[str, inspect.Parameter]:
    """The parameters of a function or class, without `*args`.

    Raises:
        OwnCodeError: they cannot be read.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise OwnCodeError(f"{code.label} must have arguments that can be read. Got: {error}.") from None
    return {name: each for name, each in parameters.items() if each.kind is not each.VAR_POSITIONAL}


def call_arguments(
    code: OwnCode,
    given: Mapping[str, Any],
    *,
    key: str,
    offered: Mapping[str, Any] | None = None,
    first: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The arguments by name with which code is called: those given, and those offered that it has.

    Args:
        code: a function or class.
        given: what the user has set.
        key: of the setting with the arguments, for messages.
        offered: further arguments, each used if there is one of its name.
        first: what is given by position, before the others, for messages.

    Raises:
        OwnCodeError: an argument is unknown or missing.
    """
    parameters = read_parameters(code, code.value)
    by_position = [name for name, each in parameters.items() if each.kind in _POSITIONAL][: len(first)]
    if len(by_position) < len(first):
        raise OwnCodeError(
            f"{code.label} must take {' and '.join(first)} as its first arguments. "
            f"Got the arguments {', '.join(parameters) or 'none'}."
        )
    rest = {name: each for name, each in parameters.items() if name not in by_position}
    names = [name for name, each in rest.items() if each.kind is not each.VAR_KEYWORD]
    for name in given:
        if name not in names and (len(names) == len(rest) or name in by_position):
            raise OwnCodeError(str(unknown("argument", name, names, where=f"of {code.label}")))
    arguments = {**{name: offered[name] for name in names if offered and name in offered}, **given}
    for name in names:
        if name not in arguments and rest[name].default is inspect.Parameter.empty:
            hint = nearest(name, given)
            got = f"only {', '.join(arguments)}" if arguments else "none"
            raise OwnCodeError(
                f"{code.label} must be given its argument {name!r}: {key}.{name}=VALUE. Got {got}."
                f"{f' Nearest: {hint!r}.' if hint else ''}"
            )
    return arguments


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
