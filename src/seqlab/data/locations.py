"""Settings that say where data is: its content decides an experiment, and the path to it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from seqlab.data.sources.text_files import user_path
from seqlab.schema.config import AnyConfig, marked, replaced


@dataclass(frozen=True)
class Location:
    """Marks a setting that is a path, or several: `path: Annotated[str, Location()]`."""


def without_locations(config: AnyConfig) -> AnyConfig:
    """The settings that decide an experiment besides the content of its data.

    Of a path only the extension is left, which decides how a file is read.
    """
    return _with_paths(config, lambda path: Path(path).suffix.lower())


def located(config: AnyConfig) -> AnyConfig:
    """The settings with paths that lead to the same data from every folder."""
    return _with_paths(config, lambda path: str(user_path(path).absolute()))


def _with_paths(config: AnyConfig, change: Callable[[str], str]) -> AnyConfig:
    return replaced(config, {key: _each(value, change) for key, value in marked(config, Location)})


def _each(value: str | tuple[str, ...] | None, change: Callable[[str], str]) -> str | tuple[str, ...] | None:
    match value:
        case None:
            return None
        case str():
            return change(value)
        case _:
            return tuple(map(change, value))
