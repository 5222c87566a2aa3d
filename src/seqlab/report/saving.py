"""Writing a report's files: each whole or not at all."""

from __future__ import annotations

from pathlib import Path

from seqlab.runs.atomic import TEMPORARY
from seqlab.schema.errors import WorkError


def save(path: Path, content: str | bytes) -> None:
    """Write a file under its name once it is complete; its folder is made.

    Raises:
        WorkError: the disk is full or cannot be written; what stood there before still stands.
    """
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise WorkError(f"{path} cannot be written: {error.strerror or error}.") from error
