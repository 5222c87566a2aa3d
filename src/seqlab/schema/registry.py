"""A room's visible table: kind -> the config class that builds it, imported when first asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seqlab.schema.errors import unknown


@dataclass(frozen=True)
class Registry:
    """Kinds of one thing, each with the place of its class and one line that describes it.

    Places are written `module:Name`, so that the table can be listed without importing
    what it names. `what` is the word error messages use.
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
        """The one line `seqlab list` prints for a kind."""
        return self.table[kind][1]


@dataclass(frozen=True)
class ByKind:
    """Marks a config field whose class is picked by its `kind` from a registry.

    Written as `model: Annotated[ModelConfig, ByKind(MODELS)]`.
    """

    registry: Registry
