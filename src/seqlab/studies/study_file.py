"""The file of a study: its text, and the paths in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqlab.schema.config import Table
from seqlab.schema.errors import UserError
from seqlab.schema.own_code import in_folder


def text(path: Path) -> str:
    """The content of a study file.

    Raises:
        UserError: it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} must be UTF-8 text. Got an invalid byte at offset {error.start}.") from None


def with_recipe_paths(table: Table, folder: Path) -> Table:
    """The table of a study file in a folder; recipe files and own code, relative to it, as full paths."""

    def resolved(name: Any) -> Any:
        return str(folder / name) if isinstance(name, str) and name.endswith(".toml") else name

    table = in_folder(table, folder)
    if "base" in table:
        table["base"] = resolved(table["base"])
    if isinstance(table.get("baselines"), list):
        table["baselines"] = [resolved(name) for name in table["baselines"]]
    if isinstance(table.get("axes"), dict) and isinstance(table["axes"].get("base"), list):
        table["axes"] = {**table["axes"], "base": [resolved(name) for name in table["axes"]["base"]]}
    return table
