"""JSON files of a declared shape, with errors that name the file and the key.

A sealed file ends with a check that binds it to its subject: see `seal`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqlab.runs import atomic
from seqlab.runs.plain_files import read_bytes
from seqlab.runs.seal import check_of, seal, unseal
from seqlab.schema.errors import DamagedFileError
from seqlab.schema.json_shapes import Shape, parse_json


def read_json(path: Path, shape: type[Shape], subject: str) -> Shape:
    """The content of a sealed JSON file.

    Raises:
        DamagedFileError: the file is missing, does not have the shape, was changed, or belongs elsewhere.
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
