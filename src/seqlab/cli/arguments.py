"""Arguments shared by several commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from seqlab.schema.errors import UserError

Json = Annotated[bool, Parameter(name="--json")]
Setting = Annotated[str, Parameter(name="key=value")]
InputFile = Annotated[Path, Parameter(allow_leading_hyphen=True)]
"""A path, or a dash for standard input."""
Run = Annotated[str, Parameter(name="run", help="Folder of the run, or the start of its name.")]


def check_output(output: Path | None) -> None:
    """Refuse a path of a report that is a folder or belongs to a run, before work of minutes or hours.

    Raises:
        UserError: it is.
    """
    from seqlab.runs import run_folder

    if output is not None and output.is_dir():
        raise UserError(f"'output' must be a file. Got the folder {str(output)!r}.")
    if output is not None and output.exists() and run_folder.exists(output.parent):
        raise UserError(f"'output' must not be a file of a run. Got {str(output)!r}.")
