"""Strict configuration: frozen pydantic models, read from TOML tables.

A config is parsed from plain tables. Where a field is marked `ByKind`, the table's `kind`
picks the class, so errors can name the full key as the user typed it. A field may also be a list of such
tables, each of a kind of its own: `layers: Annotated[tuple[LayerConfig, ...], ByKind(LAYERS)]`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from seqlab.schema.errors import UserError
from seqlab.schema.invalid_value import invalid, join
from seqlab.schema.nearest_key import nearest_keys
from seqlab.schema.registry import ByKind, Registry

Table = dict[str, Any]
AnyConfig = TypeVar("AnyConfig", bound="Config")


class UnknownKeyError(UserError):
    """A key that a class of settings does not have.

    Args:
        cls: the settings that lack it.
        key: the full one.
        parent: key of the table that lacks it.
        known: every full key there is, from which the nearest is picked; () for those of `cls`.
    """

    def __init__(self, cls: type[Config], key: str, parent: str, known: Sequence[str] = ()):
        hints = nearest_keys(key, known or [join(parent, name) for name in cls.model_fields])
        middle = f" Nearest: {' or '.join(map(repr, hints))}." if hints else ""
        of = f" of {parent!r}" if parent else ""
        super().__init__(f"There is no setting {key!r}.{middle} Settings{of}: {names_of(cls, '')}.")
        self._cls, self._key, self._parent = cls, key, parent

    def among(self, cls: type[Config], table: Mapping[str, Any], where: str = "") -> UnknownKeyError:
        """The same error with the nearest of all keys that the whole table may have."""
        try:
            known = [key for key, _ in fields(cls, table, where)]
        except UserError:
            return self
        # A table is no key itself, but nearer to its misspelt name than any of its settings.
        known += [join(where, name) for name in cls.model_fields]
        return UnknownKeyError(self._cls, self._key, self._parent, known)


class Config(BaseModel):
    """Base of every config: frozen, no unknown keys, no NaN; each field has a docstring."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


@dataclass(frozen=True)
class AddedLater:
    """Marks a setting that earlier runs did not have: its default is no part of fingerprints, so theirs stay.

    `NAME: Annotated[float, AddedLater()] = 0.0`, where the default changes no number of a run.
    """


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
            raise UnknownKeyError(cls, join(where, key), where)
        values[key] = _parse_field(field, value, join(where, key))
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise invalid(cls, error, where) from None


def plain(config: Config, *, whole: bool = True) -> Table:
    """The config as a plain table that `parse` reads back; fields that are None are left out.

    Args:
        config: what is written.
        whole: whether settings `AddedLater` are in it where they have their defaults.
    """
    values = {
        name: value
        for name, field in type(config).model_fields.items()
        if (value := getattr(config, name)) is not None and (whole or not _is_added_default(field, value))
    }
    return {name: plain_value(value, whole=whole) for name, value in values.items()}


def plain_value(value: Any, *, whole: bool = True) -> Any:
    """A setting's value in a plain table: tables and lists for configs and tuples; see `plain`."""
    if isinstance(value, Config):
        return plain(value, whole=whole)
    return [plain_value(item, whole=whole) for item in value] if isinstance(value, tuple) else value


def _is_added_default(field: FieldInfo, value: Any) -> bool:
    return any(isinstance(mark, AddedLater) for mark in field.metadata) and value == field.default


def nested(key: str, value: Any) -> Iterator[tuple[str, Config]]:
    """The configs that a setting's value is or has in a list, by their full keys."""
    if isinstance(value, Config):
        yield key, value
    elif isinstance(value, tuple):
        yield from ((f"{key}.{i}", item) for i, item in enumerate(value) if isinstance(item, Config))


def to_toml(config: Config) -> str:
    """The config as TOML text."""
    return tomli_w.dumps(plain(config))


def canonical(config: Config) -> str:
    """One line of JSON with sorted keys, from which fingerprints are computed; see `AddedLater`."""
    return json.dumps(plain(config, whole=False), sort_keys=True, allow_nan=False)


def marked(config: Config, mark: type[Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The settings whose fields carry a mark of a class, by their full keys, with their values."""
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if any(isinstance(each, mark) for each in field.metadata):
            yield above + name, value
        for key, inner in nested(above + name, value):
            yield from marked(inner, mark, f"{key}.")


def replaced(config: AnyConfig, values: Mapping[str, Any]) -> AnyConfig:
    """The config with other values under full keys; they are not checked.

    A number in a key is the index of an item of a list.
    """
    update: Table = {}
    for key, value in values.items():
        name, _, rest = key.partition(".")
        old = update.get(name, getattr(config, name))
        if rest and isinstance(old, tuple):
            index, _, inner = rest.partition(".")
            item = replaced(old[int(index)], {inner: value}) if inner else value
            update[name] = (*old[: int(index)], item, *old[int(index) + 1 :])
        else:
            update[name] = replaced(old, {rest: value}) if rest else value
    return config.model_copy(update=update)


def read_toml(text: str, source: str, what: str = "a TOML file") -> Table:
    """Parse TOML; the error names `source` and what it must be.

    Raises:
        UserError: the text is not TOML.
    """
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise UserError(f"{source} must be {what}: {error}.") from None
    except RecursionError:
        raise UserError(f"{source} must be {what}. Got values nested too deeply to be read.") from None


def fields(cls: type[Config], table: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    """Every key that can be set, with its field; the kinds in the table decide which keys there are."""
    for name, field in cls.model_fields.items():
        tables = tables_of(field, table.get(name), join(where, name))
        if tables is None:
            yield join(where, name), field
        for key, (inner, below) in (tables or {}).items():
            yield from fields(inner, below if isinstance(below, Mapping) else {}, key)


def tables_of(field: FieldInfo, value: Any, where: str) -> dict[str, tuple[type[Config], Any]] | None:
    """The tables below a setting, by their full keys: class and value; None where it is a plain value.

    An empty list of tables is a plain value.
    """
    if is_table_list(field):
        default = plain_value(field.get_default(call_default_factory=True))
        items = value if isinstance(value, list | tuple) else default
        keys = [f"{where}.{i}" for i in range(len(items))]
        found = {key: (config_class(field, item, key), item) for key, item in zip(keys, items, strict=True)}
        return {key: (inner, item) for key, (inner, item) in found.items() if inner is not None} or None
    inner = config_class(field, value, where)
    return None if inner is None else {where: (inner, value)}


def _parse_field(field: FieldInfo, value: Any, where: str) -> Any:
    if is_none(field, value):
        return None
    if is_table_list(field):
        return _parse_list(field, value, where)
    inner = None if value is None else config_class(field, value, where)
    if inner is None or isinstance(value, Config):
        # Adding zero makes 0 of -0, which would be another text and another run.
        value = value + 0.0 if isinstance(value, float) else value
        return tuple(value) if isinstance(value, list) else value
    if not isinstance(value, Mapping):
        raise UserError(f"{where!r} must be a table. Got {value!r}.")
    return _parse(inner, {**_defaults(field, inner), **value}, where)


def _parse_list(field: FieldInfo, value: Any, where: str) -> tuple[Config, ...]:
    if isinstance(value, Mapping) and list(value) == [str(index) for index in range(len(value))]:
        value = list(value.values())  # keys with numbers, over a base that has no such list
    elif isinstance(value, Mapping) and value and all(key.isdecimal() for key in value):
        raise UserError(
            f"{where!r} must be a list of tables, numbered from 0 without gaps. Got {where}.{min(value)}."
        )
    if not isinstance(value, list | tuple):
        raise UserError(f"{where!r} must be a list of tables. Got {value!r}.")
    return tuple(_parse_item(field, item, f"{where}.{i}") for i, item in enumerate(value))


def _parse_item(field: FieldInfo, value: Any, where: str) -> Config:
    if isinstance(value, Config):
        return value
    if not isinstance(value, Mapping):
        raise UserError(f"{where!r} must be a table. Got {value!r}.")
    inner = config_class(field, value, where)
    assert inner is not None, "a list of tables has kinds"
    return _parse(inner, value, where)


def is_table_list(field: FieldInfo) -> bool:
    """Whether a field is a list of tables, each of which chooses its kind."""
    return get_origin(field.annotation) is tuple and registry_of(field) is not None


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


def names_of(cls: type[Config], where: str) -> str:
    """The full keys of a class of settings in a table, for a sentence."""
    return ", ".join(join(where, name) for name in cls.model_fields)
