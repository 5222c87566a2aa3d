"""A package's table of kinds: name -> class, imported on first use."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seqlab.schema import own_code
from seqlab.schema.errors import unknown


@dataclass(frozen=True)
class Registry:
    """Kinds of one thing, each with the path of its class and a one-line description.

    Paths are written `module:Name`, so that the table can be listed without importing the modules. `what` is
    the noun for error messages. `own` is the path of a function that gives the class of `FILE.py:NAME`; ""
    where code of one's own has a kind.
    """

    what: str
    table: Mapping[str, tuple[str, str]]
    own: str = ""

    def __getitem__(self, kind: str) -> Any:
        if self.own and own_code.names_code(kind):
            return _imported(self.own)(kind)
        if kind not in self.table:
            raise unknown(self.what, kind, self.table)
        return _imported(self.table[kind][0])

    def __iter__(self) -> Iterator[str]:
        return iter(self.table)

    def describe(self, kind: str) -> str:
        """The line that `seqlab list` prints for a kind; of code of one's own its content."""
        if self.own and own_code.names_code(kind):
            code = own_code.load(kind)
            return f"your own {code.label}, SHA-256 {code.sha256[:12]}"
        return self.table[kind][1]


def _imported(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


@dataclass(frozen=True)
class ByKind:
    """Marks a config field whose class is chosen by its `kind` from a registry.

    Written as `model: Annotated[ModelConfig, ByKind(MODELS)]`.
    """

    registry: Registry
