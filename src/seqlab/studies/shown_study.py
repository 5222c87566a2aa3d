"""The settings of a study, shipped, in a file, or begun."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqlab.experiment.shown_experiment import Shown
from seqlab.runs.study_folder import StudyFolder
from seqlab.schema.config import Config, parse, plain, read_toml
from seqlab.schema.described import described
from seqlab.studies import design, study_file
from seqlab.studies.study_config import StudyConfig

_OWN = set(StudyConfig.model_fields) - {"name", "about", "base"}
"""Keys that a study has and a recipe has not."""


def is_study_file(path: Path) -> bool:
    """Whether a TOML file is that of a study rather than of a recipe.

    Raises:
        UserError: it cannot be read.
    """
    return bool(_OWN & set(read_toml(study_file.text(path), str(path))))


def shown_study(wanted: str, overrides: Sequence[str] = ()) -> Shown:
    """A shipped study or a study file.

    Raises:
        UserError: there is no such study, or a key or value is wrong.
    """
    return _shown(design.read(wanted, overrides))


def shown_begun(folder: StudyFolder) -> Shown:
    """A study that was begun.

    Raises:
        UserError: its folder is damaged.
    """
    return _shown(parse(StudyConfig, folder.about()["study"]))


def _shown(config: StudyConfig) -> Shown:
    bases = config.axes.get("base") or [config.base]
    return Shown(
        kind="study",
        name=config.name,
        about=config.about,
        settings=list(described(StudyConfig, _movable(dict(config)))),
        head={},
        notes=[f"`seqlab show {base}` shows the settings that its runs extend." for base in bases if base],
    )


def _movable(table: dict[str, Any]) -> dict[str, Any]:
    """The table with full paths of recipe files, which are relative to the study's file, wherever that is."""
    whole = {key: plain(value) if isinstance(value, Config) else value for key, value in table.items()}
    return study_file.with_recipe_paths({**whole, "baselines": list(table["baselines"])}, Path.cwd())
