"""Every setting of a table with its value, its default and its sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from seqlab.schema.config import Config, config_class, is_none
from seqlab.schema.settings import format_setting


@dataclass(frozen=True)
class DescribedSetting:
    """A setting of a class, or of the kinds that a table chooses.

    value: None where it is none or missing. default: None where there is none, or that is none. missing: it
    must be given, and is not. meaning: its docstring, in one line.
    """

    key: str
    value: Any
    default: Any
    missing: bool
    meaning: str

    @property
    def changed(self) -> bool:
        """Whether the value is not the default."""
        return not self.missing and differ(self.value, self.default)


def described(cls: type[Config], table: Mapping[str, Any]) -> Iterator[DescribedSetting]:
    """Every setting that a table has or could have; it need not be complete.

    Raises:
        UserError: the table lacks a kind that has no default, or names one that does not exist.
    """
    return _described(cls, table, None, "")


def differ(value: Any, other: Any) -> bool:
    """Whether two values of a setting differ; a tuple is equal to a list, and None to the text "none"."""
    return value != other and format_setting(_plain(value)) != format_setting(_plain(other))


def _described(
    cls: type[Config], table: Mapping[str, Any], default: Config | None, above: str
) -> Iterator[DescribedSetting]:
    for name, field in cls.model_fields.items():
        key, given = above + name, table.get(name)
        usual = _default(field, name, default)
        inner = config_class(field, given, key)
        if inner is None:
            yield _setting(key, field, given, usual, missing=name not in table and usual is ...)
        else:
            below = given if isinstance(given, Mapping) else {}
            yield from _described(inner, below, usual if type(usual) is inner else None, f"{key}.")


def _default(field: FieldInfo, name: str, default: Config | None) -> Any:
    """The value of a field that is not given; ... where it must be given."""
    if default is not None:
        return getattr(default, name)
    return ... if field.is_required() else field.get_default(call_default_factory=True)


def _setting(key: str, field: FieldInfo, given: Any, usual: Any, *, missing: bool) -> DescribedSetting:
    usual = None if usual is ... else _plain(usual)
    value = usual if given is None else None if is_none(field, given) else _plain(given)
    meaning = " ".join((field.description or "").split())
    return DescribedSetting(key, value, usual, missing, meaning)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
