"""Settings of a recipe that runs of a study lose, because another kind has other settings."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from seqlab.comparison.fair_arms import lost, lost_sentence, unequal_sizes
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.schema.config import Config, nested
from seqlab.schema.settings import flat, format_setting
from seqlab.studies.budgets import Adjust
from seqlab.studies.design import Design


def lost_settings(design: Design) -> list[str]:
    """A sentence for each architecture, and each value of an axis, that loses settings of its recipe.

    A table of another kind replaces the recipe's whole table: settings that both kinds have, and that the
    study does not set, then have the default of the new kind.
    """
    sentences = []
    for architecture in design.architectures:
        own, gone = _lost(design, architecture)
        if own or gone:
            sentences.append(_sentence(design, design.name_of(architecture), architecture, own, gone))
        for axis in design.setting_axes:
            for value in axis.examples if _is_of_kinds(axis.key, axis.examples) else ():
                setting = {**architecture, axis.key: value}
                changed, without = _lost(design, setting)
                further = {key: now for key, now in changed.items() if key not in own}
                missing = [key for key in without if key not in gone]
                if further or missing:
                    what = f"{axis.key}={format_setting(value)}"
                    sentences.append(_sentence(design, what, setting, further, missing))
    return list(dict.fromkeys(sentences))


def _is_of_kinds(key: str, values: tuple[Any, ...]) -> bool:
    """Whether an axis picks kinds; parsing every value of every other axis again would take long."""
    return key.endswith("kind") or any(isinstance(value, Mapping) for value in values)


def _lost(design: Design, setting: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The settings of the recipe that a run loses: with the values that it has instead, and without one."""
    whole = {**design.first_setting, **setting}
    config = design.experiment(whole, design.config.seeds[0])
    common = flat(design.config.settings)
    given = {**common, **flat(whole)}
    return lost(flat(design.recipe_of(setting).table), _values(config), given, common)


def _values(config: Config, above: str = "") -> dict[str, Any]:
    """Every setting by its full key, with those that are None."""
    values: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        inner = list(nested(above + name, value))
        for key, table in inner:
            values |= _values(table, f"{key}.")
        if not inner:
            values[above + name] = list(value) if isinstance(value, tuple) else value
    return values


def _sentence(
    design: Design, what: str, setting: Mapping[str, Any], changed: Mapping[str, Any], gone: Sequence[str]
) -> str:
    recipe = design.recipe_of(setting)
    return lost_sentence(what, recipe.name, flat(recipe.table), changed, gone)


def size_differences(design: Design, adjust: Adjust) -> list[str]:
    """A sentence where the architectures have very different numbers of parameters within the budget.

    Raises:
        UserError: the data cannot be read, or a model does not fit it.
    """
    budget = design.config.budget
    if len(design.architectures) < 2 or (budget is not None and budget.equal == "parameters"):
        return []
    sizes: dict[str, list[int]] = {}
    for each in design.architectures:
        sizes.setdefault(design.name_of(each), []).append(_parameters(adjust(design.example(each))))
    return unequal_sizes({name: round(statistics.median(counts)) for name, counts in sizes.items()})


def _parameters(config: ExperimentConfig) -> int:
    dataset = config.dataset()
    spec = config.task.build(dataset).spec(dataset)
    return sum(one.numel() for one in config.model.build(spec, torch.Generator()).parameters())
