"""Names of the architectures that a study compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seqlab.schema.config import Table
from seqlab.schema.settings import format_setting


def architecture_names(models: Sequence[Table], architectures: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for each: its cell, code or kind; of two that share it, recipe or settings.

    Args:
        models: settings of an example of each architecture.
        architectures: the values of the axes that define each.

    >>> architecture_names([{"kind": "rnn", "cell": "gru"}, {"kind": "transformer"}], [{}, {}])
    ['gru', 'transformer']
    >>> architecture_names([{"kind": "rnn"}] * 2, [{"base": "a", "layers": 2}, {"base": "b", "layers": 2}])
    ['a, 2', 'b, 2']
    """
    names = [_name(model) for model in models]
    for write in (_short, format_setting):
        if len(set(names)) == len(names):
            break
        names = [", ".join(map(write, architecture.values())) for architecture in architectures]
    return _without_shared_settings(names)


def _name(model: Table) -> str:
    return format_setting(model.get("cell") or model.get("path") or model["kind"])


def _short(value: Any) -> str:
    """The value of an axis in an architecture's name; a table's kind where it has one."""
    return str(value["kind"]) if isinstance(value, dict) and "kind" in value else format_setting(value)


def _without_shared_settings(names: Sequence[str]) -> list[str]:
    """Names without the settings, such as `layers=2`, that all of them share."""
    words = [name.split(" ") for name in names]
    shared = {word for word in set.intersection(*map(set, words)) if "=" in word}
    shorter = [" ".join(word for word in each if word not in shared) for each in words]
    return shorter if all(shorter) and len(set(shorter)) == len(names) else list(names)
