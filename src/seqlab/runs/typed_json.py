"""JSON files of a declared shape (a `TypedDict`), with errors that name the file and the key.

A sealed file ends with a check that binds it to its subject: see `seal`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from seqlab.runs import atomic
from seqlab.runs.plain_files import read_bytes
from seqlab.runs.seal import check_of, seal, unseal
from seqlab.schema.errors import DamagedFileError

Shape = TypeVar("Shape")
EXACT = ConfigDict(extra="forbid", strict=True)
"""For `with_config` of a shape: a key that the shape does not declare is an error, too."""


def read_json(path: Path, shape: type[Shape], subject: str) -> Shape:
    """The content of a sealed JSON file.

    Raises:
        DamagedFileError: the file is missing, is not JSON, lacks a key of the shape or has another one, was
            changed, or belongs elsewhere.
    """
    text, check = unseal(read_text(path))
    content = parse_json(text, shape, path)
    if check is None:
        raise DamagedFileError(f"{path} is damaged: its 'check' is missing.")
    if check != check_of(text, subject):
        raise DamagedFileError(
            f"{path} is damaged: its content does not fit its 'check'. It was changed, or belongs elsewhere."
        )
    return content


def parse_json(text: str, shape: type[Shape], path: Path) -> Shape:
    """The content of a JSON text; `path` is named in the error.

    Raises:
        DamagedFileError: it is not JSON, lacks a key of the shape or has another one.
    """
    try:
        return _adapter(shape).validate_json(text)
    except ValidationError as error:
        raise DamagedFileError(f"{path} is damaged: {_reason(error.errors()[0])}.") from None


def write_json(path: Path, content: Mapping[str, Any], subject: str) -> None:
    """Write a sealed JSON file, whole or not at all.

    Raises:
        WorkError: the disk is full or cannot be written.
    """
    atomic.write_text(path, to_json(content, subject))


def to_json(content: Mapping[str, Any], subject: str) -> str:
    """The text of a sealed JSON file."""
    return seal(json.dumps(content, indent=1, ensure_ascii=False), subject)


def read_text(path: Path) -> str:
    """The content of a text file.

    Raises:
        DamagedFileError: the file is missing, no plain file, or not text.
    """
    try:
        return read_bytes(path).decode("utf-8")
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
