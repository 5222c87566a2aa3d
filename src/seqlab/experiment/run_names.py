"""Names of runs: the recipe, the architecture, and what was changed; free of torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import experiment_class
from seqlab.schema import own_code
from seqlab.schema.described import BaseSettings, DescribedSetting, described
from seqlab.schema.settings import format_setting, is_list_of_tables
from seqlab.schema.short_forms import KIND_FORMS, LAYER_FORMS, SHORT_FORMS

_ARCHITECTURE = ("model.path", "model.cell", "model.kind", "baseline.kind")
"""BaseSettings that say what is fitted, the most specific one first."""
_IDENTITY = ("name", "seed", "ensemble.members")
"""BaseSettings that are no changes of a recipe: its members are recipes, those of its run are their runs."""
_SIZES = ("model.hidden_size", "model.layers", "training.optimizer.learning_rate")
"""BaseSettings in the name of a run whose recipe is not a shipped one, so that its changes are not known."""
_LENGTH = 48
"""Characters that the changes may have in a name, so that every file system takes it."""


def run_stem(settings: Mapping[str, Any]) -> str:
    """The beginning of the name of a run's folder, before its fingerprint.

    It is the configuration's name, then what was changed in the recipe of this name, then the seed. Where no
    recipe has this name, the architecture and its sizes. What is too long is left out: the fingerprint
    distinguishes runs in any case.

    Args:
        settings: every setting of the run, as a plain table.

    >>> run_stem({**recipes.read("brackets-gru").table, "seed": 3})
    'brackets-gru-s3'
    """
    name = str(settings["name"])
    parts = _of_changes(settings) if name in _shipped() else _of_own(settings)
    kept: list[str] = []
    for part in parts:
        if len("-".join([*kept, part])) <= _LENGTH:
            kept.append(part)
    seed = [f"s{settings['seed']}"] if "seed" in settings else []
    return "-".join([name, *kept, *seed])


def architecture(settings: Mapping[str, Any]) -> str:
    """What a run fits: the cell or kind of its model, or the kind of its baseline; or what it combines.

    >>> architecture({"model": {"kind": "recurrent-lm", "cell": "gru"}})
    'gru'
    >>> architecture({"model": {"kind": "import", "path": "nets/mine.py:Net"}})
    'mine.py:Net'
    >>> architecture({"ensemble": {"members": ["imdb-gru-s1-3fa8", "imdb-nbsvm-90bc"]}})
    'ensemble of 2'
    """
    if (members := _value(settings, "ensemble.members")) is not None:
        return f"ensemble of {len(members)}"
    value = next((value for key in _ARCHITECTURE if (value := _value(settings, key)) is not None), "")
    return own_code.label(value) if own_code.names_code(value) else str(value)


def changed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run that are not those of its recipe, by their full keys, without `_IDENTITY`.

    Where the recipe does not have a setting, as it is of another kind, those that are not the default. Of a
    table of a list that only the run has, such as a layer, all settings; one that only the recipe has is
    None. Of a run whose name is not that of a shipped recipe: {}.

    >>> changed({**recipes.read("imdb-majority").table, "fit_on": "train+valid"})
    {'fit_on': 'train+valid'}
    """
    return changed_of(str(settings.get("name", "")), described(experiment_class(settings), settings))


def changed_of(name: str, settings: Iterable[DescribedSetting]) -> dict[str, Any]:
    """The same, of settings that are described already, and a run's name."""
    if name not in _shipped():
        return {}
    before, now = _of_recipe(name), list(settings)
    found = {
        setting.key: setting.value
        for setting in now
        if setting.key not in _IDENTITY and before.differs(setting)
    }
    return found | dict.fromkeys(before.items_without(now))


# Kept, because a list of runs asks for the same few recipes thousands of times.
@cache
def _shipped() -> frozenset[str]:
    return frozenset(recipes.names())


@cache
def _of_recipe(name: str) -> BaseSettings:
    table = recipes.read(name).table
    return BaseSettings(described(experiment_class(table), table))


def _of_changes(settings: Mapping[str, Any]) -> list[str]:
    name, now = str(settings["name"]), list(described(experiment_class(settings), settings))
    different = changed_of(name, now)
    fitted, before = architecture(settings), architecture(recipes.read(name).table)
    parts = [_word(fitted.rpartition(":")[2])] if fitted != before else []
    if "training.optimizer.path" in different:
        # Its own name says more than that it is one's own.
        different.pop("training.optimizer.kind", None)
    named = {key: [_part(SHORT_FORMS[key], different[key])] for key in SHORT_FORMS if key in different}
    named["model.layers"] = named.get("model.layers", []) + _layer_parts(now, different)
    return [*parts, *(part for key in SHORT_FORMS for part in named.get(key, []))]


def _layer_parts(settings: Iterable[DescribedSetting], different: Mapping[str, Any]) -> list[str]:
    """A part for each layer of a list that is another one: `1conv-f80`, or `1f80` where its kind is the same.

    Of a layer of another kind, the settings that are no defaults.
    """
    layers: dict[str, list[str]] = {}
    for setting in settings:
        name = setting.key.removeprefix(f"{setting.item}.")
        if not setting.item or name not in LAYER_FORMS or setting.key not in different:
            continue
        if name == "kind":
            layers[setting.item] = [KIND_FORMS.get(setting.value, _word(setting.value))]
        elif setting.changed or f"{setting.item}.kind" not in different:
            layers.setdefault(setting.item, []).append(_part(LAYER_FORMS[name], setting.value))
    parts = {item.rpartition(".")[2]: "-".join(words) for item, words in layers.items()}
    left_out = (key.rpartition(".")[2] for key in different if key.rpartition(".")[2].isdecimal())
    return [*(index + words for index, words in parts.items()), *(f"not-{index}" for index in left_out)]


def _of_own(settings: Mapping[str, Any]) -> list[str]:
    if "ensemble" in settings:
        return []  # its name says more than how many it combines
    sizes = {key: value for key in _SIZES if (value := _value(settings, key)) is not None}
    fitted = [_word(architecture(settings).rpartition(":")[2])]
    if is_list_of_tables(sizes.get("model.layers")):
        # The layers say more than the kind of a model that is made of them.
        now = list(described(experiment_class(settings), settings))
        fitted = _layer_parts(now, {setting.key: setting.value for setting in now})
        del sizes["model.layers"]
    return [*fitted, *(_part(SHORT_FORMS[key], value) for key, value in sizes.items())]


def _part(short: str, value: Any) -> str:
    """A setting in a name, with the characters that every file system takes.

    Args:
        short: what precedes the value.
        value: in a plain table.
    """
    if isinstance(value, bool):
        return short if value else f"not-{short}"
    if own_code.names_code(value):
        return short + _word(own_code.split(value)[1])
    return short + _word(format_setting(value))


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:20]


def _value(settings: Mapping[str, Any], key: str) -> Any:
    table: Any = settings
    for name in key.split("."):
        table = table.get(name) if isinstance(table, Mapping) else None
    return table
