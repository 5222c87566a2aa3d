"""Folders that environment variables name."""

from __future__ import annotations

import os
from pathlib import Path

from seqlab.schema.errors import UserError, require_utf8


def named_folder(variable: str, default: str | Path) -> Path:
    """The folder that a variable names, whether it exists or not; `~` is the user's home.

    Raises:
        UserError: its path has something else than folders, such as a file or a pipe, or is not UTF-8.
    """
    named = require_utf8(
        os.environ.get(variable) or str(default), f"${variable}", " Rename the folder, or make a link to it."
    )
    try:
        path = Path(named).expanduser()
        nearest = next((part for part in (path, *path.parents) if os.path.lexists(part)), None)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"${variable} must name a folder. Got {named!r}: {error}.") from None
    if nearest is not None and not nearest.is_dir():
        raise UserError(f"${variable} must name a folder. Got {named!r}, and {str(nearest)!r} is none.")
    return path
