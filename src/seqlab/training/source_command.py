"""The command that trains a language model whose weights another run can start from."""

from __future__ import annotations

import shlex

from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.experiment.run_names import changed_of
from seqlab.schema.config import plain
from seqlab.schema.described import described
from seqlab.schema.settings import format_setting

_RECIPES = {"imdb": "imdb-lm", "table": "table-lm"}
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
    changed = changed_of(recipe, described(type(config), plain(config)))
    settings = [f"{key}={format_setting(value)}" for key, value in changed.items() if key.startswith("data.")]
    named = [f"name={name}"] if name != recipe and "/" not in name else []
    return shlex.join(["seqlab", "train", recipe, *named, *settings])
