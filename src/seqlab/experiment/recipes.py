"""Recipes: TOML files of settings, shipped or the user's own; a recipe can extend another one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, cast

from seqlab.experiment import sizing
from seqlab.experiment.experiment_config import (
    AnyExperimentConfig,
    ExperimentConfig,
    experiment_class,
    parse_experiment,
)
from seqlab.experiment.trusted_code import check_recipe
from seqlab.runs import run_folder
from seqlab.runs.ensemble_record import nested_error
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.config import Table, read_toml
from seqlab.schema.errors import UserError, unknown
from seqlab.schema.overrides import override
from seqlab.schema.own_code import in_folder, names_code


@dataclass(frozen=True)
class Recipe:
    """A recipe as read: `about` is its description, `table` its settings merged over those of its base.

    `sized_by_data`: settings that neither the recipe nor the user sets are chosen from the data's size.
    `base`: the recipe that it extends, as `read` takes it.
    """

    name: str
    about: str
    table: Table
    sized_by_data: bool
    base: str | None = None


def names() -> list[str]:
    """The shipped recipes."""
    files = (resources.files("seqlab") / "recipes").iterdir()
    return sorted(Path(file.name).stem for file in files if file.name.endswith(".toml"))


def read(wanted: str) -> Recipe:
    """A shipped recipe by name, or a file by its path.

    Raises:
        UserError: there is no such recipe or file, or it is not TOML.
    """
    return with_member_data(_read(wanted, extended_by=()))


def with_member_data(recipe: Recipe) -> Recipe:
    """The recipe of an ensemble with data and task of its first member, unless it has its own.

    Raises:
        UserError: there is no such member.
    """
    match recipe.table:
        case {"data": _, "task": _}:
            return recipe
        case {"ensemble": {"members": [str(first), *_]}}:
            return replace(recipe, table={**_of_member(first), **recipe.table})
        case _:
            return recipe


def member_words(member: str) -> tuple[str, list[str]] | None:
    """The recipe and the overrides of a member of an ensemble; None of one that names a run.

    >>> member_words("imdb-gru seed=2"), member_words("imdb-gru-s2-3fa85f64")
    (('imdb-gru', ['seed=2']), None)

    Raises:
        UserError: there are settings for what is no recipe, or a quote is not closed.
    """
    try:
        words = shlex.split(member)
    except ValueError as error:
        raise UserError(f"The member {member!r} of an ensemble must be words: {error}.") from None
    wanted, *overrides = words or [""]
    if wanted in names() or wanted.endswith(".toml"):
        return wanted, overrides
    if overrides:
        raise unknown("recipe", wanted, names())
    return None


def member_run(member: str) -> RunFolder:
    """The run that a member of an ensemble names.

    Raises:
        UserError: there is none.
    """
    known = run_folder.names()
    paths = (Path(member), run_folder.resolve(member))
    if not any(map(run_folder.exists, paths)) and not any(name.startswith(member) for name in known):
        raise unknown("recipe or run", member, [*names(), *known])
    return run_folder.find(member)


def configure(wanted: str, overrides: Sequence[str] = ()) -> tuple[AnyExperimentConfig, list[str]]:
    """The experiment a recipe and `key=value` overrides describe.

    Returns:
        The configuration, and notes for the user (settings that an override dropped, or that were chosen
        from the data's size).

    Raises:
        UserError: a key or value is wrong, or the data of a recipe sized by it cannot be read.
    """
    recipe = read(wanted)
    table, notes = overridden(recipe, overrides)
    config, further = experiment(recipe, table)
    return config, [*notes, *further]


def overridden(recipe: Recipe, overrides: Sequence[str]) -> tuple[Table, list[str]]:
    """The table of a recipe with `key=value` overrides, and notes on settings that one of them dropped.

    Raises:
        UserError: a key or value is wrong.
    """
    table, notes = recipe.table, []
    for assignment in overrides:
        table, note = override(experiment_class(table), table, assignment)
        notes += [note] if note else []
    return table, notes


def experiment(recipe: Recipe, table: Table) -> tuple[AnyExperimentConfig, list[str]]:
    """The experiment of a recipe with a changed table, and notes on settings chosen from the data's size.

    Raises:
        UserError: a key or value is wrong, or the data of a recipe sized by it cannot be read.
    """
    table, notes = sized(recipe, table)
    return parse_experiment(table), notes


def sized(recipe: Recipe, table: Table) -> tuple[Table, list[str]]:
    """The table with the settings that are chosen from the data's size, and a note on them.

    Raises:
        UserError: a key or value is wrong, or the data of a recipe sized by it cannot be read.
    """
    config = parse_experiment(table)
    if not recipe.sized_by_data:
        return table, []
    table, note = sizing.fill(table, config)
    return table, [note]


def put(table: Table, key: str, value: Any) -> Table:
    """The table with another value under a full key; the value is not checked here.

    A table is merged over the existing one, or replaces it if its kind differs, as a recipe's table over its
    base's.

    >>> put({"model": {"kind": "rnn", "layers": 1}}, "model.layers", 2)
    {'model': {'kind': 'rnn', 'layers': 2}}
    >>> put({"model": {"kind": "rnn", "layers": 1}}, "model", {"kind": "linear"})
    {'model': {'kind': 'linear'}}
    >>> put({"model": {"kind": "rnn", "layers": 1}}, "model.kind", "linear")
    {'model': {'kind': 'linear'}}
    >>> put({"model": {"layers": [{"kind": "linear", "size": 2}]}}, "model.layers.0.size", 3)
    {'model': {'layers': [{'kind': 'linear', 'size': 3}]}}
    """
    for name in reversed(key.split(".")):
        value = {name: value}
    return _merge(table, value)


def network(wanted: str, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """The experiment of a recipe that trains a network.

    Raises:
        UserError: the recipe fits a baseline; see `configure` for other errors.
    """
    config, _ = configure(wanted, overrides)
    if config.method != "network":
        kind = f"an {config.method}" if config.members else f"a {config.method}"
        raise UserError(f"Recipe {wanted!r} must train a network. Got {kind}.")
    return cast("ExperimentConfig", config)


def _read(wanted: str, extended_by: tuple[str, ...]) -> Recipe:
    path = Path(wanted)
    own = str(path.resolve()) if path.suffix == ".toml" else wanted
    if own in extended_by:
        chain = ", which extends ".join([*extended_by, own])
        raise UserError(f"A recipe must not extend itself. Got {chain}.")
    table = read_toml(_text(wanted), f"Recipe {wanted!r}")
    if path.suffix == ".toml":
        # Relative to the file that names it, as a base is.
        table = {**in_folder(table, path.parent), **_ensemble_in_folder(table, path.parent)}
        check_recipe(path, table)
    base, about, extended = table.pop("base", None), str(table.pop("about", "")), None
    by_data = table.pop("sized_by_data", None)
    if by_data not in (None, True, False):
        raise UserError(f"Recipe {wanted!r}: 'sized_by_data' must be true or false. Got {by_data!r}.")
    name = path.stem if path.suffix == ".toml" else wanted
    table.setdefault("name", name)
    if base is not None:
        # A path to a base is relative to the folder of the file that names it.
        extended = str(path.parent / str(base)) if str(base).endswith(".toml") else str(base)
        recipe = _read(extended, (*extended_by, own))
        table = _merge(recipe.table, table)
        by_data = recipe.sized_by_data if by_data is None else by_data
    return Recipe(name, about, table, bool(by_data), extended)


def _ensemble_in_folder(table: Table, folder: Path) -> Table:
    """The ensemble of a file, if it has one; files that its members name are relative to the folder."""
    match table.get("ensemble"):
        case {"members": list(members)} as ensemble:
            return {"ensemble": {**ensemble, "members": [_in_folder(member, folder) for member in members]}}
        case _:
            return {}


def _in_folder(member: Any, folder: Path) -> Any:
    words = member_words(member) if isinstance(member, str) else None
    if words is None:
        return member
    wanted, overrides = words
    values = (override.partition("=") for override in overrides)
    moved = [f"{key}{equals}{in_folder(value, folder)}" for key, equals, value in values]
    return shlex.join([str(folder / wanted) if wanted.endswith(".toml") else wanted, *moved])


def _of_member(member: str) -> Table:
    """Data, task and learned splits of a member, which are those of its ensemble unless that has its own."""
    words = member_words(member)
    if words is None:
        run = member_run(member)
        table = in_folder(run.settings(), run.path)
    else:
        recipe = _read(words[0], extended_by=())
        table, _ = overridden(recipe, words[1])
    if "ensemble" in table:
        raise nested_error(member)
    found = {key: table[key] for key in ("data", "task", "fit_on") if key in table}
    return {"fit_on": table.get("training", {}).get("fit_on", "train"), **found}


def _text(wanted: str) -> str:
    """The content of a recipe file, or of a shipped recipe."""
    path = Path(wanted)
    if names_code(wanted):
        raise UserError(
            f"A recipe must be a name or a file of settings. Got code, {wanted!r}. Nearest: a recipe with "
            f"model.kind=import model.path={wanted}."
        )
    if path.suffix != ".toml":
        if wanted not in names():
            raise unknown("recipe", wanted, names())
        return (resources.files("seqlab") / "recipes" / f"{wanted}.toml").read_text("utf-8")
    if not path.is_file():
        raise UserError(f"There is no recipe file {wanted!r}.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} must be UTF-8 text. Got an invalid byte at offset {error.start}.") from None


def _merge(base: Table, table: Table) -> Table:
    """Settings merged over their base's; a table of another kind replaces the base's whole table."""
    merged: dict[str, Any] = dict(base)
    for key, value in table.items():
        old = base.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and _same_kind(old, value):
            merged[key] = _merge(old, value)
        elif isinstance(value, dict) and isinstance(old, list) and _numbered(old, value):
            # Only the number of a table that is there, or the next one, is in `value`.
            merged[key] = list(_merge({str(index): item for index, item in enumerate(old)}, value).values())
        else:
            merged[key] = value
    return merged


def _numbered(items: list[Any], tables: Table) -> bool:
    """Whether tables have the numbers of items of a list, or the next one after them."""
    numbers = {str(index) for index in range(len(items) + 1)}
    return all(isinstance(item, dict) for item in items) and tables.keys() <= numbers


def _same_kind(base: Table, table: Table) -> bool:
    return table.get("kind", base.get("kind")) == base.get("kind")
