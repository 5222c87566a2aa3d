"""The settings of a recipe or a run, and which of them are not those of what it is based on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seqlab.experiment import recipes, sizing
from seqlab.experiment.experiment_config import experiment_class
from seqlab.experiment.recipes import Recipe
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.annotated_toml import annotated_toml
from seqlab.schema.config import Table
from seqlab.schema.described import MUST_BE_GIVEN, BaseSettings, DescribedSetting, described, differ

BY_DATA = "is chosen from the data's size"
DEFAULT = "default"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The settings of a recipe, a run or a study.

    kind: which of these. base: the recipe that they are compared with, or `DEFAULT`. before: its settings, by
    key; without one, those of the defaults. head: what a file of them has besides. notes: for the user.
    """

    kind: str
    name: str
    about: str
    settings: Sequence[DescribedSetting]
    base: str = DEFAULT
    before: BaseSettings | None = None
    head: Mapping[str, Any]
    notes: Sequence[str] = ()

    def based_on(self, setting: DescribedSetting) -> Any:
        """The value of a setting in the base; its default where the base has no such setting."""
        return setting.default if self.before is None else self.before.value(setting)

    def is_new(self, setting: DescribedSetting) -> bool:
        """Whether a setting is of a table of a list that the base lacks, such as a layer."""
        return self.before is not None and not self.before.has_table(setting)

    @property
    def left_out(self) -> list[str]:
        """The keys of the tables of lists that only the base has."""
        return [] if self.before is None else self.before.items_without(self.settings)

    def differs(self, setting: DescribedSetting) -> bool:
        """Whether a setting is not that of the base."""
        if setting.key == "name" or setting.absent:
            return False
        return self.is_new(setting) or differ(setting.value, self.based_on(setting))

    def toml(self) -> str:
        """A file that reads back to the same settings."""
        return annotated_toml(self.settings, self.head)


def shown_recipe(wanted: str, overrides: Sequence[str] = ()) -> Shown:
    """A shipped recipe or a file, compared with the recipe that it extends, or with itself before overrides.

    BaseSettings that must be given need not be: those that follow from the data are then left open.

    Raises:
        UserError: there is no such recipe, or a key or value is wrong.
    """
    recipe = recipes.read(wanted)
    table, notes = recipes.overridden(recipe, overrides)
    base = wanted if overrides else recipe.base
    head: dict[str, Any] = {"about": recipe.about} if recipe.about else {}
    if _incomplete(table):
        settings = _left_open(recipe, table)
        head |= {"sized_by_data": True} if recipe.sized_by_data else {}
    else:
        table, further = recipes.sized(recipe, table)
        settings, notes = list(described(experiment_class(table), table)), [*notes, *further]
    before = None if base is None else recipes.read(base)
    return Shown(
        kind="recipe",
        name=recipe.name,
        about=recipe.about,
        settings=settings,
        base=DEFAULT if before is None else before.name,
        before=None if before is None else _settings(before.table),
        head=head,
        notes=notes,
    )


def shown_run(run: RunFolder) -> Shown:
    """A run, compared with the recipe of its name.

    Raises:
        UserError: the folder is damaged, or of a kind that there is no longer.
    """
    table = run.settings()
    known = run.name in recipes.names()
    return Shown(
        kind="run",
        name=run.path.name,
        about="finished" if run.finished else "running" if run.running else "stopped before the end",
        settings=list(described(experiment_class(table), table)),
        base=run.name if known else DEFAULT,
        before=_settings(recipes.read(run.name).table) if known else None,
        head={},
    )


def _incomplete(table: Table) -> bool:
    return any(setting.absent for setting in described(experiment_class(table), table))


def _left_open(recipe: Recipe, table: Table) -> list[DescribedSetting]:
    chosen = sizing.chosen_keys(table) if recipe.sized_by_data else set[str]()
    return [
        replace(setting, value=None, absent=BY_DATA)
        if setting.key in chosen and setting.absent != MUST_BE_GIVEN
        else setting
        for setting in described(experiment_class(table), table)
    ]


def _settings(table: Table) -> BaseSettings:
    return BaseSettings(described(experiment_class(table), table))
