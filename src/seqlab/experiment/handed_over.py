"""Settings as Python values, among them classes and functions of a script or notebook.

A run keeps a copy of its code, so what is handed over must have a source: a file, or a cell that can be
executed alone. The text of a cell is written to a file in the cache.
"""

from __future__ import annotations

import inspect
import json
import linecache
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

from seqlab.data.fetch import cache_folder
from seqlab.runs import atomic
from seqlab.schema import own_code
from seqlab.schema.errors import UserError
from seqlab.schema.own_code import OwnCodeError
from seqlab.schema.settings import format_setting, inline_toml

_BY_KIND = ("data", "data.tokenizer", "model", "training.optimizer")
"""Tables of which `kind = "import"` names code by its key `path`."""


Settings = Sequence[str] | Mapping[str, Any]
"""Settings in Python: a list of `key=value`, or a dict of Python values, nested or with full keys."""


def assignments(settings: Settings) -> list[str]:
    """Settings as `key=value`, those first that choose a kind, because its other settings follow from it.

    >>> assignments({"model.arguments.size": 12, "model": {"kind": "import"}, "task.metrics": ["loss"]})
    ['model.kind=import', 'model.arguments.size=12', 'task.metrics=["loss"]']

    Raises:
        UserError: the settings are one text, a key is no text, or one has two values; or a class or function
            has no source that a run could keep.
    """
    if isinstance(settings, str):
        raise UserError(f"'settings' must be a list of key=value, or a dict. Got {settings!r}.")
    if not isinstance(settings, Mapping):
        if not isinstance(settings, Sequence) or not all(isinstance(each, str) for each in settings):
            raise UserError(f"'settings' must be a list of key=value, or a dict. Got {settings!r}.")
        return list(settings)
    values: dict[str, Any] = {}
    for key, value in _flat(settings, ""):
        if key in values:
            raise UserError(f"{key!r} must have one value. Got {values[key]!r} and {value!r}.")
        values[key] = value
    pairs = [pair for key, value in values.items() for pair in _texts(key, value)]
    return [f"{key}={text}" for key, text in sorted(pairs, key=_order)]


def _flat(table: Mapping[Any, Any], above: str) -> Iterator[tuple[str, Any]]:
    """Every setting by its full key; one that has both a nested and a full key comes twice."""
    for key, value in table.items():
        if not isinstance(key, str):
            raise UserError(f"A key of settings must be text. Got {key!r}.")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield above + key, value


def study_table(study: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a study with each class and function by the file that has it.

    >>> study_table({"axes": {"model.cell": ("gru", "lstm")}})
    {'axes': {'model.cell': ['gru', 'lstm']}}

    Raises:
        UserError: as `code_path`.
    """
    tables = ("axes", "settings")
    return {
        name: _with_paths(value, "" if name in tables else name)  # a key in those tables is that of a setting
        for name, value in study.items()
    }


def _with_paths(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return {name: _with_paths(inner, f"{key}.{name}" if key else name) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_paths(item, key) for item in value]
    if not callable(value):
        return value
    path = code_path(value)
    return {"kind": "import", "path": path} if key in _BY_KIND else path


def _order(pair: tuple[str, str]) -> tuple[bool, int]:
    key, _ = pair
    chooses = key.endswith(".kind")
    return not chooses, key.count(".") if chooses else 0


def _texts(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if callable(value) and key in _BY_KIND:
        yield f"{key}.kind", "import"
        yield f"{key}.path", code_path(value)
    elif callable(value):
        yield key, code_path(value)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        items = [code_path(item) if callable(item) else item for item in value]
        yield key, inline_toml(items)
    elif isinstance(value, str) and ".arguments." in key:
        # In a table of any keys, text that looks like a number would be one.
        yield key, json.dumps(value, ensure_ascii=False)
    else:
        yield key, value if isinstance(value, str) else format_setting(value)


def code_path(value: Any) -> str:
    """`FILE.py:NAME` of a class or function, whose file is executed at once.

    Raises:
        UserError: it is not at the top level of a file or cell, or its cell cannot be executed alone.
        OwnCodeError: its file cannot be imported.
    """
    name, full = getattr(value, "__name__", ""), getattr(value, "__qualname__", "")
    source = _source_file(value)
    if source is None or full != name or not name.isidentifier():
        raise UserError(
            "A class or function must be defined at the top level of a file or of a notebook cell, because a "
            f"run keeps a copy of its source. Got {full or f'an object of {type(value).__name__}'}."
        )
    if Path(source).is_file():
        return _file_path(f"{source}:{name}", value)
    return _cell_path(name, "".join(linecache.getlines(source)))


def _file_path(path: str, value: Any) -> str:
    """The path of a class or function of a file, if that is what the file holds."""
    module = getattr(value, "__module__", None) or ""
    try:
        found = own_code.load(path).value
    except OwnCodeError as error:
        if "." not in module:
            raise
        raise UserError(
            "A class or function must be of a file that runs alone, because a run keeps a copy of it. Got "
            f"{value.__name__} of {module}: {error} Nearest: a function of your own file that returns it."
        ) from None
    if list(_codes(found)) != list(_codes(value)):
        raise UserError(
            f"{path} must be what was imported from it. Got a file that was changed since; import it "
            "again, or start Python again."
        )
    return path


def _cell_path(name: str, text: str) -> str:
    folder = cache_folder() / "cells" / own_code.content_hash({name: text.encode()})[:12]
    file = folder / f"{name}.py"
    if not file.is_file():
        atomic.write_text(file, text, retry="repeat the command")
    path = f"{file}:{name}"
    try:
        own_code.load(path)
    except OwnCodeError as error:
        raise UserError(
            f"The cell that defines {name} must run alone, because a run keeps a copy of it: with its own "
            f"imports and helpers, and without what trains. {error}"
        ) from None
    return path


def _source_file(value: Any) -> str | None:
    """The file of a class or function, or the name under which a cell's text is known; None without one."""
    source = next((code.co_filename for code in _codes(value)), None)
    if source is not None:
        return source if linecache.getlines(source) else None
    try:
        return inspect.getsourcefile(value)
    except (TypeError, OSError):
        return None


def _codes(value: Any) -> Iterator[CodeType]:
    """The code of a function, or of the methods that a class has of its own, not of a decorator's."""
    for member in vars(value).values() if isinstance(value, type) else [value]:
        function = inspect.unwrap(getattr(member, "__func__", member))
        if not inspect.isfunction(function):
            continue
        code = function.__code__
        if not isinstance(value, type) or code.co_qualname.startswith(f"{value.__qualname__}."):
            yield code
