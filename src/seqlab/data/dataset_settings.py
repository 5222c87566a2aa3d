"""Datasets from the command line: a name and `key=value` settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seqlab.data.data_kinds import DATASETS
from seqlab.data.dataset_config import DatasetConfig
from seqlab.schema.config import parse
from seqlab.schema.overrides import override


def dataset_config(name: str, overrides: Sequence[str] = ()) -> DatasetConfig:
    """The settings of a dataset; keys may begin with `data.`, as those of a recipe do.

    Raises:
        UserError: there is no such dataset, or a key or value is not valid.
    """
    cls: type[DatasetConfig] = DATASETS[name]
    table: dict[str, Any] = {"kind": name}
    for assignment in overrides:
        table, _ = override(cls, table, assignment.removeprefix("data."))
    return parse(cls, table)
