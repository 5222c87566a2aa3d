"""Sentences about values that settings do not take."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any

from pydantic import BaseModel, ValidationError

from seqlab.schema.errors import UserError, nearest

_EXPECTED = {
    "an integer": ("int_type", "int_parsing", "int_from_float"),
    "an integer of fewer digits": ("int_parsing_size",),
    "a number": ("float_type", "float_parsing"),
    "true or false": ("bool_type", "bool_parsing"),
    "text": ("string_type",),
    "a list": ("tuple_type", "list_type"),
    "a table": ("dict_type",),
}
"""What a value must be, by pydantic's types of error."""


def invalid(cls: type[BaseModel], error: ValidationError, where: str) -> UserError:
    """The error for a table that is not valid.

    Args:
        cls: class of its settings.
        error: what was found wrong.
        where: the key of the table; "" for the outermost one.
    """
    first = first_problem(error)
    key = join(where, str(first["loc"][0])) if first["loc"] else where
    if first["type"] == "missing":
        return UserError(f"{key!r} must be given: {_meaning(cls, key)}")
    return UserError(sentence(key, first, first.get("input"), names=cls.model_fields, table=where))


def first_problem(error: ValidationError) -> Any:
    """The first problem; of a setting that is a name or code, the one of what was probably meant."""
    first, *others = error.errors()
    if first["type"] == "literal_error" and ".py" in str(first.get("input")):
        return next((each for each in others if each["loc"][:1] == first["loc"][:1]), first)
    return first


def sentence(where: str, problem: Any, got: Any, *, names: Container[str] = (), table: str = "") -> str:
    """What must hold of a setting, what it got, and the nearest valid choice.

    Args:
        where: its full key.
        problem: one of a validation error's.
        got: the value, as it was typed.
        names: of the settings of its table.
        table: the full key of the table.
    """
    reason = problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if problem["type"] == "literal_error":
        choices = [part.strip(" '") for part in problem["ctx"]["expected"].replace(" or ", ",").split(",")]
        hint = nearest(str(got), choices)
        reason = f"must be one of {', '.join(choices)}"
        return f"{where!r} {reason}. Got {got!r}.{f' Nearest: {hint!r}.' if hint else ''}"
    if problem["type"] == "too_short":
        least = problem["ctx"]["min_length"]
        return f"{where!r} must have at least {least} item{'s' * (least > 1)}. Got {len(got)}."
    if problem["type"] == "value_error":
        return _of_validator(reason, where, names, table)
    expected = next((words for words, types in _EXPECTED.items() if problem["type"] in types), None)
    if expected is not None:
        one = any(isinstance(part, int) for part in problem["loc"])
        return f"{'each value of ' if one else ''}{where!r} must be {expected}. Got {got!r}."
    reason = reason[0].lower() + reason[1:].replace("Input", "").strip()
    reason = reason.removeprefix("input ").removeprefix("string ").removeprefix("should ")
    reason = reason if reason.startswith("must") else f"must {reason}"
    return f"{where!r} {reason}. Got {got!r}."


def _of_validator(reason: str, where: str, names: Container[str], table: str) -> str:
    """The message of a config's own validator, which is complete but for the key of the table.

    It names its settings without the table, before what it got and in the nearest choices; what it got may
    be any text, even the name of a setting.
    """
    if reason.startswith("must "):
        return f"{where!r} {reason}"

    def full(match: re.Match[str]) -> str:
        return join(table, match[0]) if match[0] in names else match[0]

    quoted, assigned = r"(?<=')\w+(?=[.'])", r"(?<![\w.'])\w+(?= ?=)"
    required, _, rest = reason.partition(" Got ")
    got, nearest, choices = rest.partition(" Nearest: ")
    choices = re.sub(f"{quoted}|{assigned}", full, choices)
    whole = re.sub(quoted, full, required) + (f" Got {got}" if rest else "") + nearest + choices
    return whole if not where or f"'{where}" in whole else f"{where}: {whole}"


def _meaning(cls: type[BaseModel], key: str) -> str:
    field = cls.model_fields.get(key.rpartition(".")[2])
    return (field.description if field is not None else None) or "no default exists."


def join(where: str, name: str) -> str:
    """The full key of a setting of a table; "" is the outermost one."""
    return f"{where}.{name}" if where else name
