"""The versions of stored formats: each reader accepts exactly one."""

from __future__ import annotations

from pathlib import Path

from typing_extensions import TypedDict

from seqlab.runs.typed_json import read_text
from seqlab.schema.errors import DamagedFileError
from seqlab.schema.json_shapes import parse_json


class _StoredFormat(TypedDict):
    """What the identifying file of every format has; its other keys depend on the format."""

    format: int


def check_format(file: Path, what: str, known: int, *, older: str) -> None:
    """Make sure that a folder has the format that this version of seqlab writes.

    Args:
        file: the JSON file in the folder that names the format.
        what: has the format: run, study or checkpoint.
        known: the format number that this version writes.
        older: the remedy where the folder has an older format, or the file is damaged.

    Raises:
        DamagedFileError: the formats differ, or the file is damaged.
    """
    # Not its check, which another format may not have.
    try:
        stored = parse_json(read_text(file), _StoredFormat, file)["format"]
    except DamagedFileError as error:
        raise DamagedFileError(f"{error} {older}") from None
    if stored == known:
        return
    remedy = older if stored < known else "Install a newer seqlab."
    raise DamagedFileError(f"{file.parent} must have {what} format {known}. Got {stored}. {remedy}")
