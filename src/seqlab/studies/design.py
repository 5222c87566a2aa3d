"""From a study's file to its experiments."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, cast

from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import AnyExperimentConfig, ExperimentConfig, experiment_class
from seqlab.report.naming import optimizer_name
from seqlab.schema.config import Table, parse, plain, read_toml
from seqlab.schema.errors import UserError, unknown
from seqlab.schema.overrides import override
from seqlab.studies import axes
from seqlab.studies.architecture_names import architecture_names, distinguishing
from seqlab.studies.axes import ARCHITECTURE
from seqlab.studies.axis import Axis
from seqlab.studies.study_config import StudyConfig
from seqlab.studies.study_file import text, with_recipe_paths

MOST_CELLS = 20_000
"""Cells that a study has, at most: one for each setting and seed."""


@dataclass(frozen=True)
class Design:
    """A study with its axes parsed: makes the experiment of any setting."""

    config: StudyConfig

    @cached_property
    def axes(self) -> list[Axis]:
        """All axes, those that define the architecture first."""
        parsed = axes.read(self.config.axes)
        return sorted(parsed, key=lambda axis: axis.key not in ARCHITECTURE)

    @cached_property
    def architectures(self) -> list[dict[str, Any]]:
        """Every combination of the axes that define what is compared; one empty one where there are none."""
        return axes.combinations([axis for axis in self.axes if axis.key in ARCHITECTURE])

    def name_of(self, architecture: Mapping[str, Any]) -> str:
        """The name of an architecture: its cell, code or kind; of two that share it, recipe or settings."""
        return self._names[self.architectures.index(dict(architecture))]

    @cached_property
    def _names(self) -> list[str]:
        examples = [plain(self.example(architecture)) for architecture in self.architectures]
        # A search that draws settings draws them for each recipe.
        shared = [optimizer_name(example) for example in examples] if self.config.search.exhaustive else []
        return architecture_names([example["model"] for example in examples], self.architectures, shared)

    def setting_of(self, architecture: Mapping[str, Any]) -> dict[str, Any]:
        """The values of an architecture's axes that only distinguish it from others of the same name.

        They are a setting of it, like the values of other axes: a recipe by its name, where that is unique.
        """
        values = distinguishing(architecture, self.architectures, self._names)
        names = {base: recipe.name for base, recipe in self.recipes.items()}
        unique = len(set(names.values())) == len(names)
        return {key: names.get(value, value) if key == "base" and unique else value for key, value in values}

    @cached_property
    def setting_axes(self) -> list[Axis]:
        """The other axes."""
        return [axis for axis in self.axes if axis.key not in ARCHITECTURE]

    @cached_property
    def first_setting(self) -> dict[str, Any]:
        """The first value of each of these."""
        return {axis.key: axis.examples[0] for axis in self.setting_axes}

    def example(self, architecture: Mapping[str, Any]) -> ExperimentConfig:
        """An experiment of an architecture: with the first value of each other axis, and the first seed."""
        return self.experiment({**self.first_setting, **architecture}, self.config.seeds[0])

    @cached_property
    def recipes(self) -> dict[str, recipes.Recipe]:
        """Every recipe the study extends, and those of its baselines, by the name in the study's file."""
        bases = next((axis.examples for axis in self.axes if axis.key == "base"), (self.config.base,))
        return {str(name): recipes.read(str(name)) for name in (*bases, *self.config.baselines)}

    def experiment(self, setting: Mapping[str, Any], seed: int) -> ExperimentConfig:
        """The experiment of one setting, all axes among its keys.

        Raises:
            UserError: a key or a value is wrong; the axis is named.
        """
        try:
            return self._parsed(setting, seed)
        except UserError as error:
            raise self._explained(error, setting) from None

    def _parsed(self, setting: Mapping[str, Any], seed: int) -> ExperimentConfig:
        recipe = self.recipe_of(setting)
        experiment, _ = recipes.experiment(recipe, recipes.put(self._table(setting), "seed", seed))
        if experiment.method != ExperimentConfig.method:
            raise UserError(
                f"'base' must be a recipe that trains a network. Got {recipe.name!r}. "
                "Nearest: 'baselines', a list of such recipes."
            )
        return cast("ExperimentConfig", experiment)

    def baseline(self, name: str, setting: Mapping[str, Any]) -> AnyExperimentConfig:
        """A baseline's experiment, on the data of the study's other runs.

        A tokenizer that its recipe names is kept, unless the study names one, too.

        Raises:
            UserError: its recipe trains a network, or is for data of another kind.
        """
        recipe = self.recipes[name]
        own = recipe.table
        if "baseline" not in own:
            raise UserError(
                f"'baselines' must be recipes of baselines. Got {name!r}, which trains a network."
            )
        data = self._table({**self.architectures[0], **setting})["data"]
        if own["data"].get("kind") != data.get("kind"):
            raise UserError(
                f"'baselines' must be recipes for the study's data, {data.get('kind')!r}. "
                f"Got {name!r} for {own['data'].get('kind')!r}."
            )
        # NB-SVM, for example, splits texts otherwise than networks do; accuracies can still be compared.
        table = {**own, "data": data | {k: v for k, v in own["data"].items() if k == "tokenizer"}}
        for key, value in (*self.config.settings.items(), *setting.items()):
            if key.split(".")[0] == "data":
                table = recipes.put(table, key, value)
        return recipes.experiment(recipe, table)[0]

    def _table(self, setting: Mapping[str, Any]) -> Table:
        """All settings but the seed, not parsed yet."""
        table = self.recipe_of(setting).table
        axis = [(key, value) for key, value in setting.items() if key != "base"]
        # All come twice: what picks another kind drops all settings of the old kind, so it has to come before
        # the study's settings, which hold for every kind; and an axis overrides the study's settings.
        settings = self.config.settings.items()
        for key, value in (*axis, *settings, *settings, *axis):
            table = recipes.put(table, key, value)
        return table

    def check(self) -> None:
        """Parse the experiment of each value of each axis separately, so that an error names its axis.

        Raises:
            UserError: an axis names no setting, a value is wrong, the search cannot use an axis, or there are
                too many cells.
        """
        assert self._checked, "what is wrong is raised"

    @cached_property
    def _checked(self) -> bool:
        self.config.search.check(self.axes)
        self._check_size()
        for setting in self.single_settings():
            self.experiment(setting, self.config.seeds[0])
        for name in self.config.baselines:
            self.baseline(name, self.first_setting)
        return True

    def single_settings(self) -> Iterator[dict[str, Any]]:
        """Each value of each axis, the others at their first value."""
        for architecture in self.architectures:
            first = {**self.first_setting, **architecture}
            yield first
            for axis in self.setting_axes:
                yield from ({**first, axis.key: value} for value in axis.examples)

    def recipe_of(self, setting: Mapping[str, Any]) -> recipes.Recipe:
        """The recipe that a setting extends."""
        return self.recipes[str(setting.get("base", self.config.base))]

    def _check_size(self) -> None:
        """Count the cells before any is made."""
        for axis in self.axes:
            if axis.key in ARCHITECTURE and math.isinf(axis.size):
                raise UserError(f"Axis {axis.key!r} must list its values: architectures. Got a range.")
        factors = {
            f"values of axis {axis.key!r}": axis.size for axis in self.axes if axis.key in ARCHITECTURE
        }
        seeds = len(self.config.seeds)
        each = self.config.search.runs_per_architecture(self.setting_axes, seeds)
        count = math.prod(int(size) for size in factors.values()) * each
        if count <= MOST_CELLS:
            return
        if self.config.search.exhaustive:
            factors |= {f"values of axis {axis.key!r}": axis.size for axis in self.setting_axes} | {
                "seeds": seeds
            }
        else:
            factors |= {"runs of each architecture ('search.trials', 'search.confirm')": each}
        asked = " x ".join(f"{int(size):,} {what}" for what, size in factors.items() if size > 1)
        raise UserError(f"A study must have at most {MOST_CELLS:,} cells. Got {count:,}: {asked}.")

    def _explained(self, error: UserError, setting: Mapping[str, Any]) -> UserError:
        """The error with the axis that it is about; none where the recipe alone has the same error."""
        keys = [key for key in setting if key != "base" and f"'{key}" in str(error)]
        recipe = {key: value for key, value in setting.items() if key == "base"}
        if not keys or (recipe != setting and str(self._error(recipe)) == str(error)):
            return UserError(f"Study {self.config.name!r}: {error}")
        return UserError(f"Axis {max(keys, key=len)!r}: {error}")

    def _error(self, setting: Mapping[str, Any]) -> UserError | None:
        """What is wrong with a setting."""
        try:
            self._parsed(setting, self.config.seeds[0])
        except UserError as error:
            return error
        return None


def read(wanted: str | Mapping[str, Any], overrides: Sequence[str] = ()) -> StudyConfig:
    """A shipped study by its name, a study file by its path, or its content, with `key=value` overrides.

    An override of a study's own key changes the study; any other override is a setting of every run.

    Raises:
        UserError: there is no such study, or a key or value is wrong.
    """
    table = _read(wanted) if isinstance(wanted, str) else with_recipe_paths(dict(wanted), Path())
    for assignment in overrides:
        table = _overridden(table, assignment)
    return parse(StudyConfig, table)


def _read(wanted: str) -> Table:
    path = Path(wanted)
    if path.suffix == ".toml":
        if not path.is_file():
            raise UserError(f"There is no study file {wanted!r}.")
        table = read_toml(text(path), f"Study {wanted!r}")
        table.setdefault("name", path.stem)
        return with_recipe_paths(table, path.parent)
    if wanted not in names():
        raise unknown("study", wanted, names())
    return {"name": wanted, **read_toml(_shipped(wanted), f"Study {wanted!r}")}


def names() -> list[str]:
    """The shipped studies."""
    files = (resources.files("seqlab.studies") / "shipped").iterdir()
    return sorted(Path(file.name).stem for file in files if file.name.endswith(".toml"))


def about(name: str) -> str:
    """The one line of a shipped study."""
    return str(read_toml(_shipped(name), name).get("about", ""))


def _shipped(name: str) -> str:
    return (resources.files("seqlab.studies") / "shipped" / f"{name}.toml").read_text("utf-8")


def _overridden(table: Table, assignment: str) -> Table:
    key = assignment.partition("=")[0].strip()
    if key.split(".")[0] in StudyConfig.model_fields:
        return override(StudyConfig, table, assignment)[0]
    taken = [axis.key for axis in axes.read(table.get("axes", {})) if axes.overlap(axis.key, key)]
    if taken:
        raise UserError(
            f"A setting of a study must not be one of its axes. Got {assignment!r} and axis {taken[0]!r}. "
            "Nearest: another file, with other values of the axis."
        )
    base = str(table.get("base") or next(iter(table.get("axes", {}).get("base", [])), ""))
    settings = table.get("settings", {})
    # The kinds in the recipe and in the study's settings pick the fields, which decide how text is parsed.
    value = recipes.read(base).table
    for setting in settings.items():
        value = recipes.put(value, *setting)
    value, _ = override(experiment_class(value), value, assignment)
    found: Any = value
    for name in key.split("."):
        found = found[int(name) if isinstance(found, list) else name]
    return {**table, "settings": {**settings, key: found}}
