"""What runs are called on a page: by what they differ in, in as few words as tell them apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seqlab.report.run_data import RunData
from seqlab.schema.config import Table
from seqlab.schema.settings import format_setting


def labels(runs: Sequence[RunData]) -> list[str]:
    """A label for each run; runs that differ in nothing but the seed share theirs.

    The name is said where names differ; of runs with one name, the settings in which they differ.
    A run whose settings cannot be read is called by its folder.
    """
    found = {id(run): run.folder.path.name for run in runs}
    known = [run for run in runs if run.settings]
    names = {run.folder.name for run in known}
    for name in names:
        same = [run for run in known if run.folder.name == name]
        for run, parts in zip(same, _differences(same), strict=True):
            shown = [name] if len(names) > 1 or not parts else []
            found[id(run)] = ", ".join([*shown, *parts])
    return [found[id(run)] for run in runs]


def architecture_of(run: RunData) -> str:
    """The cell or the kind of a run's model, or the kind of its baseline."""
    model = run.settings.get("model") or run.settings.get("baseline", {})
    return str(model.get("cell") or model.get("kind") or "unknown")


def optimiser_of(run: RunData) -> str:
    """The kind of a run's optimiser, with its schedule where the learning rate is not constant."""
    training = run.settings.get("training", {})
    kind = training.get("optimizer", {}).get("kind", "none")
    schedule = training.get("schedule", {}).get("kind", "constant")
    return str(kind) if schedule == "constant" else f"{kind}, {schedule}"


def _differences(runs: Sequence[RunData]) -> list[list[str]]:
    """The settings in which runs of one name differ; networks and baselines have other ones, so apart.

    A baseline's kind is always said: nobody shall take its row for a network's.
    """
    parts: dict[int, list[str]] = {}
    for baseline in (False, True):
        alike = [run for run in runs if ("baseline" in run.settings) == baseline]
        for run, found in zip(
            alike, differences([_without_seed(run.settings) for run in alike]), strict=True
        ):
            kind = architecture_of(run)
            parts[id(run)] = [kind, *found] if baseline and kind not in found else found
    return [parts[id(run)] for run in runs]


def differences(tables: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """For each table the settings in which it differs from the others, a kind as its bare word.

    >>> lstm = {"model": {"kind": "rnn", "cell": "lstm", "layers": 2}}
    >>> gru = {"model": {"kind": "rnn", "cell": "gru", "layers": 2}}
    >>> differences([lstm, gru, {"model": {"kind": "transformer", "heads": 4}}])
    [['rnn', 'cell=lstm'], ['rnn', 'cell=gru'], ['transformer']]
    """
    parts: list[list[str]] = [[] for _ in tables]
    for key in dict.fromkeys(key for table in tables for key in table):
        values = [table.get(key) for table in tables]
        if all(value == values[0] for value in values):
            continue
        for index, words in _unequal(key, values):
            parts[index] += words
    return parts


def _unequal(key: str, values: Sequence[Any]) -> Iterator[tuple[int, list[str]]]:
    """Index and words of each value; tables are compared with tables of their own kind only."""
    groups = {i: value for i, value in enumerate(values) if isinstance(value, Mapping)}
    kinds = dict.fromkeys(group.get("kind") for group in groups.values())
    for kind in kinds:
        alike = [i for i, group in groups.items() if group.get("kind") == kind]
        inner = differences([values[i] for i in alike])
        for index, words in zip(alike, inner, strict=True):
            yield index, [str(kind), *words] if len(kinds) > 1 else words
    for index, value in enumerate(values):
        if value is not None and not isinstance(value, Mapping):
            yield index, [f"{key}={format_setting(value)}"]


def _without_seed(table: Table) -> Table:
    return {key: value for key, value in table.items() if key not in ("seed", "name")}
