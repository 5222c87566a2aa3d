"""Settings chosen from the size of the data, for recipes with `sized_by_data = true`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seqlab.data.dataset_config import DatasetConfig
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.schema.config import Table, fields


@dataclass(frozen=True)
class Extent:
    """The size of the training data; `running`: it is one continuous text."""

    texts: int
    characters: int
    running: bool


def fill(table: Table, config: AnyExperimentConfig) -> tuple[Table, str]:
    """Complete settings: those that neither the recipe nor the user sets are chosen.

    Args:
        table: settings of the recipe and the user; none of them changes.
        config: the same as a configuration; its data is read.

    Returns:
        The settings, and a sentence that lists the chosen ones.

    Raises:
        UserError: the data is not what it must be.
    """
    extent = measure(config.data)
    settable = {key for key, _ in fields(type(config), table)}
    suitable = running_text(extent) if extent.running else sequences(extent)
    chosen = {key: value for key, value in suitable.items() if key in settable and not _given(table, key)}
    for key, value in chosen.items():
        table = _with(table, key.split("."), value)
    words = " ".join(f"{key}={value}" for key, value in chosen.items()) or "nothing, every setting is given"
    what = f"{extent.characters:,} characters of training text"
    if not extent.running:
        what = f"{extent.texts:,} training texts ({extent.characters:,} characters)"
    return table, f"Settings chosen for {what}: {words}"


def chosen_keys(table: Table) -> set[str]:
    """The keys of the settings that `fill` may choose, which depends on the data."""
    small = Extent(texts=1, characters=1, running=True)
    return {key for key in (*running_text(small), *sequences(small)) if not _given(table, key)}


def measure(data: DatasetConfig) -> Extent:
    """The size of the training split; its texts are read once."""
    corpus = data.read()
    texts = corpus.texts["train"]
    return Extent(len(texts), sum(map(len, texts)), corpus.running)


def sequences(extent: Extent) -> dict[str, Any]:
    """Settings for labelled texts: on few texts small layers, small batches and many passes."""
    width = _step(extent.texts, (10_000, 64), (100_000, 128), above=256)
    return {
        "data.tokenizer.min_count": _step(extent.characters, (50_000, 1), above=2),
        "data.tokenizer.max_size": min(50_000, max(2_000, extent.characters // 50)),
        "model.embedding_size": width,
        "model.embedding_std": 0.1,
        "model.hidden_size": width,
        "model.linear_size": width,
        "model.layers": 1,
        "model.dropout": _step(extent.texts, (20_000, 0.5), above=0.3),
        "batching.batch_size": _step(extent.texts, (2_000, 16), (20_000, 32), above=64),
        "training.epochs": _step(extent.texts, (2_000, 20), (20_000, 10), (200_000, 5), above=3),
        "training.patience": _step(extent.texts, (2_000, 5), (20_000, 2), above=1),
    }


def running_text(extent: Extent) -> dict[str, Any]:
    """Settings for a running text: a larger model and fewer passes where there is more of it."""
    characters = extent.characters
    width = _step(characters, (200_000, 128), (5_000_000, 256), above=512)
    return {
        "data.tokenizer.max_size": min(50_000, max(2_000, characters // 50)),
        "data.tokenizer.min_count": _step(characters, (50_000, 1), above=2),
        "model.embedding_size": width // 2,
        "model.hidden_size": width,
        "model.layers": 1,
        "model.dropout": _step(characters, (200_000, 0.3), (5_000_000, 0.2), above=0.1),
        "batching.batch_size": _step(characters, (20_000, 4), (200_000, 16), above=32),
        "batching.sequence_length": 64,
        "training.epochs": _step(characters, (200_000, 20), (2_000_000, 5), (20_000_000, 2), above=1),
        "training.patience": 3,
    }


def _step(size: int, *bounds: tuple[int, Any], above: Any) -> Any:
    """The value of the first bound that a size is below.

    >>> _step(5, (3, "few"), (9, "some"), above="many")
    'some'
    """
    return next((value for bound, value in bounds if size < bound), above)


def _given(table: Mapping[str, Any], key: str) -> bool:
    first, _, rest = key.partition(".")
    if not rest or first not in table:
        return first in table
    return _given(table[first], rest)


def _with(table: Mapping[str, Any], path: list[str], value: Any) -> Table:
    if len(path) == 1:
        return {**table, path[0]: value}
    return {**table, path[0]: _with(table.get(path[0], {}), path[1:], value)}
