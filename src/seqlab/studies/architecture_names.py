"""Names of the architectures that a study compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seqlab.schema.config import Table
from seqlab.schema.settings import format_setting


def architecture_names(
    models: Sequence[Table], architectures: Sequence[Mapping[str, Any]], optimizers: Sequence[str] = ()
) -> list[str]:
    """A name for each: its cell, code or kind; of two that share it, recipe or settings.

    Args:
        models: settings of an example of each architecture.
        architectures: the values of the axes that define each.
        optimizers: of each example. Recipes of several architectures, each with several optimizers, share
            the names of these architectures. Empty: every name is another one.

    >>> architecture_names([{"kind": "rnn", "cell": "gru"}, {"kind": "transformer"}], [{}, {}])
    ['gru', 'transformer']
    >>> architecture_names([{"kind": "rnn"}] * 2, [{"base": "a", "layers": 2}, {"base": "b", "layers": 2}])
    ['a, 2', 'b, 2']
    >>> recipes = [{"base": "gru-adam"}, {"base": "gru-sgd"}, {"base": "rnn-sgd"}]
    >>> models = [{"cell": "gru"}, {"cell": "gru"}, {"cell": "elman"}]
    >>> architecture_names(models, recipes, ["adam", "sgd", "sgd"])
    ['gru', 'gru', 'elman']
    """
    names = [_name(model) for model in models]
    if optimizers and _optimizers_differ(names, optimizers):
        return names
    for write in (_short, format_setting):
        if len(set(names)) == len(names):
            break
        names = [", ".join(map(write, architecture.values())) for architecture in architectures]
    return _without_shared_settings(names)


def distinguishing(
    architecture: Mapping[str, Any], architectures: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> list[tuple[str, Any]]:
    """The values of an architecture's axes in which it differs from others of the same name.

    >>> recipes = [{"base": "gru-adam"}, {"base": "gru-sgd"}, {"base": "rnn-sgd"}]
    >>> [distinguishing(each, recipes, ["gru", "gru", "elman"]) for each in recipes[1:]]
    [[('base', 'gru-sgd')], []]
    """
    name = names[architectures.index(architecture)]
    same = [other for other, own in zip(architectures, names, strict=True) if own == name]
    return [pair for pair in architecture.items() if any(other[pair[0]] != pair[1] for other in same)]


def _optimizers_differ(names: Sequence[str], optimizers: Sequence[str]) -> bool:
    """Whether there are several architectures, and each that comes more than once has several optimizers."""
    found: dict[str, set[str]] = {}
    for name, optimizer in zip(names, optimizers, strict=True):
        found.setdefault(name, set()).add(optimizer)
    return len(found) > 1 and all(len(own) > 1 or list(names).count(name) == 1 for name, own in found.items())


def _name(model: Table) -> str:
    return format_setting(model.get("cell") or model.get("path") or model["kind"])


def _short(value: Any) -> str:
    """The value of an axis in an architecture's name; a table's kind where it has one."""
    return str(value["kind"]) if isinstance(value, dict) and "kind" in value else format_setting(value)


def _without_shared_settings(names: Sequence[str]) -> list[str]:
    """Names without the settings, such as `layers=2`, that all of them share."""
    words = [name.split(" ") for name in names]
    shared = {word for word in set.intersection(*map(set, words)) if "=" in word}
    shorter = [" ".join(word for word in each if word not in shared) for each in words]
    return shorter if all(shorter) and len(set(shorter)) == len(names) else list(names)
