"""The command that trains a language model whose weights another run can start from."""

from __future__ import annotations

import shlex
from typing import Any

from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.experiment.run_names import changed_of
from seqlab.schema.config import plain
from seqlab.schema.described import described, differ
from seqlab.schema.settings import flat, format_setting

_RECIPES = {"imdb": "imdb-lm", "table": "text-lm"}
"""Recipes of language models, by the dataset they are for."""


def command_for(name: str, config: AnyExperimentConfig) -> str:
    """The command that trains a run of this name on the data of an experiment.

    Args:
        name: of the run, or the path where it was expected.
        config: of the experiment that starts from it.
    """
    recipe = name if name in recipes.names() else _RECIPES.get(config.data.kind)
    if recipe is None:
        return f"seqlab train RECIPE name={name}, a recipe of a language model with the same data"
    named = [f"name={name}"] if name != recipe and "/" not in name else []
    chosen = {**_data_settings(recipe, config), **_model_settings(recipe, config)}
    settings = [f"{key}={format_setting(value)}" for key, value in chosen.items()]
    return shlex.join(["seqlab", "train", recipe, *named, *settings])


def _data_settings(recipe: str, config: AnyExperimentConfig) -> dict[str, Any]:
    """The settings of the data that are not the recipe's; of another dataset those that are no defaults."""
    settings = [each for each in described(type(config), plain(config)) if each.key.startswith("data.")]
    if recipes.read(recipe).table["data"]["kind"] == config.data.kind:
        return changed_of(recipe, settings)
    other = {each.key: each.value for each in settings if differ(each.value, each.default)}
    return {"data.kind": config.data.kind, **other}


def _model_settings(recipe: str, config: AnyExperimentConfig) -> dict[str, Any]:
    """The settings that both models have and that must be the same, where they are not the recipe's."""
    assert config.transfer is not None, "it starts from a run"
    table, own = recipes.read(recipe).table.get("model", {}), flat(plain(config)["model"])
    taken = config.transfer.sources.get(table.get("kind"))
    shared = [] if taken is None else [same for same in taken.settings if same.without is None]
    return {f"model.{s.there}": own[s.own] for s in shared if table.get(s.there) != own[s.own]}
