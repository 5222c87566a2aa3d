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
TextFile = Annotated[
    Path,
    Parameter(
        allow_leading_hyphen=True,
        help="Table (.csv, .tsv, .jsonl, .parquet), read as the run's own data, one text per row. Any other "
        "file: one text per line. A dash is standard input. Rows and lines without text keep their position "
        "and have no answer; a note counts them.",
    ),
]
TextColumn = Annotated[
    str,
    Parameter(
        help="Column of the table with the texts. Default: that of the run's data, else the only one whose "
        "name fits."
    ),
]
Separator = Annotated[
    str,
    Parameter(
        help="Separator of the columns of a .csv or .tsv file: comma, semicolon, tab, pipe or another "
        "character."
    ),
]
Encoding = Annotated[
    str,
    Parameter(
        help="Encoding of the file, or of standard input. Default: utf-8; for a table, that of the run's "
        "data."
    ),
]
Overwrite = Annotated[bool, Parameter(help="Replace the output if it exists.")]
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
