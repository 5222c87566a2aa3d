"""A package's table of kinds: name -> class, imported on first use."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seqlab.schema.errors import unknown


@dataclass(frozen=True)
class Registry:
    """Kinds of one thing, each with the path of its class and a one-line description.

    Paths are written `module:Name`, so that the table can be listed without importing the modules. `what` is
    the noun for error messages.
    """

    what: str
    table: Mapping[str, tuple[str, str]]

    def __getitem__(self, kind: str) -> Any:
        if kind not in self.table:
            raise unknown(self.what, kind, self.table)
        module, _, name = self.table[kind][0].partition(":")
        return getattr(importlib.import_module(module), name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.table)

    def describe(self, kind: str) -> str:
        """The line that `seqlab list` prints for a kind."""
        return self.table[kind][1]


@dataclass(frozen=True)
class ByKind:
    """Marks a config field whose class is chosen by its `kind` from a registry.

    Written as `model: Annotated[ModelConfig, ByKind(MODELS)]`.
    """

    registry: Registry
