"""Arguments shared by several commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, Token

from seqlab.schema.errors import in_quotes


def whole_number(kind: Any, tokens: Sequence[Token]) -> int:
    """The number that was typed; what is none is not rounded to one."""
    value = tokens[0].value
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"must be a whole number. Got {in_quotes(value)}.") from None


Whole = Annotated[int, Parameter(converter=whole_number)]
"""A whole number."""
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
