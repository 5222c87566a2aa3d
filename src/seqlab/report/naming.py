"""Labels of runs on a page: the settings in which they differ, in as few words as identify them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seqlab.report.run_data import RunData
from seqlab.schema.config import Table
from seqlab.schema.settings import format_setting, is_list_of_tables
from seqlab.schema.short_forms import letters

LONGEST_LABEL = 32
"""Characters of a name in sentences, legends and axes."""


def labels(runs: Sequence[RunData]) -> list[str]:
    """A label for each run; runs that differ only in their seed share a label.

    A label of at most `LONGEST_LABEL` characters holds the name where names differ, and the settings in which
    runs of that name differ. A run whose settings cannot be read is labelled with the name of its folder.
    """
    # By id, because a `RunData` holds tables and cannot be hashed.
    chosen = {id(run): run.folder.path.name for run in runs}
    readable = [run for run in runs if run.settings]
    names = {run.folder.name for run in readable}
    for name in names:
        same_name = [run for run in readable if run.folder.name == name]
        for run, parts in zip(same_name, _run_differences(same_name), strict=True):
            prefix = [name] if len(names) > 1 or not parts else []
            chosen[id(run)] = ", ".join([*prefix, *parts])
    return short_labels([chosen[id(run)] for run in runs], LONGEST_LABEL)


def short_labels(names: Sequence[str], most: int) -> list[str]:
    """Names of at most this many characters; different names stay different.

    Where a name is too long, words that all names share are left out; then settings get the short forms that
    names of run folders have. What is still too long lacks its middle, and names that became equal are
    numbered.

    >>> short_labels(["recurrent-lm cell=lstm layers=1", "recurrent-lm cell=lstm layers=2"], 20)
    ['layers=1', 'layers=2']
    >>> short_labels(["a" * 9 + "b", "a" * 9 + "c", "gru"], 8)
    ['aaa…aaab', 'aaa…aaac', 'gru']
    >>> short_labels(["cell=gru, hidden_size=8", "cell=lstm, hidden_size=16"], 20)
    ['gru, h8', 'lstm, h16']
    """
    different = list(dict.fromkeys(names))
    chosen = different
    for shorten in (_without_shared_words, _short_forms):
        if any(len(name) > most for name in chosen):
            chosen = shorten(chosen)
    short = dict(zip(different, chosen, strict=True))
    cut = {name: _without_middle(label, most) for name, label in short.items()}
    counts = Counter(cut.values())
    numbers = Counter[str]()
    for name, label in cut.items():
        if counts[label] > 1:
            numbers[label] += 1
            suffix = f" #{numbers[label]}"
            cut[name] = _without_middle(label, max(most - len(suffix), 1)) + suffix
    return [cut[name] for name in names]


def _without_shared_words(names: Sequence[str]) -> list[str]:
    """Names without the words that all of them have, unless one would lose all its words, or two be equal."""
    words = [name.split(" ") for name in names]
    shared = set.intersection(*map(set, words))
    shorter = [" ".join(word for word in each if word not in shared) for each in words]
    return shorter if all(shorter) and len(set(shorter)) == len(names) > 1 else list(names)


def _short_forms(names: Sequence[str]) -> list[str]:
    """Names whose settings are written as in the names of run folders, unless two would be equal."""
    shorter = [re.sub(r"(\w+)=([^\s,]+)", _short_form, name) for name in names]
    return shorter if len(set(shorter)) == len(set(names)) else list(names)


def _short_form(setting: re.Match[str]) -> str:
    key, value = setting.groups()
    short = letters().get(key)
    if short == "" or key == "cell":
        return value
    return f"{short}{value}" if short and value[0].isdigit() else setting.group()


def _without_middle(name: str, most: int) -> str:
    if len(name) <= most:
        return name
    head = (most - 1) // 2
    return f"{name[:head]}…{name[len(name) - (most - 1 - head) :]}"


def architecture_of(run: RunData) -> str:
    """The cell, the code or the kind of a run's model, or the kind of its baseline; or what it combines."""
    if (ensemble := run.settings.get("ensemble")) is not None:
        return f"ensemble of {len(ensemble['members'])}"
    model = run.settings.get("model") or run.settings.get("baseline", {})
    return format_setting(model.get("cell") or model.get("path") or model.get("kind") or "unknown")


def optimizer_of(run: RunData) -> str:
    """The kind of a run's optimizer, with its schedule where the learning rate is not constant."""
    return optimizer_name(run.settings)


def optimizer_name(settings: Mapping[str, Any]) -> str:
    """The same of the settings of an experiment.

    >>> optimizer_name({"training": {"optimizer": {"kind": "sgd"}, "schedule": {"kind": "epoch-decay"}}})
    'sgd, epoch-decay'
    """
    training = settings.get("training", {})
    kind = training.get("optimizer", {}).get("kind", "none")
    schedule = training.get("schedule", {}).get("kind", "constant")
    return str(kind) if schedule == "constant" else f"{kind}, {schedule}"


def _run_differences(runs: Sequence[RunData]) -> list[list[str]]:
    """The settings in which runs of one name differ.

    Networks, baselines and ensembles have different settings, so each group is compared within itself. The
    kind of the latter two is always included, so that no row is mistaken for a network's.
    """
    parts: dict[int, list[str]] = {}
    for method in dict.fromkeys(run.method for run in runs):
        group = [run for run in runs if run.method == method]
        differing = setting_differences([_compared(run.settings) for run in group])
        for run, words in zip(group, differing, strict=True):
            kind = architecture_of(run)
            parts[id(run)] = [kind, *words] if method != "network" and kind not in words else words
    return [parts[id(run)] for run in runs]


def setting_differences(tables: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """For each table the settings in which it differs from the others; a kind without its key.

    >>> lstm = {"model": {"kind": "rnn", "cell": "lstm", "layers": 2}}
    >>> gru = {"model": {"kind": "rnn", "cell": "gru", "layers": 2}}
    >>> setting_differences([lstm, gru, {"model": {"kind": "transformer", "heads": 4}}])
    [['rnn', 'cell=lstm'], ['rnn', 'cell=gru'], ['transformer']]
    >>> layers = [[], [{"kind": "linear", "size": 2}], [{"kind": "linear", "size": 3}, {"kind": "dropout"}]]
    >>> setting_differences([{"layers": each} for each in layers])
    [['no layers'], ['linear'], ['linear+dropout']]
    """
    parts: list[list[str]] = [[] for _ in tables]
    for key in dict.fromkeys(key for table in tables for key in table):
        values = _lists_as_tables(key, [table.get(key) for table in tables])
        if all(value == values[0] for value in values):
            continue
        for index, words in _unequal(key, values):
            parts[index] += words
    return parts


def _lists_as_tables(key: str, values: Sequence[Any]) -> Sequence[Any]:
    """Lists of tables as tables whose kind is that of all their items; other values as they are."""
    if not any(map(is_list_of_tables, values)):
        return values
    return [
        {"kind": "+".join(str(item.get("kind")) for item in value) or f"no {key}"}
        | {str(index): item for index, item in enumerate(value)}
        if is_list_of_tables(value) or value == []
        else value
        for value in values
    ]


def _unequal(key: str, values: Sequence[Any]) -> Iterator[tuple[int, list[str]]]:
    """Index and words of each value; a table is compared only with tables of its own kind."""
    tables = {i: value for i, value in enumerate(values) if isinstance(value, Mapping)}
    kinds = dict.fromkeys(table.get("kind") for table in tables.values())
    for kind in kinds:
        same_kind = [i for i, table in tables.items() if table.get("kind") == kind]
        inner = setting_differences([values[i] for i in same_kind])
        for index, words in zip(same_kind, inner, strict=True):
            yield index, [str(kind), *words] if len(kinds) > 1 else words
    for index, value in enumerate(values):
        if value is not None and not isinstance(value, Mapping):
            yield index, [f"{key}={format_setting(value)}"]


def _compared(table: Table) -> Table:
    """The settings that tell runs of one name apart; the members of an ensemble would be too long a label."""
    found = {key: value for key, value in table.items() if key not in ("seed", "name")}
    if (ensemble := found.get("ensemble")) is not None:
        found["ensemble"] = {key: value for key, value in ensemble.items() if key != "members"}
    return found
