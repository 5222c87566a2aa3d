"""Settings that name code of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator

from seqlab.schema import own_code
from seqlab.schema.config import AnyConfig, Config, marked, replaced
from seqlab.schema.own_code import OwnCode


@dataclass(frozen=True)
class NamesCode:
    """Marks a setting that is, or may be, `FILE.py:NAME`, or a list with such items."""


def _written(value: str) -> str:
    own_code.split(value)
    return value


CodeText = Annotated[str, AfterValidator(_written)]
"""The text `FILE.py:NAME`."""


def code_values(config: Config) -> dict[str, str]:
    """The settings that name code, by their full keys; an item of a list has a number."""
    return {key: value for key, value in _single(marked(config, NamesCode)) if own_code.names_code(value)}


def _single(settings: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for key, value in settings:
        if isinstance(value, tuple):
            yield from ((f"{key}.{index}", item) for index, item in enumerate(value))
        else:
            yield key, value


def load_code(config: Config) -> dict[str, OwnCode]:
    """The code that settings name, by their full keys.

    Raises:
        UserError: a file or a name is missing.
        OwnCodeError: a file is not Python, or its import fails.
    """
    return {key: own_code.load(value) for key, value in code_values(config).items()}


def identity(config: AnyConfig, hashes: Mapping[str, str]) -> AnyConfig:
    """The config with code by its content, wherever its file is.

    Args:
        config: of an experiment.
        hashes: of the code that it names, by full key; code without a hash counts by its name alone.
    """
    code = {
        key: " ".join(filter(None, (own_code.label(value), hashes.get(key))))
        for key, value in code_values(config).items()
    }
    return replaced(config, code)
