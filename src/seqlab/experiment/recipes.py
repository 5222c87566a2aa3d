"""Recipes: TOML files of settings, shipped or the user's own; one may stand on another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from seqlab.experiment import sizing
from seqlab.experiment.experiment_config import (
    AnyExperimentConfig,
    ExperimentConfig,
    experiment_class,
    parse_experiment,
)
from seqlab.schema.config import Table, override, parse, read_toml
from seqlab.schema.errors import UserError, unknown


@dataclass(frozen=True)
class Recipe:
    """A recipe as read: `about` is its one line, `table` its settings with those of its base.

    `sized_by_data`: settings that neither the recipe nor the user gives are chosen from the data's size.
    """

    name: str
    about: str
    table: Table
    sized_by_data: bool


def names() -> list[str]:
    """The shipped recipes."""
    files = (resources.files("seqlab") / "recipes").iterdir()
    return sorted(Path(file.name).stem for file in files if file.name.endswith(".toml"))


def read(wanted: str) -> Recipe:
    """A shipped recipe by name, or a file by its path.

    Raises:
        UserError: there is no such recipe or file, or it is not TOML.
    """
    return _read(wanted, above=())


def configure(wanted: str, overrides: Sequence[str] = ()) -> tuple[AnyExperimentConfig, list[str]]:
    """The experiment a recipe and `key=value` overrides describe.

    Returns:
        The configuration, and sentences the user should read (settings that an override dropped, or that
        were chosen from the data's size).

    Raises:
        UserError: a key or value is wrong, or the data of a recipe sized by it cannot be read.
    """
    recipe = read(wanted)
    table, notes = recipe.table, []
    for assignment in overrides:
        table, note = override(experiment_class(table), table, assignment)
        notes += [note] if note else []
    config, further = experiment(recipe, table)
    return config, [*notes, *further]


def experiment(recipe: Recipe, table: Table) -> tuple[AnyExperimentConfig, list[str]]:
    """The experiment of a recipe whose table was changed, and what was chosen from the data's size.

    Raises:
        UserError: a key or value is wrong, or the data of a recipe sized by it cannot be read.
    """
    config = parse_experiment(table)
    if not recipe.sized_by_data:
        return config, []
    table, note = sizing.fill(table, config)
    return parse(type(config), table), [note]


def put(table: Table, key: str, value: Any) -> Table:
    """The table with another value under a full key, parsed by nobody yet.

    A table goes over the one that is there, or replaces it where its kind is another one, as a recipe's does
    over its base's.

    >>> put({"model": {"kind": "rnn", "layers": 1}}, "model.layers", 2)
    {'model': {'kind': 'rnn', 'layers': 2}}
    >>> put({"model": {"kind": "rnn", "layers": 1}}, "model", {"kind": "linear"})
    {'model': {'kind': 'linear'}}
    >>> put({"model": {"kind": "rnn", "layers": 1}}, "model.kind", "linear")
    {'model': {'kind': 'linear'}}
    """
    for name in reversed(key.split(".")):
        value = {name: value}
    return _merge(table, value)


def network(wanted: str, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """The same for a recipe that trains a network.

    Raises:
        UserError: it fits a baseline; see `configure` for others.
    """
    config, _ = configure(wanted, overrides)
    if not isinstance(config, ExperimentConfig):
        raise UserError(f"Recipe {wanted!r} must train a network. Got a baseline.")
    return config


def _read(wanted: str, above: tuple[str, ...]) -> Recipe:
    path = Path(wanted)
    own = str(path.resolve()) if path.suffix == ".toml" else wanted
    if own in above:
        raise UserError(f"A recipe must not stand on itself. Got {' on '.join([*above, own])}.")
    if path.suffix == ".toml":
        if not path.is_file():
            raise UserError(f"There is no recipe file {wanted!r}.")
        name, text = path.stem, _text(path)
    elif wanted in names():
        name, text = wanted, (resources.files("seqlab") / "recipes" / f"{wanted}.toml").read_text("utf-8")
    else:
        raise unknown("recipe", wanted, names())
    table = read_toml(text, f"Recipe {wanted!r}")
    base, about = table.pop("base", None), str(table.pop("about", ""))
    sized = table.pop("sized_by_data", None)
    if sized not in (None, True, False):
        raise UserError(f"Recipe {wanted!r}: 'sized_by_data' must be true or false. Got {sized!r}.")
    table.setdefault("name", name)
    if base is not None:
        # A file names its base from where it stands itself.
        below = str(path.parent / str(base)) if str(base).endswith(".toml") else str(base)
        recipe = _read(below, (*above, own))
        table = _merge(recipe.table, table)
        sized = recipe.sized_by_data if sized is None else sized
    return Recipe(name, about, table, bool(sized))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} must be UTF-8 text. Got a byte that is not at {error.start}.") from None


def _merge(base: Table, table: Table) -> Table:
    """Settings over their base's; a table of another kind replaces the base's whole table."""
    merged: dict[str, Any] = dict(base)
    for key, value in table.items():
        below = base.get(key)
        if isinstance(value, dict) and isinstance(below, dict) and _same_kind(below, value):
            merged[key] = _merge(below, value)
        else:
            merged[key] = value
    return merged


def _same_kind(base: Table, table: Table) -> bool:
    return table.get("kind", base.get("kind")) == base.get("kind")
