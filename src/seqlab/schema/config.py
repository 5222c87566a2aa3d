"""Strict configuration: frozen pydantic models, TOML tables, `key=value` overrides.

A config is parsed from plain tables. Where a field is marked `ByKind`, the table's `kind`
picks the class, so errors can name the full key as the user typed it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args, get_origin

import tomli_w
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from seqlab.schema import own_code
from seqlab.schema.errors import UserError, nearest
from seqlab.schema.nearest_key import nearest_keys
from seqlab.schema.registry import ByKind, Registry

Table = dict[str, Any]
AnyConfig = TypeVar("AnyConfig", bound="Config")
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


class UnknownKeyError(UserError):
    """A key that a class of settings does not have.

    Args:
        cls: the settings that lack it.
        key: the full one.
        parent: key of the table that lacks it.
        known: every full key there is, from which the nearest is picked; () for those of `cls`.
    """

    def __init__(self, cls: type[Config], key: str, parent: str, known: Sequence[str] = ()):
        hints = nearest_keys(key, known or [_join(parent, name) for name in cls.model_fields])
        middle = f" Nearest: {' or '.join(map(repr, hints))}." if hints else ""
        of = f" of {parent!r}" if parent else ""
        super().__init__(f"There is no setting {key!r}.{middle} Settings{of}: {_names(cls, '')}.")
        self._cls, self._key, self._parent = cls, key, parent

    def among(self, cls: type[Config], table: Mapping[str, Any], where: str = "") -> UnknownKeyError:
        """The same error with the nearest of all keys that the whole table may have."""
        try:
            known = [key for key, _ in fields(cls, table, where)]
        except UserError:
            return self
        # A table is no key itself, but nearer to its misspelt name than any of its settings.
        known += [_join(where, name) for name in cls.model_fields]
        return UnknownKeyError(self._cls, self._key, self._parent, known)


class Config(BaseModel):
    """Base of every config: frozen, no unknown keys, no NaN; each field has a docstring."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def parse(cls: type[AnyConfig], table: Mapping[str, Any], where: str = "") -> AnyConfig:
    """Build a config from a plain table.

    Args:
        cls: class of the config.
        table: keys and plain values, as TOML gives them; "none" is None where a setting may be None.
        where: the key of the table itself, for messages.

    Raises:
        UserError: a key is unknown, missing, or its value is not valid.
    """
    try:
        return _parse(cls, table, where)
    except UnknownKeyError as error:
        raise error.among(cls, table, where) from None


def _parse(cls: type[AnyConfig], table: Mapping[str, Any], where: str) -> AnyConfig:
    # Tables become configs before pydantic sees them, so that errors name the full key.
    values: Table = {}
    for key, value in table.items():
        field = cls.model_fields.get(key)
        if field is None:
            raise UnknownKeyError(cls, _join(where, key), where)
        values[key] = _parse_field(field, value, _join(where, key))
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise _invalid(cls, error, where) from None


def plain(config: Config) -> Table:
    """The config as a plain table that `parse` reads back; fields that are None are left out."""
    table: Table = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, Config):
            table[name] = plain(value)
        elif value is not None:
            table[name] = list(value) if isinstance(value, tuple) else value
    return table


def to_toml(config: Config) -> str:
    """The config as TOML text."""
    return tomli_w.dumps(plain(config))


def canonical(config: Config) -> str:
    """One line of JSON with sorted keys, from which fingerprints are computed."""
    return json.dumps(plain(config), sort_keys=True, allow_nan=False)


def marked(config: Config, mark: type[Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The settings whose fields carry a mark of a class, by their full keys, with their values."""
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, Config):
            yield from marked(value, mark, f"{above}{name}.")
        elif any(isinstance(each, mark) for each in field.metadata):
            yield above + name, value


def replaced(config: AnyConfig, values: Mapping[str, Any]) -> AnyConfig:
    """The config with other values under full keys; they are not checked.

    A key that ends in a number is an item of a list.
    """
    update: Table = {}
    for key, value in values.items():
        name, _, rest = key.partition(".")
        old = update.get(name, getattr(config, name))
        if rest and isinstance(old, tuple):
            update[name] = (*old[: int(rest)], value, *old[int(rest) + 1 :])
        else:
            update[name] = replaced(old, {rest: value}) if rest else value
    return config.model_copy(update=update)


def read_toml(text: str, source: str) -> Table:
    """Parse TOML; `source` is named in the error.

    Raises:
        UserError: the text is not TOML.
    """
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise UserError(f"{source} must be a TOML file: {error}.") from None
    except RecursionError:
        raise UserError(f"{source} must be a TOML file. Got values nested too deeply to be read.") from None


def override(cls: type[Config], table: Mapping[str, Any], assignment: str) -> tuple[Table, str]:
    """Apply one `key=value` to a plain table.

    The text is parsed by the field's annotation. A new `kind` drops the settings of the old kind, because
    they belong to another class; the note names them.

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


def fields(cls: type[Config], table: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    """Every key that can be set, with its field; the kinds in the table decide which keys there are."""
    for name, field in cls.model_fields.items():
        inner = config_class(field, table.get(name), _join(where, name))
        if inner is None:
            yield _join(where, name), field
        else:
            below = table.get(name)
            yield from fields(inner, below if isinstance(below, Mapping) else {}, _join(where, name))


def _own_code(where: str, path: str) -> str:
    return f"{where}.kind=import {where}.path={path}"


def _override(
    cls: type[Config], table: Mapping[str, Any], path: list[str], text: str, done: list[str]
) -> tuple[Table, str]:
    name, rest = path[0], path[1:]
    where = ".".join([*done, name])
    field = cls.model_fields.get(name)
    if field is None:
        raise UnknownKeyError(cls, ".".join([*done, *path]), ".".join(done))
    inner = config_class(field, table.get(name), where)
    if inner is None and _is_free(field):
        if len(rest) != 1:
            raise UserError(f"{where!r} is a table: set one of its keys, as in {where}.size=64. Got {path}.")
        return {**table, name: {**(table.get(name) or {}), rest[0]: _free_value(text)}}, ""
    if inner is None:
        if rest:
            raise UserError(f"{where!r} is a single value. Got the key {'.'.join([*done, *path])!r}.")
        return {**table, name: _from_text(field, text, where)}, ""
    if not rest:
        hint = f" Nearest: {_own_code(where, text)}." if own_code.names_code(text) else ""
        raise UserError(
            f"{where!r} is a table: set one of its keys, {_names(inner, where)}. Got {where}={text}.{hint}"
        )
    old = dict(table.get(name) or {})
    registry = registry_of(field)
    own = registry is not None and registry.takes_own_code and own_code.names_code(text)
    if own and rest == ["path"] and "path" not in inner.model_fields:
        raise UserError(f"'{where}.path' needs 'import' as '{where}.kind': {_own_code(where, text)}.")
    if rest == ["kind"] and registry is not None:
        registry[text]  # an unknown kind is an error here, with the nearest one
        return _change_kind(table, name, old, text, where)
    new, note = _override(inner, old, rest, text, [*done, name])
    return {**table, name: new}, note


def _change_kind(table: Mapping[str, Any], name: str, old: Table, kind: str, where: str) -> tuple[Table, str]:
    if old.get("kind") == kind:
        return dict(table), ""
    dropped = ", ".join(key for key in old if key != "kind")
    note = f"{where}.kind is now {kind!r}; settings of {old.get('kind')!r} were dropped: {dropped}."
    return {**table, name: {"kind": kind}}, note if dropped else ""


def _parse_field(field: FieldInfo, value: Any, where: str) -> Any:
    if is_none(field, value):
        return None
    inner = None if value is None else config_class(field, value, where)
    if inner is None or isinstance(value, Config):
        # Adding zero makes 0 of -0, which would be another text and another run.
        value = value + 0.0 if isinstance(value, float) else value
        return tuple(value) if isinstance(value, list) else value
    if not isinstance(value, Mapping):
        raise UserError(f"{where!r} must be a table. Got {value!r}.")
    return _parse(inner, {**_defaults(field, inner), **value}, where)


def is_none(field: FieldInfo, value: Any) -> bool:
    """Whether a value is the text "none" of a setting that may be None: TOML has no null."""
    return isinstance(value, str) and value.lower() == "none" and type(None) in get_args(field.annotation)


def _defaults(field: FieldInfo, inner: type[Config]) -> Table:
    """Settings of the field's default value, which a table of the same class extends."""
    default = field.get_default(call_default_factory=True)
    return plain(default) if type(default) is inner else {}


def config_class(field: FieldInfo, value: Any, where: str) -> type[Config] | None:
    """The config class a field holds, or None for a plain value."""
    registry = registry_of(field)
    if registry is not None:
        return _class_by_kind(field, registry, value, where)
    options = get_args(field.annotation) or (field.annotation,)
    return next(
        (option for option in options if isinstance(option, type) and issubclass(option, Config)), None
    )


def _class_by_kind(field: FieldInfo, registry: Any, value: Any, where: str) -> type[Config]:
    if isinstance(value, Mapping) and "kind" in value:
        kind = value["kind"]
        if not isinstance(kind, str):
            raise UserError(f"'{where}.kind' must be text. Got {kind!r}.")
        return registry[kind]
    default = field.get_default(call_default_factory=True)
    if isinstance(default, Config):
        return type(default)
    raise UserError(f"'{where}.kind' must be given: one of {', '.join(registry)}.")


def registry_of(field: FieldInfo) -> Registry | None:
    """The registry from which a field's kind is chosen; None where it is not."""
    return next((mark.registry for mark in field.metadata if isinstance(mark, ByKind)), None)


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
        raise UserError(_sentence(where, _first(error), text)) from None


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
        return tuple(read_toml(f"value = {text}", f"The value of {where!r}")["value"])
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _invalid(cls: type[Config], error: ValidationError, where: str) -> UserError:
    first = _first(error)
    key = _join(where, str(first["loc"][0])) if first["loc"] else where
    if first["type"] == "missing":
        return UserError(f"{key!r} must be given: {_meaning(cls, key)}")
    return UserError(_sentence(key, first, first.get("input")))


def _first(error: ValidationError) -> Any:
    """The first problem; of a setting that is a name or code, the one of what was probably meant."""
    first, *others = error.errors()
    if first["type"] == "literal_error" and ".py" in str(first.get("input")):
        return next((each for each in others if each["loc"][:1] == first["loc"][:1]), first)
    return first


def _sentence(where: str, problem: Any, got: Any) -> str:
    reason = problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if problem["type"] == "literal_error":
        choices = [part.strip(" '") for part in problem["ctx"]["expected"].replace(" or ", ",").split(",")]
        hint = nearest(str(got), choices)
        reason = f"must be one of {', '.join(choices)}"
        return f"{where!r} {reason}. Got {got!r}.{f' Nearest: {hint!r}.' if hint else ''}"
    if problem["type"] == "too_short":
        return f"{where!r} must have at least {problem['ctx']['min_length']} item. Got {len(got)}."
    # Raised by a config's own validator, whose message is complete.
    if problem["type"] == "value_error":
        return f"{where + ': ' if where else ''}{reason}"
    expected = next((words for words, types in _EXPECTED.items() if problem["type"] in types), None)
    if expected is not None:
        one = any(isinstance(part, int) for part in problem["loc"])
        return f"{'each value of ' if one else ''}{where!r} must be {expected}. Got {got!r}."
    reason = reason[0].lower() + reason[1:].replace("Input", "").strip()
    reason = reason.removeprefix("input ").removeprefix("string ").removeprefix("should ")
    reason = reason if reason.startswith("must") else f"must {reason}"
    return f"{where!r} {reason}. Got {got!r}."


def _meaning(cls: type[Config], key: str) -> str:
    field = cls.model_fields.get(key.rpartition(".")[2])
    return (field.description if field is not None else None) or "no default exists."


def _names(cls: type[Config], where: str) -> str:
    return ", ".join(_join(where, name) for name in cls.model_fields)


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
