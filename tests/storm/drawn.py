"""Random settings, recipe files and study files: right and wrong keys, kinds, types and sizes."""

from __future__ import annotations

import datetime
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tomli_w

from seqlab.baselines.baseline_kinds import BASELINES
from seqlab.data.data_kinds import BATCHING, DATASETS, TOKENIZERS
from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import experiment_class
from seqlab.experiment.training_kinds import AVERAGINGS, OPTIMIZERS, SCHEDULES
from seqlab.models.model_kinds import MODELS
from seqlab.schema.config import fields, parse
from seqlab.tasks.task_kinds import TASKS

Table = dict[str, Any]
LONG = "a" * 100_000
TEXTS = (
    "0",
    "-1",
    "1",
    "2",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "",
    " ",
    "true",
    "false",
    "[]",
    "[1]",
    "{}",
    "none",
    LONG,
    "9" * 5_000,
)
"""Values of a setting on the command line."""
_ON_DISK = ("import", "imdb", "ptb", "tiny_shakespeare", "python_source")
"""Kinds that need a file of code, and datasets that are too large for this."""
RECIPES = {
    "brackets-lstm": ["data.train=40", "data.valid=10", "data.test=10", "data.max_length=20"],
    "marked-addition-lstm": ["data.train=40", "data.valid=10", "data.test=10"],
    "adding-lstm": ["data.train=40", "data.valid=10", "data.test=10"],
    "text-classifier": ["data.path=reviews.csv"],
    "text-lm": ["data.path=story.txt"],
    "marked-addition-majority": ["data.train=40", "data.valid=10", "data.test=10"],
    "brackets-floor": ["data.train=40", "data.valid=10", "data.test=10"],
    "text-5gram": ["data.path=story.txt"],
    "text-nbsvm": ["data.path=reviews.csv"],
}
"""Recipes of each kind of experiment, with settings that keep them small."""
NETWORK = [
    "training.max_steps=2",
    "training.matmul=torch",
    "samples.count=1",
    "samples.max_tokens=5",
    "samples.checked=5",
    "samples.checked_at_end=5",
]
_DATA = {
    "train": "40",
    "valid": "10",
    "test": "10",
    "max_length": "20",
    "length": "10",
    "expression": "(ab)*",
}
"""Settings of datasets that keep them small, or that have no default."""


def kinds(draw: random.Random) -> tuple[str, list[str]]:
    """A recipe with kinds that are exchanged at random, small enough to train; often they do not fit."""
    recipe = draw.choice(list(RECIPES))
    words = list(RECIPES[recipe])
    table = recipes.read(recipe).table
    slots = dict(_slots(table))
    for key in draw.sample(sorted(slots), draw.choice((1, 1, 2, 3))):
        kind = draw.choice([name for name in slots[key] if name not in _ON_DISK])
        words.append(f"{key}.kind={kind}")
        if key == "data":
            words = [word for word in words if not word.startswith("data.") or word.startswith("data.kind")]
            words += _data_settings(kind)
    # A new kind drops the settings of the old one, so kinds come first, those of whole tables before others.
    words.sort(key=lambda word: (not word.partition("=")[0].endswith(".kind"), word.count(".")))
    return recipe, [*words, *(_small_network(words, table) if "model" in table else [])]


def settings(draw: random.Random) -> tuple[str, list[str]]:
    """The same with values that are wrong in most keys."""
    recipe, words = kinds(draw)
    table = recipes.read(recipe).table
    keys = [key for key, _ in fields(experiment_class(table), table)]
    for key in draw.sample(keys, draw.choice((1, 1, 2))):
        words.append(f"{key}={draw.choice(TEXTS)}")
    return recipe, words


def recipe_file(draw: random.Random) -> str:
    """A recipe file with some keys or values that are wrong."""
    recipe, words = draw.choice(list(RECIPES.items()))
    table = _given(recipes.configure(recipe, words)[0].model_dump(mode="json"))
    return _written(_damaged(table, draw))


def study_file(draw: random.Random) -> str:
    """A study file; most have something that is wrong."""
    base = draw.choice(
        ("brackets-lstm", "marked-addition-lstm", "brackets-lstm", "brackets-floor", "nothing", "own.toml")
    )
    words = RECIPES.get(base, RECIPES["brackets-lstm"])
    table: Table = {
        "base": base,
        "settings": {**dict(_parsed(word) for word in [*words, *NETWORK[:2]]), "training.epochs": 1},
        "axes": {draw.choice(_AXES): draw.choice(_AXIS_VALUES) for _ in range(draw.choice((0, 1, 1, 2, 2)))},
    }
    for key, values in _STUDY_KEYS.items():
        if draw.random() < (0.02 if key in ("seed", "serch") else 0.18):
            table[key] = draw.choice(values)
    return _written(_damaged(table, draw) if draw.random() < 0.6 else table)


def _small_network(words: Sequence[str], table: Table) -> list[str]:
    """Few steps of a narrow model."""
    kind = next(
        (word.partition("=")[2] for word in words if word.startswith("model.kind=")), table["model"]["kind"]
    )
    widths = parse(MODELS[kind], {"kind": kind}).widths
    return [*NETWORK, *(f"model.{key}={2 * width.step}" for width in widths for key in width.keys)]


def _slots(table: Table) -> Iterator[tuple[str, Sequence[str]]]:
    """The parts of a recipe that have a kind, with the kinds that there are."""
    yield from {"data": list(DATASETS), "data.tokenizer": list(TOKENIZERS), "task": list(TASKS)}.items()
    if "baseline" in table:
        yield "baseline", list(BASELINES)
    else:
        yield from {"model": list(MODELS), "batching": list(BATCHING)}.items()
        yield from {"training.optimizer": list(OPTIMIZERS), "training.schedule": list(SCHEDULES)}.items()
        yield "training.averaging", list(AVERAGINGS)


def _data_settings(kind: str) -> list[str]:
    settings = {**_DATA, "path": "reviews.csv" if kind == "table" else "story.txt", "rules": "s -> a s | a"}
    return [f"data.{key}={value}" for key, value in settings.items() if key in DATASETS[kind].model_fields]


def _given(value: Any) -> Any:
    """A table without settings that are none, which TOML does not have."""
    if isinstance(value, dict):
        return {key: _given(each) for key, each in value.items() if each is not None}
    return [_given(each) for each in value] if isinstance(value, list | tuple) else value


def _damaged(table: Table, draw: random.Random) -> Table:
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        parent: Any = table
        while True:
            key = draw.choice(list(parent)) if parent else None
            inner = parent.get(key) if key is not None else None
            if not isinstance(inner, dict) or not inner or draw.random() < 0.3:
                break
            parent = inner
        if key is None:
            continue
        match draw.randrange(6):
            case 0:
                del parent[key]
            case 1:
                parent[_misspelt(key, draw)] = parent.pop(key)
            case 2:
                parent[_misspelt(key, draw)] = parent[key]
            case 3:
                parent[key] = [parent[key]]
            case _:
                parent[key] = draw.choice(VALUES)
    return table


def _misspelt(key: str, draw: random.Random) -> str:
    index = draw.randrange(len(key) + 1)
    return draw.choice(
        (
            key[:index] + key[index + 1 :],
            key[:index] + "x" + key[index:],
            key.upper(),
            key + "s",
            "",
            "\u2028",
            LONG[:300],
        )
    )


def _nested(depth: int, *, tables: bool) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value} if tables else [value]
    return value


def _written(table: Table) -> str:
    try:
        return tomli_w.dumps(table)
    except (RecursionError, ValueError, TypeError):
        return "base = "


def _parsed(word: str) -> tuple[str, Any]:
    key, _, text = word.partition("=")
    return key, int(text) if text.isdigit() else text


VALUES: tuple[Any, ...] = (
    0,
    -1,
    1,
    2,
    2**31,
    2**63 - 1,
    2**63,
    10**30,
    10**400,
    0.0,
    -0.0,
    0.5,
    1e308,
    5e-324,
    math.nan,
    math.inf,
    -math.inf,
    "",
    " ",
    "none",
    "1",
    "\x00",
    "\x1b[31m",
    LONG,
    True,
    False,
    [],
    {},
    [[]],
    [1, "a", 1.5],
    [None][:0],
    [math.nan],
    ["none"],
    datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
    datetime.date(2020, 1, 1),
    datetime.time(1, 2),
    [datetime.date(2020, 1, 1)],
    {"kind": "none"},
    {"kind": 1},
    {"kind": []},
    {"kind": {"kind": "adam"}},
    {"": 1},
    {"low": 1, "high": 2},
    {"low": 0.1, "high": 1e308, "log": True},
    _nested(50, tables=True),
    _nested(50, tables=False),
    _nested(300, tables=False),
    [{"a": 1}, {"a": [1]}],
)
_AXES = (
    "training.optimizer.learning_rate",
    "model.cell",
    "model.hidden_size",
    "model",
    "base",
    "training",
    "data.max_length",
    "training.epochs",
    "model.kind",
    "data.seed",
    "seed",
    "training.optimizer",
    "nothing",
    "model.hidden_sise",
    "training.schedule",
    "batching.tokens",
    "data.kind",
    "task.kind",
    "training.clip_norm",
)
_AXIS_VALUES: tuple[Any, ...] = (
    [0.01, 0.1],
    ["lstm", "gru"],
    [4, 8],
    [1],
    [],
    "lstm",
    1,
    {"low": 0.01, "high": 0.1},
    {"low": 0.01, "high": 0.1, "log": True},
    {"low": 2, "high": 8},
    {"low": 1, "high": 2**62},
    {"low": 1, "high": 10**400},
    {"low": -1e308, "high": 1e308},
    {"low": 5e-324, "high": 1e308, "log": True},
    {"low": True, "high": 2},
    {"low": 3, "high": 3},
    [1, 1.0],
    [1, True],
    [math.nan, math.nan],
    [math.nan],
    [math.inf, 1.0],
    ["none", 1.0],
    [[1], [2]],
    [{"kind": "adam", "learning_rate": 0.1}, {"kind": "sgd", "learning_rate": 0.1}],
    [{"kind": "recurrent-lm", "cell": "lstm"}, {"kind": "transformer-lm"}],
    ["recurrent-lm", "transformer-lm"],
    [datetime.date(2020, 1, 1)],
    list(range(3000)),
    ["a" * 10_000],
    [""],
    ["brackets-lstm", "brackets-gru"],
    [{"a": _nested(30, tables=True)}],
    ["\x1b[31m", "a"],
    [2**70],
    [1e308, 1e-308],
)
_STUDY_KEYS: Mapping[str, Sequence[Any]] = {
    "name": ("a", "", "a" * 151, "..", "a/b", "\u00e9", "CON", 1),
    "about": ("why", "\x1b[31m", LONG, 1),
    "expectation": ("gru wins", "\u2028", ["a"]),
    "baselines": (
        ["brackets-floor"],
        ["marked-addition-majority"],
        "brackets-floor",
        ["brackets-lstm"],
        ["nothing"],
        [1],
        [["brackets-floor"]],
        ["own.toml"],
    ),
    "seeds": (
        [1],
        [1, 2],
        [],
        [0],
        [-1],
        [2**63],
        [2**64],
        [10**400],
        [1, 1],
        [1.5],
        ["1"],
        [True],
        1,
        "1,2",
        list(range(1001)),
        [[1]],
    ),
    "search": (
        {"kind": "grid"},
        {"kind": "random", "trials": 2},
        {"kind": "tpe", "trials": 2},
        {"kind": "random", "trials": 0},
        {"kind": "random", "trials": 10**9},
        {"kind": "tpe", "trials": 10**30},
        {"kind": "random", "confirm": -1},
        {"kind": "random", "confirm": 10**9, "trials": 3},
        {"kind": "nothing"},
        {"trials": 2},
        "random",
        {"kind": "random", "seed": 2**70, "trials": 2},
        {"kind": "tpe", "prune": True, "trials": 2},
        [],
        {"kind": ["random"]},
    ),
    "budget": (
        {"equal": "parameters", "amount": 2000},
        {"equal": "tokens", "amount": 500},
        {"equal": "seconds", "amount": 1},
        {"equal": "parameters", "amount": 1},
        {"equal": "parameters", "amount": 10**18},
        {"equal": "parameters", "amount": 10**400},
        {"equal": "tokens", "amount": 10**30},
        {"equal": "tokens"},
        {"amount": 3},
        {"equal": "seconds", "amount": 10**18},
        {"equal": "flops", "amount": 1},
        {"equal": "tokens", "amount": 0},
        {"equal": "tokens", "amount": 1.5},
        5,
    ),
    "monitor": ("loss", "", "accepted", "recognised", "nothing", 1),
    "success": (0.5, 1, math.nan, math.inf, "0.5", -1e308, 10**400, True),
    "final": (
        {"of": "winner"},
        {"fit_on": "train+valid"},
        {"of": "nothing"},
        {},
        {"off": "winner"},
        "winner",
    ),
    "seed": (1, [1, 2]),
    "serch": ({"kind": "grid"},),
}
