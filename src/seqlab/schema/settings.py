"""Settings as text: in the form of the command line, with full or short keys."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from seqlab.schema import own_code


def format_setting(value: Any) -> str:
    """A setting's value as it is typed after `key=`; a table as its kind and its other settings.

    Code of one's own is without its folder.

    >>> [format_setting(value) for value in (True, 0.5, [1, 2], [], None, {"kind": "dyck", "kinds": 2})]
    ['true', '0.5', '1,2', '[]', 'none', 'dyck kinds=2']
    >>> format_setting([{"kind": "convolution", "filters": 9}, {"kind": "max-pool"}])
    'convolution filters=9; max-pool'
    """
    match value:
        case None | "":
            return '""' if value == "" else "none"
        case str() if own_code.names_code(value):
            return own_code.label(value)
        case bool():  # before the general case, because TOML writes true and false
            return str(value).lower()
        case list():
            between = "; " if is_list_of_tables(value) else ","
            return between.join(format_setting(item) for item in value) or "[]"
        case dict():
            others = [f"{key}={format_setting(inner)}" for key, inner in value.items() if key != "kind"]
            return " ".join([*([str(value["kind"])] if "kind" in value else []), *others])
        case _:
            return str(value)


def inline_toml(value: Any) -> str:
    """A value in one line of TOML; what TOML does not have is written as its text.

    >>> inline_toml([{"kind": "max-pool", "width": 3}, True, "a"])
    '[{"kind" = "max-pool", "width" = 3}, true, "a"]'
    """
    match value:
        case Mapping():
            pairs = (f"{inline_toml(str(key))} = {inline_toml(inner)}" for key, inner in value.items())
            return f"{{{', '.join(pairs)}}}"
        case list() | tuple():
            return f"[{', '.join(map(inline_toml, value))}]"
        case _:
            return json.dumps(value, ensure_ascii=False, default=str)


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """The last part of each key, or the whole key where that part is not unique.

    >>> short_names(["training.epochs", "model.layers", "data.layers"])
    {'training.epochs': 'epochs', 'model.layers': 'model.layers', 'data.layers': 'data.layers'}
    """
    last = Counter(key.rpartition(".")[2] for key in keys)
    return {key: part if last[part := key.rpartition(".")[2]] == 1 else key for key in keys}


def flat(table: Mapping[str, Any], above: str = "", *, within_lists: bool = True) -> dict[str, Any]:
    """Nested settings by their full keys.

    Args:
        table: the settings.
        above: the key of the table, with a dot.
        within_lists: whether tables in lists are settings, too; in axes they are values.

    >>> flat({"seed": 1, "model": {"kind": "chain", "layers": [{"kind": "rnn"}]}})
    {'seed': 1, 'model.kind': 'chain', 'model.layers.0.kind': 'rnn'}
    """
    settings: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            settings |= flat(value, f"{above}{key}.", within_lists=within_lists)
        elif within_lists and is_list_of_tables(value):
            settings |= flat({str(i): item for i, item in enumerate(value)}, f"{above}{key}.")
        else:
            settings[above + key] = value
    return settings


def is_list_of_tables(value: Any) -> bool:
    """Whether a value of a plain table is a list of tables, not an empty one."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def format_settings(settings: Mapping[str, Any]) -> str:
    """Several settings in one line, by their short names.

    >>> format_settings({"training.optimizer.learning_rate": 0.1, "model.layers": 2})
    'learning_rate=0.1, layers=2'
    """
    names = short_names(list(settings))
    return ", ".join(f"{names[key]}={format_setting(value)}" for key, value in settings.items())
