"""Code of one's own in run folders: executed only where it is trusted on this machine.

Code is trusted when the user trains from a file of his own: the SHA-256 of its content is then kept in the
cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seqlab.data.fetch import cache_folder
from seqlab.runs import atomic, run_folder
from seqlab.runs.run_files import copied_code
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.code_settings import load_code
from seqlab.schema.config import Config, Table
from seqlab.schema.errors import DamagedFileError, UserError
from seqlab.schema.own_code import OwnCode, label, names_code


def load_and_trust(config: Config) -> dict[str, OwnCode]:
    """The code that settings of the user's own name, by full key; it is trusted from now on.

    Raises:
        UserError: code is missing or fails.
        WorkError: the cache cannot be written.
    """
    code = load_code(config)
    for each in code.values():
        path = _note(each.sha256)
        if not path.is_file():
            atomic.write_text(path, f"{each.label}\n", retry="repeat the command")
    return code


def check_recipe(path: Path, table: Table) -> None:
    """Check that the code which a recipe file names may be executed: that of a run folder must be trusted.

    Args:
        path: of the file.
        table: its settings; code is relative to the current folder.

    Raises:
        UserError: the file is of a run whose code is damaged or not trusted.
    """
    values = dict(code_in(table))
    if values and run_folder.exists(path.parent):
        require_trust(run_folder.open_run(path.parent), values, trust=False)


def code_in(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Everything in a table that names code, by its full key."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from code_in(inner, f"{key}.{name}" if key else name)
        case list():
            for index, inner in enumerate(value):
                yield from code_in(inner, f"{key}.{index}")
        case _:
            if names_code(value):
                yield key, value


def require_trust(run: RunFolder, values: Mapping[str, str], *, trust: bool) -> None:
    """Check the copies of code in a run folder, and that they may be executed.

    Args:
        run: whose folder it is.
        values: the settings that name code, by full key, with the run's folder before each.
        trust: whether the user has said that they may.

    Raises:
        UserError: a copy is damaged, or is not trusted.
    """
    record = run.code()
    entries = {} if record is None else record["entries"]
    for key, value in values.items():
        copy = f"{run.path / copied_code(key, label(value))}"
        if key not in entries or entries[key]["code"] != label(value) or value != copy:
            raise DamagedFileError(f"{run.config_path} must name the run's own copy of code. Got {value!r}.")
        sha256 = entries[key]["sha256"]
        if not trust and not _note(sha256).is_file():
            raise UserError(
                f"{run.path} must be trusted, because it would run {copy} (SHA-256 {sha256[:12]}), and code "
                "can do anything that you can. It was not trained on this machine. Read that file, then "
                "repeat with --trust (in Python trust=True)."
            )


def _note(sha256: str) -> Path:
    return cache_folder() / "trusted" / sha256
