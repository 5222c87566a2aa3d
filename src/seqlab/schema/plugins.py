"""Kinds that installed packages add: entry points of the group "seqlab.plugins".

An entry point names a mapping, or a function that returns one: of lists, as `seqlab list` names them, to the
names of kinds, each with the path of its class, `module:Name`, and a description of one line.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from seqlab.schema.errors import unknown
from seqlab.schema.own_code import describe

GROUP = "seqlab.plugins"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PluginKind:
    """A kind that a package adds.

    path: of its class, `module:Name`. description: one line. distribution: name of the package. version: of
    the package.
    """

    path: str
    description: str
    distribution: str
    version: str

    @property
    def origin(self) -> str:
        """The package with its version."""
        return f"{self.distribution} {self.version}"

    @property
    def identity(self) -> str:
        """The package, its version, and the SHA-256 of its code: part of the fingerprint of a run."""
        return f"{self.origin} SHA-256 {_code_hash(self.path.partition(':')[0].partition('.')[0])}"


LISTS = (
    *("datasets", "tokenizers", "batching", "models", "layers", "baselines", "optimizers", "schedules"),
    *("averagings", "metrics", "diagnostics", "searches"),
)
"""What plugins may add to, by the names that `seqlab list` has for them."""


def plugin_kinds(listed: str, own: Mapping[str, tuple[str, str]]) -> Mapping[str, PluginKind]:
    """The kinds that plugins add to a list, without any of seqlab's own names, each of which means one thing.

    Args:
        listed: one of `LISTS`, or "" for a table that plugins cannot add to.
        own: seqlab's own kinds in it.
    """
    added = _load().get(listed, {})
    for name in added.keys() & own.keys():
        kind = added[name]
        _warn(
            f"{name!r} of {listed!r} is seqlab's own {own[name][0]}, which {kind.path} of {kind.origin} "
            "cannot replace. Rename it there, or uninstall the package."
        )
    return {name: kind for name, kind in added.items() if name not in own}


def problems() -> str:
    """What is wrong with plugins, in sentences; "" where nothing is."""
    _load()
    return " ".join(_warned)


_warned: list[str] = []


def _warn(sentence: str) -> None:
    """Report a problem once per process; it breaks nothing but what needs the plugin."""
    if sentence not in _warned:
        _warned.append(sentence)
        _log.warning("%s", sentence)


@cache
def _load() -> Mapping[str, Mapping[str, PluginKind]]:
    """The kinds of all entry points, by list and name."""
    kinds: dict[str, dict[str, PluginKind]] = {}
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        try:
            added = _added(entry)
        except _PluginError as error:
            _warn(str(error))
            continue
        for listed, names in added.items():
            for name, kind in names.items():
                first = kinds.setdefault(listed, {}).setdefault(name, kind)
                if first is not kind:
                    _warn(
                        f"{name!r} of {listed!r} is {first.path} of {first.origin}, which {kind.path} of "
                        f"{kind.origin} cannot replace. Rename one, or uninstall its package."
                    )
    return kinds


class _PluginError(Exception):
    """A plugin adds nothing, for a reason in one sentence."""


def _label(entry: metadata.EntryPoint) -> str:
    package = "" if entry.dist is None else f" of {entry.dist.name} {entry.dist.version}"
    return f"Plugin {entry.name!r}{package}"


def _added(entry: metadata.EntryPoint) -> dict[str, dict[str, PluginKind]]:
    try:
        value = entry.load()
        table = value() if callable(value) else value
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a package may raise anything, and even end the program
        raise _PluginError(f"{_label(entry)} adds nothing, because it fails: {describe(error)}") from None
    if entry.dist is None or not isinstance(table, Mapping):
        raise _PluginError(
            f"{_label(entry)} must be a mapping of lists to kinds, or a function that returns one. "
            f"Got {type(table).__name__}."
        )
    added: dict[str, dict[str, PluginKind]] = {}
    for listed, names in table.items():
        if listed not in LISTS:
            raise _PluginError(f"{_label(entry)} adds nothing. {unknown('list', str(listed), LISTS)}")
        if not isinstance(names, Mapping) or not all(map(_is_kind, names.items())):
            raise _PluginError(
                f"{_label(entry)} must give each name of {listed!r} the path of a class, module:Name, and a "
                f"description. Got {str(names)[:100]}."
            )
        added[listed] = {
            name: PluginKind(path, about, entry.dist.name, entry.dist.version)
            for name, (path, about) in names.items()
        }
    return added


def _is_kind(item: tuple[Any, Any]) -> bool:
    match item:
        case (str() as name, [str() as path, str() as about]):
            module, colon, attribute = path.partition(":")
            return all((name, module, colon, attribute, about))
        case _:
            return False


@cache
def _code_hash(package: str) -> str:
    """SHA-256 of the code files of an installed package or module."""
    spec = importlib.util.find_spec(package)
    folders = [] if spec is None else [Path(folder) for folder in spec.submodule_search_locations or ()]
    files = {
        path.relative_to(folder).as_posix(): path
        for folder in folders
        for path in folder.rglob("*")
        if path.name.endswith(tuple(importlib.machinery.all_suffixes())) and "__pycache__" not in path.parts
    }
    if spec is not None and not folders and spec.origin is not None:
        files = {Path(spec.origin).name: Path(spec.origin)}
    digest = hashlib.sha256()
    for name in sorted(files):
        content = files[name].read_bytes()
        digest.update(f"{name}\n{len(content)}\n".encode() + content)
    return digest.hexdigest()
