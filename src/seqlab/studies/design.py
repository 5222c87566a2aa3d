"""From a study's file to the experiments it consists of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import AnyExperimentConfig, ExperimentConfig
from seqlab.schema.config import Table, override, parse, plain, read_toml
from seqlab.schema.errors import UserError, unknown
from seqlab.studies import axes
from seqlab.studies.axes import ARCHITECTURE, Axis
from seqlab.studies.study_config import GridConfig, StudyConfig


@dataclass(frozen=True)
class Design:
    """A study with its axes read: gives the experiment of any setting."""

    config: StudyConfig

    @cached_property
    def axes(self) -> list[Axis]:
        """All axes, those that tell the architecture first."""
        found = axes.read(self.config.axes)
        return sorted(found, key=lambda axis: axis.key not in ARCHITECTURE)

    @cached_property
    def architectures(self) -> list[dict[str, Any]]:
        """Every combination of the axes that tell what is compared; one empty one where there is none."""
        return axes.combinations([axis for axis in self.axes if axis.key in ARCHITECTURE])

    def named(self, architecture: Mapping[str, Any]) -> str:
        """What an architecture is called: its cell or kind, or its recipe where two share that."""
        place = self.architectures.index(dict(architecture))
        return self._names[place]

    @cached_property
    def _names(self) -> list[str]:
        models = [self.experiment(one, self.config.seeds[0]).model for one in self.architectures]
        words = [str(plain(model).get("cell") or model.kind) for model in models]
        if len(set(words)) == len(words):
            return words
        return [
            ", ".join(
                str(value.get("kind", value) if isinstance(value, dict) else value) for value in one.values()
            )
            for one in self.architectures
        ]

    @cached_property
    def setting_axes(self) -> list[Axis]:
        """The other axes."""
        return [axis for axis in self.axes if axis.key not in ARCHITECTURE]

    @cached_property
    def recipes(self) -> dict[str, recipes.Recipe]:
        """Every recipe the study stands on, by the name the file gives."""
        bases = [axis.values for axis in self.axes if axis.key == "base"]
        named = [*(bases[0] if bases else [self.config.base]), *self.config.baselines]
        return {str(name): recipes.read(str(name)) for name in named}

    def experiment(self, setting: Mapping[str, Any], seed: int) -> ExperimentConfig:
        """The experiment of one setting, all axes among its keys.

        Raises:
            UserError: a key or a value is wrong; the axis is named.
        """
        recipe = self.recipes[str(setting.get("base", self.config.base))]
        table = recipes.put(self._table(setting), "seed", seed)
        try:
            found = recipes.experiment(recipe, table)[0]
        except UserError as error:
            raise self._explained(error, setting) from None
        if not isinstance(found, ExperimentConfig):
            raise UserError(
                f"'base' must be a recipe that trains a network. Got {recipe.name!r}. "
                "Nearest: 'baselines', a list of such recipes."
            )
        return found

    def baseline(self, name: str, setting: Mapping[str, Any]) -> AnyExperimentConfig:
        """A baseline's experiment on the data of the study's runs.

        A tokenizer that its recipe names stays, unless the study names one, too.

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
        table = {**own, "data": data | {k: v for k, v in own["data"].items() if k == "tokenizer"}}
        for key, value in (*self.config.settings.items(), *setting.items()):
            if key.split(".")[0] == "data":
                table = recipes.put(table, key, value)
        return recipes.experiment(recipe, table)[0]

    def _table(self, setting: Mapping[str, Any]) -> Table:
        """All settings but the seed, parsed by nobody yet.

        An axis that picks another kind drops what stood there; the study's settings hold for that kind, too.
        """
        table = self.recipes[str(setting.get("base", self.config.base))].table
        axis = [(key, value) for key, value in setting.items() if key != "base"]
        for key, value in (*axis, *self.config.settings.items(), *axis):
            table = recipes.put(table, key, value)
        return table

    def check(self) -> None:
        """Parse the experiment of each value of each axis, alone, so that an error names its axis.

        Raises:
            UserError: an axis names no key, a value is wrong, or a grid has a range.
        """
        if isinstance(self.config.search, GridConfig):
            axes.combinations(self.axes)
        for name in self.config.baselines:
            self.baseline(name, {})
        for architecture in self.architectures:
            first = {axis.key: axis.values[0] for axis in self.setting_axes}
            for setting in ({}, first):
                self.experiment({**architecture, **setting}, self.config.seeds[0])
            for axis in self.setting_axes:
                for value in axis.values:
                    self.experiment({**architecture, axis.key: value}, self.config.seeds[0])

    def _explained(self, error: UserError, setting: Mapping[str, Any]) -> UserError:
        """The error, with the axis it speaks of."""
        keys = [key for key in setting if key != "base" and f"'{key}" in str(error)]
        return UserError(f"Axis {keys[0]!r}: {error}" if keys else f"Study {self.config.name!r}: {error}")


def read(wanted: str, overrides: Sequence[str] = ()) -> StudyConfig:
    """A study by the name of a shipped one, or by its file, with `key=value` overrides.

    An override whose first word is a study's own key changes the study; another one is a setting of every
    run.

    Raises:
        UserError: there is no such study, or a key or value is wrong.
    """
    path = Path(wanted)
    if path.suffix == ".toml":
        if not path.is_file():
            raise UserError(f"There is no study file {wanted!r}.")
        table = read_toml(path.read_text(encoding="utf-8"), f"Study {wanted!r}")
        table.setdefault("name", path.stem)
        table = _beside(table, path.parent)
    elif wanted in names():
        table = {"name": wanted, **read_toml(_shipped(wanted), f"Study {wanted!r}")}
    else:
        raise unknown("study", wanted, names())
    for assignment in overrides:
        table = _overridden(table, assignment)
    return parse(StudyConfig, table)


def names() -> list[str]:
    """The shipped studies."""
    files = (resources.files("seqlab.studies") / "shipped").iterdir()
    return sorted(Path(file.name).stem for file in files if file.name.endswith(".toml"))


def about(name: str) -> str:
    """The one line of a shipped study."""
    return str(read_toml(_shipped(name), name).get("about", ""))


def _shipped(name: str) -> str:
    return (resources.files("seqlab.studies") / "shipped" / f"{name}.toml").read_text("utf-8")


def _beside(table: Table, folder: Path) -> Table:
    """The table with recipe files named from where the study file stands."""

    def placed(name: Any) -> Any:
        return str(folder / name) if isinstance(name, str) and name.endswith(".toml") else name

    table = {**table}
    if "base" in table:
        table["base"] = placed(table["base"])
    if isinstance(table.get("baselines"), list):
        table["baselines"] = [placed(name) for name in table["baselines"]]
    if isinstance(table.get("axes"), dict) and isinstance(table["axes"].get("base"), list):
        table["axes"] = {**table["axes"], "base": [placed(name) for name in table["axes"]["base"]]}
    return table


def _overridden(table: Table, assignment: str) -> Table:
    key = assignment.partition("=")[0].strip()
    if key.split(".")[0] in StudyConfig.model_fields:
        return override(StudyConfig, table, assignment)[0]
    base = str(table.get("base") or next(iter(table.get("axes", {}).get("base", [])), ""))
    below, _ = override(ExperimentConfig, recipes.read(base).table, assignment)
    for name in key.split("."):
        below = below[name]
    return {**table, "settings": {**table.get("settings", {}), key: below}}
