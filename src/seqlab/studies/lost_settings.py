"""Settings of a recipe that runs of a study lose, because another kind has other settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqlab.schema.config import Config
from seqlab.schema.settings import flat, format_setting
from seqlab.studies.design import Design


def lost_settings(design: Design) -> list[str]:
    """A sentence for each architecture, and each value of an axis, that loses settings of its recipe.

    A table of another kind replaces the recipe's whole table: settings that both kinds have, and that the
    study does not set, then have the default of the new kind.
    """
    sentences = []
    for architecture in design.architectures:
        own = _lost(design, architecture)
        if own:
            sentences.append(_sentence(design, design.name_of(architecture), architecture, own))
        for axis in design.setting_axes:
            for value in axis.examples if _is_of_kinds(axis.key, axis.examples) else ():
                setting = {**architecture, axis.key: value}
                further = {key: now for key, now in _lost(design, setting).items() if key not in own}
                if further:
                    sentences.append(
                        _sentence(design, f"{axis.key}={format_setting(value)}", setting, further)
                    )
    return list(dict.fromkeys(sentences))


def _is_of_kinds(key: str, values: tuple[Any, ...]) -> bool:
    """Whether an axis picks kinds; parsing every value of every other axis again would take long."""
    return key.endswith("kind") or any(isinstance(value, Mapping) for value in values)


def _lost(design: Design, setting: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the recipe that a run loses, with the values that it has instead."""
    whole = {**design.first_setting, **setting}
    config = design.experiment(whole, design.config.seeds[0])
    given = {**flat(design.config.settings), **flat(whole)}
    now = _values(config)
    before = flat(design.recipe_of(setting).table)
    return {
        key: now[key]
        for key, value in before.items()
        if key in now and key not in given and not key.endswith("kind") and _differ(now[key], value)
    }


def _differ(now: Any, before: Any) -> bool:
    # As text, too: a recipe writes "none" for what is None.
    return now != before and format_setting(now) != format_setting(before)


def _values(config: Config, above: str = "") -> dict[str, Any]:
    """Every setting by its full key, with those that are None."""
    values: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, Config):
            values |= _values(value, f"{above}{name}.")
        else:
            values[above + name] = list(value) if isinstance(value, tuple) else value
    return values


def _sentence(design: Design, what: str, setting: Mapping[str, Any], lost: Mapping[str, Any]) -> str:
    recipe = design.recipe_of(setting)
    before = flat(recipe.table)
    changes = ", ".join(
        f"{key}={format_setting(now)} instead of {format_setting(before[key])}" for key, now in lost.items()
    )
    return (
        f"{what} is of another kind than in {recipe.name} and does not keep its settings: {changes}. "
        "The study's settings hold for every kind."
    )
