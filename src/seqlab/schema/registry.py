"""A package's table of kinds: name -> class, imported on first use."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seqlab.schema import own_code
from seqlab.schema.errors import UserError, unknown
from seqlab.schema.plugins import PluginKind, plugin_kinds, problems


@dataclass(frozen=True)
class Registry:
    """Kinds of one thing, each with the path of its class and a one-line description.

    Paths are written `module:Name`, so that the table can be listed without importing the modules. `what` is
    the noun for error messages. `own` is the path of a function that gives the class of `FILE.py:NAME`; ""
    where code of one's own has a kind. `listed` is the list under which plugins add kinds; "": they cannot.
    """

    what: str
    table: Mapping[str, tuple[str, str]]
    own: str = ""
    listed: str = ""

    def __getitem__(self, kind: str) -> Any:
        if self.own and own_code.names_code(kind):
            return _imported(self.own)(kind)
        plugin = self.plugin(kind)
        if plugin is not None:
            return _of_plugin(kind, plugin)
        if kind not in self.table:
            own = self.takes_own_code and own_code.names_code(kind)
            advice = "Code of your own has the kind 'import', and 'path' names it." if own else ""
            raise UserError(" ".join(filter(None, (str(unknown(self.what, kind, self)), advice, problems()))))
        return _imported(self.table[kind][0])

    def __iter__(self) -> Iterator[str]:
        return iter((*self.table, *plugin_kinds(self.listed, self.table)))

    @property
    def takes_own_code(self) -> bool:
        """Whether one of the kinds is code of one's own, named by its key `path`."""
        return "import" in self.table

    def plugin(self, kind: str) -> PluginKind | None:
        """The plugin's kind of this name; None for one of seqlab's own, or none."""
        return plugin_kinds(self.listed, self.table).get(kind)

    def describe(self, kind: str) -> str:
        """The line that `seqlab list` prints: with a plugin's package, or the content of own code."""
        if self.own and own_code.names_code(kind):
            code = own_code.load(kind)
            return f"your own {code.label}, SHA-256 {code.sha256[:12]}"
        plugin = self.plugin(kind)
        return self.table[kind][1] if plugin is None else f"{plugin.description} ({plugin.origin})"


def _of_plugin(kind: str, plugin: PluginKind) -> Any:
    try:
        found = _imported(plugin.path)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a package may raise anything, and even end the program
        raise UserError(
            f"{kind!r} cannot be imported from {plugin.origin}: {own_code.describe(error)}"
        ) from None
    fields = getattr(found, "model_fields", {})
    if "kind" in fields and fields["kind"].default != kind:
        raise UserError(
            f"'kind' of {plugin.path} of {plugin.origin} must be {kind!r}. Got {fields['kind'].default!r}."
        )
    return found


def _imported(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


@dataclass(frozen=True)
class ByKind:
    """Marks a config field whose class is chosen by its `kind` from a registry.

    Written as `model: Annotated[ModelConfig, ByKind(MODELS)]`.
    """

    registry: Registry
