"""Every setting of a table with its value, its default and its sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from seqlab.schema.config import Config, is_none, is_table_list, plain_value, tables_of
from seqlab.schema.settings import format_setting

MUST_BE_GIVEN = "must be given"


@dataclass(frozen=True)
class DescribedSetting:
    """A setting of a class, or of the kinds that a table chooses.

    value: None where it is none or absent. default: None where there is none, or that is none. meaning: its
    docstring, in one line. absent: why there is no value, as a predicate; "" where there is one. item: the
    key of the table of a list that has the setting, as in `model.layers.0`; "" where no list has it.
    """

    key: str
    value: Any
    default: Any
    meaning: str
    absent: str = ""
    item: str = ""

    @property
    def changed(self) -> bool:
        """Whether the value is not the default."""
        return not self.absent and differ(self.value, self.default)


def described(cls: type[Config], table: Mapping[str, Any]) -> Iterator[DescribedSetting]:
    """Every setting that a table has or could have; it need not be complete.

    Raises:
        UserError: the table lacks a kind that has no default, or names one that does not exist.
    """
    return _described(cls, table, None, "")


class BaseSettings:
    """The settings of a base, with which others are compared."""

    def __init__(self, settings: Iterable[DescribedSetting]):
        self._by_key = {setting.key: setting for setting in settings}
        self._items = {setting.item: None for setting in self._by_key.values() if setting.item}

    def has_table(self, setting: DescribedSetting) -> bool:
        """Whether the base has a table of a list with the setting, or no list has it."""
        return not setting.item or setting.item in self._items

    def value(self, setting: DescribedSetting) -> Any:
        """The value in the base; the default where the base has no such setting, as it is of another kind."""
        old = self._by_key.get(setting.key)
        return setting.default if old is None or old.absent else old.value

    def differs(self, setting: DescribedSetting) -> bool:
        """Whether a setting is not that of the base."""
        return not self.has_table(setting) or differ(setting.value, self.value(setting))

    def items_without(self, settings: Sequence[DescribedSetting]) -> list[str]:
        """The keys of the tables of lists that only the base has."""
        now = {setting.item for setting in settings}
        lists = {item.rpartition(".")[0] for item in now} | {
            setting.key for setting in settings if setting.value == []
        }
        return [item for item in self._items if item not in now and item.rpartition(".")[0] in lists]


def differ(value: Any, other: Any) -> bool:
    """Whether two values of a setting differ; a tuple is equal to a list, and None to the text "none"."""
    return value != other and format_setting(plain_value(value)) != format_setting(plain_value(other))


def _described(
    cls: type[Config], table: Mapping[str, Any], default: Config | None, above: str, item: str = ""
) -> Iterator[DescribedSetting]:
    for name, field in cls.model_fields.items():
        key, usual = above + name, _default(field, name, default)
        given = table.get(name, usual)
        # A table that may be left out, and is.
        none = given is None or is_none(field, given)
        tables = None if none else tables_of(field, None if given is ... else given, key)
        if tables is None:
            yield _setting(key, field, None if none else given, usual, item)
        for full, (inner, value) in (tables or {}).items():
            below = value if isinstance(value, Mapping) else {}
            within = full if is_table_list(field) else item
            yield from _described(inner, below, usual if type(usual) is inner else None, f"{full}.", within)


def _default(field: FieldInfo, name: str, default: Config | None) -> Any:
    """The value of a field that is not given; ... where it must be given."""
    if default is not None:
        return getattr(default, name)
    return ... if field.is_required() else field.get_default(call_default_factory=True)


def _setting(key: str, field: FieldInfo, value: Any, usual: Any, item: str) -> DescribedSetting:
    meaning = " ".join((field.description or "").split())
    value, usual = plain_value(value), plain_value(usual)
    absent = MUST_BE_GIVEN if value is ... else ""
    usual = None if usual is ... else usual
    return DescribedSetting(key, None if absent else value, usual, meaning, absent, item)
