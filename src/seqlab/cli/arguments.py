"""Arguments shared by several commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Json = Annotated[bool, Parameter(name="--json")]
Setting = Annotated[str, Parameter(name="key=value")]
InputFile = Annotated[Path, Parameter(allow_leading_hyphen=True)]
"""A path, or a dash for standard input."""
Run = Annotated[str, Parameter(name="run", help="Folder of the run, or the start of its name.")]

Trust = Annotated[
    bool,
    Parameter(
        name="--trust",
        help="Run the code that the run folder holds, although it was not trained on this machine.",
    ),
]


def check_output(output: Path | None, static: Path | None = None) -> None:
    """Refuse the paths of a report that cannot be written, before work of minutes or hours.

    Raises:
        UserError: see `check_paths`.
    """
    from seqlab.runs.output_file import check_paths

    if output is not None:
        check_paths(output, static)
