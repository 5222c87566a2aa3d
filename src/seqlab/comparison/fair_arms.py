"""What makes the arms of a study unequal besides what is compared: lost settings, other sizes."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping
from typing import Any

from seqlab.comparison.study import Study
from seqlab.schema.settings import flat, format_setting

FACTOR = 1.5
"""Ratio of numbers of parameters from which on it is reported."""


def unequal_arms(study: Study) -> list[str]:
    """One sentence for each architecture that lost settings of its recipe, and one on numbers of parameters.

    Args:
        study: with the runs that there are so far.
    """
    sentences, common = [], flat(study.about.get("settings", {}))
    for name, config in {cell.architecture: cell.run.trial.config for cell in study.networks}.items():
        base = str(study.about.get("base") or config.get("name"))
        recipe = flat(study.recipes.get(base, {}))
        changed, gone = lost(recipe, flat(config), _given(study.about, config), common)
        if changed or gone:
            sentences.append(lost_sentence(name, base, recipe, changed, gone))
    budget = study.about.get("budget") or {}
    sizes = {} if budget.get("equal") == "parameters" else _sizes(study)
    return [*sentences, *unequal_sizes(sizes)]


def lost(
    recipe: Mapping[str, Any], now: Mapping[str, Any], given: Collection[str], of_all: Collection[str]
) -> tuple[dict[str, Any], list[str]]:
    """The settings of a recipe that a run does not have, because its kind is another one.

    Args:
        recipe: its settings, by full key.
        now: those of the run.
        given: keys that the study sets.
        of_all: those of them that it sets for all arms: what these cannot have, no arm has.

    Returns:
        Those with another value, with that value; and those that the kind cannot have, as far as they did
        something: a rate or a switch, but neither a size nor a name.

    >>> recipe = {"model.kind": "a", "model.dropout": 0.4, "model.tied": True, "model.size": 3}
    >>> lost(recipe, {"model.kind": "b", "model.dropout": 0.0}, (), ())
    ({'model.dropout': 0.0}, ['model.tied'])
    """
    other = [
        key.removesuffix("kind")
        for key, kind in recipe.items()
        if key.endswith(".kind") and now.get(key, kind) != kind
    ]
    changed, gone = dict[str, Any](), list[str]()
    for key, before in recipe.items():
        if key in given or key.endswith(".kind") or not key.startswith(tuple(other)):
            continue
        if key not in now:
            acted = before is True or (isinstance(before, float) and before > 0)
            gone += [key] if acted and f"{key.rpartition('.')[0]}.kind" not in of_all else []
        elif differ(now[key], before):
            changed[key] = now[key]
    return changed, gone


def differ(now: Any, before: Any) -> bool:
    """Whether two values of a setting differ; as text, too, since a recipe writes "none" for what is None."""
    return now != before and format_setting(now) != format_setting(before)


def lost_sentence(
    what: str, recipe: str, before: Mapping[str, Any], changed: Mapping[str, Any], gone: Collection[str]
) -> str:
    """What an arm lost of its recipe.

    Args:
        what: the arm.
        recipe: its name.
        before: the recipe's settings.
        changed: settings that have another value now.
        gone: settings that it cannot have.
    """
    lost = [
        f"{key}={format_setting(now)} instead of {format_setting(before[key])}"
        for key, now in changed.items()
    ]
    lost += [f"no {key}, which is {format_setting(before[key])} there" for key in gone]
    return (
        f"{what} is of another kind than in {recipe} and does not keep its settings: {', '.join(lost)}. "
        "The study's settings hold for every kind."
    )


def unequal_sizes(parameters: Mapping[str, int]) -> list[str]:
    """A sentence where architectures have very different numbers of parameters.

    >>> unequal_sizes({"elman": 1000, "lstm": 1400}), unequal_sizes({})
    ([], [])
    >>> unequal_sizes({"elman": 1000, "lstm": 4000})[0].partition(" (")[0]
    'The architectures differ in size: lstm has 4 times the parameters of elman'
    """
    if not parameters or max(parameters.values()) <= FACTOR * min(parameters.values()):
        return []
    large, small = max(parameters, key=parameters.__getitem__), min(parameters, key=parameters.__getitem__)
    return [
        f"The architectures differ in size: {large} has {parameters[large] / max(1, parameters[small]):.3g} "
        f"times the parameters of {small} ({parameters[large]:,} and {parameters[small]:,}). "
        "A budget of parameters makes them equal."
    ]


def _given(about: Mapping[str, Any], config: Mapping[str, Any]) -> set[str]:
    """The keys that a study sets, of the values of its axes those of the run's kinds."""
    given = set(flat(about.get("settings", {})))
    for key, values in flat(about.get("axes", {}), within_lists=False).items():
        given.add(key)
        for value in values if isinstance(values, list) else ():
            table = config.get(key)
            if isinstance(value, Mapping) and isinstance(table, Mapping):
                same = value.get("kind", table.get("kind")) == table.get("kind")
                given |= {f"{key}.{name}" for name in flat(value)} if same else set()
    return given


def _sizes(study: Study) -> dict[str, int]:
    """The median number of parameters of the finished runs of each architecture."""
    sizes: dict[str, list[int]] = {}
    for cell in study.networks:
        if cell.value is not None and cell.run.summary is not None:
            sizes.setdefault(cell.architecture, []).append(cell.run.summary["parameters"])
    return {name: round(statistics.median(counts)) for name, counts in sizes.items()}
