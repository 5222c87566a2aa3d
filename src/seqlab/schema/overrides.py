"""Overrides of settings: `key=value`, parsed by the annotation of the setting's field."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from seqlab.schema import own_code
from seqlab.schema.config import (
    Config,
    Table,
    UnknownKeyError,
    config_class,
    is_none,
    is_table_list,
    names_of,
    plain_value,
    read_toml,
    registry_of,
)
from seqlab.schema.errors import UserError
from seqlab.schema.invalid_value import first_problem, sentence


def override(cls: type[Config], table: Mapping[str, Any], assignment: str) -> tuple[Table, str]:
    """Apply one `key=value` to a plain table.

    A new `kind` drops the settings of the old kind, because they belong to another class; the note names
    them. A key with a number is of a table of a list: `model.layers.0.filters`; the number after the last one
    adds a table.

    Returns:
        The new table, and a sentence about dropped settings ("" when there are none).

    Raises:
        UserError: no "=", an unknown key, or a value its field does not take.
    """
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise UserError(f"An override must be written key=value. Got {assignment!r}.")
    try:
        return _override(cls, table, key.strip().split("."), text, done=[])
    except UnknownKeyError as error:
        raise error.among(cls, table) from None


def _override(
    cls: type[Config], table: Mapping[str, Any], path: list[str], text: str, done: list[str]
) -> tuple[Table, str]:
    name, rest = path[0], path[1:]
    here = [*done, name]
    field = cls.model_fields.get(name)
    if field is None:
        raise UnknownKeyError(cls, ".".join([*done, *path]), ".".join(done))
    given, note = table.get(name), ""
    if is_table_list(field):
        value, note = _in_list(field, given, rest, text, here)
    elif rest != ["kind"] and config_class(field, given, ".".join(here)) is None:
        value = _plain(field, given, rest, text, here)
    else:
        value, note = _in_table(field, given, rest, text, here)
    return {**table, name: value}, note


def _plain(field: FieldInfo, given: Any, rest: Sequence[str], text: str, here: list[str]) -> Any:
    where = ".".join(here)
    if not _is_free(field):
        if rest:
            raise UserError(f"{where!r} is a single value. Got the key {'.'.join([*here, *rest])!r}.")
        return _from_text(field, text, where)
    if len(rest) != 1:
        raise UserError(f"{where!r} is a table: set one of its keys, as in {where}.size=64. Got {here}.")
    return {**(given or {}), rest[0]: _free_value(text)}


def _in_table(field: FieldInfo, given: Any, rest: list[str], text: str, here: list[str]) -> tuple[Table, str]:
    """A table with another setting; one without any before is the default one."""
    where, old = ".".join(here), dict(given or {})
    registry = registry_of(field)
    if rest == ["kind"] and registry is not None:
        registry[text]  # an unknown kind is an error here, with the nearest one
        return _with_kind(old, text, where)
    inner = config_class(field, given, where)
    if inner is None:
        raise UserError(f"{where!r} is a single value. Got the key {'.'.join([*here, *rest])!r}.")
    own = own_code.names_code(text)
    if not rest:
        hint = f" Nearest: {_own_code(where, text)}." if own else ""
        raise UserError(
            f"{where!r} is a table: set one of its keys, {names_of(inner, where)}. Got {where}={text}.{hint}"
        )
    takes_own = registry is not None and registry.takes_own_code and own
    if takes_own and rest == ["path"] and "path" not in inner.model_fields:
        raise UserError(f"'{where}.path' needs 'import' as '{where}.kind': {_own_code(where, text)}.")
    return _override(inner, old, rest, text, here)


def _in_list(
    field: FieldInfo, given: Any, rest: list[str], text: str, here: list[str]
) -> tuple[list[Any], str]:
    """A list of tables with another one, or with another setting in one of them."""
    where = ".".join(here)
    if not rest:
        return list(_list_from_text(text, where)), ""
    items = list(plain_value(field.get_default(call_default_factory=True)) if given is None else given)
    index, *inner = rest
    adds = inner == ["kind"]
    if not index.isdecimal() or int(index) >= len(items) + adds:
        has = f"has {len(items)} table{'s' * (len(items) != 1)}, numbered from 0" if items else "is empty"
        raise UserError(
            f"{where!r} {has}; {where}.{len(items)}.kind=KIND adds one. Got {'.'.join([*here, *rest])!r}."
        )
    before = items[int(index)] if int(index) < len(items) else None
    new, note = _in_table(field, before, inner, text, [*here, index])
    return [*items[: int(index)], new, *items[int(index) + 1 :]], note


def _with_kind(old: Table, kind: str, where: str) -> tuple[Table, str]:
    if old.get("kind") == kind:
        return old, ""
    dropped = ", ".join(key for key in old if key != "kind")
    note = f"{where}.kind is now {kind!r}; settings of {old.get('kind')!r} were dropped: {dropped}."
    return {"kind": kind}, note if dropped else ""


def _own_code(where: str, path: str) -> str:
    return f"{where}.kind=import {where}.path={path}"


def _from_text(field: FieldInfo, text: str, where: str) -> Any:
    """Read an override's text as the field's type, so that `column=1` stays text for a text field."""
    annotation: Any = field.annotation
    options = get_args(annotation)
    if is_none(field, text):
        return None
    value: Any = text
    # Lists are stored as tuples, because configs are frozen and hashable.
    if any(get_origin(option) is tuple for option in (annotation, *options)):
        value = _list_from_text(text, where)
    try:
        return TypeAdapter(annotation).validate_python(value, strict=False)
    except ValidationError as error:
        raise UserError(sentence(where, first_problem(error), text)) from None


def _is_free(field: FieldInfo) -> bool:
    """Whether a field is a table of any keys."""
    return get_origin(field.annotation) is dict


def _free_value(text: str) -> Any:
    """A value of a table of any keys: what TOML reads it as, else text.

    >>> [_free_value(text) for text in ("64", "0.5", "true", "[1, 2]", "relu", "")]
    [64, 0.5, True, [1, 2], 'relu', '']
    """
    try:
        value = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return value["value"] if len(value) == 1 else text


def _list_from_text(text: str, where: str) -> tuple[Any, ...]:
    if text.strip().startswith("["):
        found = read_toml(f"value = {text}", f"The value of {where!r}", "a list as TOML has it")
        return tuple(found["value"])
    return tuple(part.strip() for part in text.split(",") if part.strip())
