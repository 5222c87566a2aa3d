"""JSON files of a declared shape (a `TypedDict`), with errors that name the file and the key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from seqlab.runs import atomic
from seqlab.schema.errors import UserError

Shape = TypeVar("Shape")
EXACT = ConfigDict(extra="forbid", strict=True)
"""For `with_config` of a shape: a key that the shape does not declare is an error, too."""


class DamagedFileError(UserError):
    """A file of a folder that seqlab wrote is missing, or its content is not what seqlab writes."""


def read_json(path: Path, shape: type[Shape]) -> Shape:
    """The content of a JSON file.

    Raises:
        DamagedFileError: the file is missing, is not JSON, lacks a key of the shape or has another one.
    """
    text = read_text(path)
    try:
        return _adapter(shape).validate_json(text)
    except ValidationError as error:
        raise DamagedFileError(f"{path} is damaged: {_reason(error.errors()[0])}.") from None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all.

    Raises:
        WorkError: the disk is full or cannot be written.
    """
    atomic.write_text(path, json.dumps(content, indent=1))


def read_text(path: Path) -> str:
    """The content of a text file.

    Raises:
        DamagedFileError: the file is missing or not text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DamagedFileError(f"{path.parent} is damaged: {path.name} is missing.") from None
    except UnicodeDecodeError:
        raise DamagedFileError(f"{path} is damaged: it is not UTF-8 text.") from None


@cache
def _adapter(shape: type[Any]) -> TypeAdapter[Any]:
    # Building an adapter takes milliseconds, and a study reads thousands of files.
    return TypeAdapter(shape)


def _reason(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    match problem["type"]:
        case "json_invalid":
            return problem["msg"]
        case "missing":
            return f"{key!r} is missing"
        case "extra_forbidden":
            return f"{key!r} is unknown"
        case _:
            where = f"{key!r}: " if key else ""
            return f"{where}{problem['msg'][0].lower()}{problem['msg'][1:]}"
