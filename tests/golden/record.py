"""Pins the numbers of every shipped recipe and study in small form, so that a refactoring cannot move them.

`record.py OUT.json` writes them, `record.py --compare tests/golden/values.json` computes them again and
names every difference. What a renaming has to adapt is in the first two parts below, and `RENAMED` says
which stored names are called otherwise now.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import hashlib
import io
import json
import os
import re
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import Any

import tomli_w
from bitwise import Comparison, compare

Table = dict[str, Any]

# --- What of seqlab is called and read: its commands, its files, and one class that stops a training. ---

DATA_VARIABLE, RUNS_VARIABLE = "SEQLAB_DATA", "SEQLAB_RUNS"
RECORDS, SAMPLES, FINISHED = "records.jsonl", "samples.jsonl", "finished.json"
ENVIRONMENT, CARDS, SCORES, STUDIES, TRIALS = "environment.json", "cards", "scores", "studies", "trials.jsonl"
PLACE = ["--threads", "1"]
FINISHED_KEYS = ("metrics", "best_step", "steps", "epochs", "tokens", "parameters")
CARD_KEYS = ("metrics", "matrices", "sequences", "tokens", "targets", "equal_to_training", "split_sha256")
TRUTH_KEYS = ("longest_valid", "first_wrong", "explained")
STUDY_SENTENCES = ("refused", "pairs", "reliability", "importance", "edges")
ENVIRONMENT_KEYS = ("threads", "kernels", "processor", "python")
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "tokenizers")


def recipes_folder() -> Path:
    """The folder of the shipped recipes."""
    return Path(str(resources.files("seqlab"))) / "recipes"


def studies_folder() -> Path:
    """The folder of the shipped studies."""
    return Path(str(resources.files("seqlab"))) / "studies" / "shipped"


def own_file(folder: Path, recipe: str) -> tuple[str, str] | None:
    """The setting that names a user's own file, and the file, for a recipe of own data; None for others."""
    import own_files

    if recipe not in own_files.RECIPES and recipe not in own_files.BASELINES:
        return None
    key, _, path = own_files.write(folder, recipe, rows=80).partition("=")
    return key, path


def command(*arguments: str) -> Any:
    """Carry out one command line of seqlab in this process; returns the JSON it prints."""
    from seqlab import cli

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.run([*arguments, "--json"])
    if status != 0:
        raise SystemExit(f"`seqlab {' '.join(arguments)}` must succeed. Got {status}: {err.getvalue()}")
    return json.loads(out.getvalue())


def train_until(recipe: Path, step: int) -> None:
    """Train a recipe as `seqlab train` does, and ask it to stop after a step as Ctrl-C does."""
    from seqlab.experiment import recipes
    from seqlab.training import run

    config, _ = recipes.configure(str(recipe))
    try:
        run.train(config, threads=1, callback=Stopper(step))
    except KeyboardInterrupt:
        return
    raise SystemExit(f"Training of {recipe.stem!r} must stop at step {step}. Got to its end.")


class Stopper:
    """A callback that interrupts training at a step."""

    def __init__(self, at: int):
        self._at = at

    def step(self, progress: Any, loss: float, total_epochs: float) -> None:
        """After each step, before it is saved."""
        if progress.step == self._at:
            signal.raise_signal(signal.SIGINT)

    def validated(self, progress: Any, metrics: dict[str, float], best: bool) -> bool:
        """Never a reason to stop."""
        return False

    def sampled(self, samples: Any, valid: Any) -> None:
        """Of no interest."""

    def scored(self, done: int, total: int) -> None:
        """Of no interest."""

    def message(self, text: str) -> None:
        """Of no interest."""


# --- Settings: how each kind of part is made small, what is recorded beyond recipes, and renamed names. ---

RENAMED: dict[str, str] = {}
"""Stored names (of cases, metrics, splits, settings, kinds) that are called otherwise now: old to new."""
REWORDED: dict[str, str] = {}
"""Parts of stored texts that are written otherwise now, e.g. a special token: old to new."""

FETCHED = ("imdb", "ptb", "tiny_shakespeare")
"""Datasets that need the folder of real data."""
OF_PYTHON = ("python_source", "unicode_names")
"""Datasets that are others in each version of Python."""
DRAWN = {"train": 60, "valid": 12, "test": 12}
DATA: dict[str, Table] = {
    "imdb": {"train_size": 48, "valid_size": 16},
    "ptb": {"tokenizer": {"kind": "whitespace", "max_size": 500}},
    "tiny_shakespeare": {},
    "python_source": {"max_bytes": 60_000},
    "unicode_names": {"max_names": 2_000},
    "table": {},
    "text": {},
}
"""Small settings of datasets by kind; others are generated and take `DRAWN`."""
MODELS: dict[str, Table] = {
    "recurrent-lm": {"embedding_size": 8, "hidden_size": 8},
    "recurrent-classifier": {"embedding_size": 8, "hidden_size": 8, "linear_size": 8},
    "linear-classifier": {"embedding_size": 8, "linear_size": 8},
    "sequential-classifier": {"embedding_size": 8, "window": 40},
    "transformer-lm": {"hidden_size": 8, "heads": 2, "feed_forward_size": 16},
}
BATCHING: dict[str, Table] = {
    "tokens": {"tokens": 400},
    "packed": {"tokens": 1_200},
    "sequences": {"batch_size": 10},
    "stream": {"batch_size": 4, "sequence_length": 20},
}
TRAINING: Table = {"max_steps": 6, "record_every": 1, "tensorboard": False, "matmul": "torch"}
EVALUATION: Table = {"train_sequences": 12, "streams": 5}
WRITTEN: Table = {"count": 2, "max_tokens": 12, "checked": 10, "checked_at_end": 20}

EXTRA: dict[str, tuple[str, Table]] = {
    "curriculum": ("brackets-lstm", {"training": {"curriculum": 1}}),
    "adamw-plateau": (
        "brackets-gru",
        {
            "training": {
                "optimizer": {"kind": "adamw", "learning_rate": 0.02, "weight_decay": 0.1},
                "schedule": {"kind": "plateau", "patience": 0},
                "validations_per_epoch": 3,
            }
        },
    ),
    "sgd-epoch-decay": (
        "brackets-elman",
        {
            "training": {
                "optimizer": {"kind": "sgd", "learning_rate": 0.3, "momentum": 0.9, "weight_decay": 0.01},
                "schedule": {"kind": "epoch-decay", "divisor": 2.0},
            }
        },
    ),
    "sgd-flat-then-compound": (
        "brackets-lstm",
        {
            "training": {
                "optimizer": {"kind": "sgd", "learning_rate": 1.0},
                "schedule": {"kind": "flat-then-compound", "flat_epochs": 0},
                "result": "last",
            }
        },
    ),
    "classifier-both-directions": (
        "text-classifier",
        {
            "training": {"label_smoothing": 0.1},
            "model": {
                "kind": "recurrent-classifier",
                "cell": "elman-relu",
                "layers": 2,
                "bidirectional": True,
                "pooling": "mean",
                "dropout": 0.2,
            },
        },
    ),
    "gru-before-stream": (
        "python-gru",
        {"model": {"cell": "gru-reset-before"}, "diagnostics": {"gradient_every": 1}},
    ),
    "native-products": ("python-gru", {"training": {"matmul": "native"}}),
    "transformer-tied": (
        "demo-names-transformer",
        {"model": {"tied": True, "attention_dropout": 0.2, "dropout": 0.1}},
    ),
    "sum-of-layers-bpe": (
        "text-lm",
        {"data": {"tokenizer": {"kind": "bpe", "size": 280}}, "model": {"layers": 2, "sum_layers": True}},
    ),
    "wordpiece": ("text-lm", {"data": {"tokenizer": {"kind": "wordpiece", "size": 60}}}),
    "train-and-valid": ("marked-addition-lstm-course", {"training": {"fit_on": "train+valid"}}),
    "prompts-of-data": ("ndfa-lstm", {"samples": {"prompt_tokens": 2, "temperature": 0.7}}),
    "own-expression": ("brackets-gru", {"data": {"kind": "regular-expression", "pattern": "(ab|c)+d?"}}),
    "far-lengths": (
        "brackets-transformer",
        {"data": {"max_length": 12, "longer_max_length": 18, "longer": 10}},
    ),
}
"""What no recipe has: a recipe and settings over it."""

STUDY: Table = {"data": DRAWN, "training": {**TRAINING, "max_steps": 4}, "samples": {**WRITTEN, "count": 0}}
"""Settings of each run of a study, over those of the study."""
GRID: Table = {"data": DATA["imdb"], "batching": {"batch_size": 24}}
"""Two steps an epoch, so that some of the epochs of a grid are reached."""
STUDIES_SMALL: dict[str, Table] = {
    "battlefield": {
        "data": DATA["imdb"],
        "model": MODELS["sequential-classifier"],
        "batching": BATCHING["sequences"],
    },
    "brackets-cells": {"model": MODELS["recurrent-lm"], "batching": BATCHING["tokens"]},
    "chomsky-small": {
        "data": {**DRAWN, "max_length": 12, "longer_max_length": 18, "longer": 10},
        "batching": {"tokens": 160},
    },
    "demo-brackets": {"model": {"hidden_size": 8}, "batching": BATCHING["tokens"]},
    "demo-names": {
        "data": DATA["unicode_names"],
        "model": {"hidden_size": 8},
        "batching": BATCHING["stream"],
    },
    "imdb-grid": {**GRID, "model": {"embedding_size": 8, "linear_size": 8}},
    "imdb-grid-small": GRID,
    "imdb-lstm-why": {"data": DATA["imdb"], "batching": BATCHING["sequences"]},
    "imdb-order": {"data": DATA["imdb"], "batching": BATCHING["sequences"]},
    "memory-length": {"model": {"hidden_size": 8}, "batching": BATCHING["sequences"]},
    # Its Transformers have 16 heads.
    "ptb-optimizers": {
        "data": DATA["ptb"],
        "model": {"hidden_size": 16},
        "batching": BATCHING["stream"],
    },
    "ptb-optimizers-small": {"data": DATA["ptb"], "batching": BATCHING["stream"]},
}
"""What is small in each study beyond that; sizes within its axes are cut by `SIZES`."""
SIZES = {"embedding_size": 8, "hidden_size": 8, "linear_size": 8, "feed_forward_size": 16, "heads": 2}
FEW = {"seeds": [1, 2]}
FEW_VALUES = {
    "imdb-grid": 2,
    "imdb-grid-small": 2,
    "imdb-lstm-why": 2,
    "imdb-order": 2,
    "brackets-cells": 3,
    "ptb-optimizers-small": 3,
}
"""Values kept of each axis that is not one of architectures."""
FEW_BASES = {"ptb-optimizers": 7}
"""Recipes kept of an axis of recipes: each architecture, and each optimizer; the others differ in sizes."""
ARCHITECTURE = ("base", "model", "data")
RATES = {"training": {"optimizer": {"learning_rate": {"low": 0.003, "high": 0.1, "log": True}}}}
SEARCHED: Table = {
    "base": "brackets-lstm",
    "axes": {"model": {"cell": ["elman", "lstm"]}, **RATES},
    "settings": STUDIES_SMALL["brackets-cells"],
}
EXTRA_STUDIES: dict[str, Table] = {
    "random-search": {**SEARCHED, "search": {"kind": "random", "trials": 3}},
    "tpe-search": {
        **SEARCHED,
        "search": {"kind": "tpe", "trials": 4, "startup": 2, "pruning": "median"},
        "budget": {"equal": "parameters", "amount": 5_000},
        "final": {"of": "winner", "fit_on": "train+valid"},
    },
}

DIAGNOSED = ("brackets-lstm", "brackets-transformer", "marked-addition-gru")
SAMPLED = ("brackets-lstm", "gru-before-stream", "demo-names-transformer", "toy-words-lstm")
PREDICTED = {
    "text-classifier": ["A lovely film, a fine one!", "An awful, dull film.", "Nothing known"],
    "text-nbsvm": ["A lovely film, a fine one!", "An awful, dull film."],
}
RESUMED = ("brackets-lstm", "demo-names-lstm", "adamw-plateau")
STOPPED_AT = 3

# --- Nothing below names anything of seqlab but words that every file of it has: kind, base, name, data. ---

PARTS = ("all", "real", "other")
TEXT, SERIES = 200, 16
"""Characters of a text, and numbers of a list, beyond which a hash replaces the rest."""


@dataclass(frozen=True)
class Case:
    """One thing that is recorded: `name` is its key, `data` the kind of its dataset."""

    name: str
    data: str
    record: Callable[[Path], Table]


def cases() -> Iterator[Case]:
    """All that is recorded, in order."""
    for name in sorted(path.stem for path in recipes_folder().glob("*.toml")):
        yield Case(f"recipe/{name}", kind_of(name), partial(trained, name))
    for name, (recipe, _) in EXTRA.items():
        yield Case(f"extra/{name}", kind_of(recipe), partial(trained, name))
    for name in RESUMED:
        data = kind_of(EXTRA[name][0] if name in EXTRA else name)
        yield Case(f"resumed/{name}", data, partial(resumed, name))
    shipped = {path.stem: read_toml(path) for path in sorted(studies_folder().glob("*.toml"))}
    for name, table in {**shipped, **EXTRA_STUDIES}.items():
        small = small_study(name, table)
        yield Case(f"study/{name}", kind_of_study(table), partial(studied, small))


# Recipes and studies in small form


def read_toml(path: Path) -> Table:
    """A TOML file."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


@cache
def _resolved(recipe: str) -> Table:
    table = read_toml(recipes_folder() / f"{recipe}.toml")
    return over(_resolved(table["base"]), table) if "base" in table else table


def resolved(recipe: str) -> Table:
    """The settings of a shipped recipe over those it extends."""
    return copy.deepcopy(_resolved(recipe))


def kind_of(recipe: str) -> str:
    """The dataset of a shipped recipe."""
    return resolved(recipe)["data"]["kind"]


def over(base: Table, table: Table) -> Table:
    """Settings over others; a table of another kind replaces the one below."""
    merged = dict(base)
    for key, value in table.items():
        below = base.get(key)
        if isinstance(value, dict) and isinstance(below, dict) and _same_kind(below, value):
            merged[key] = over(below, value)
        else:
            merged[key] = value
    return merged


def _same_kind(below: Table, table: Table) -> bool:
    return table.get("kind", below.get("kind")) == below.get("kind")


def small_recipe(name: str) -> Table:
    """A recipe, or a case of `EXTRA`, that extends the shipped one and is small."""
    recipe, own = EXTRA.get(name, (name, {}))
    full = over(resolved(recipe), own)
    kinds = {key: full[key]["kind"] for key in ("data", "model", "batching") if key in full}
    small: Table = {"data": DATA.get(kinds["data"], DRAWN)}
    if "model" in full:
        # A size of 0 says that there is no such part.
        sizes = {key: size for key, size in MODELS[kinds["model"]].items() if full["model"].get(key) != 0}
        small |= {"model": sizes, "batching": BATCHING[kinds["batching"]]}
        small |= {"training": TRAINING, "samples": WRITTEN}
    if "evaluation" in full:
        small["evaluation"] = {key: EVALUATION.get(key, value) for key, value in full["evaluation"].items()}
    small = {key: {"kind": kinds[key], **value} if key in kinds else value for key, value in small.items()}
    return {"base": recipe, **over(small, own)}


def small_study(name: str, table: Table) -> Table:
    """A study whose runs are small, with few seeds and values."""
    table = {**table, **FEW, "name": name}
    settings = over(table.get("settings", {}), STUDY)
    if name in STUDIES_SMALL and "data" in STUDIES_SMALL[name]:
        settings["data"] = {k: v for k, v in settings["data"].items() if k not in DRAWN}
    table["settings"] = over(settings, STUDIES_SMALL.get(name, {}))
    table["axes"] = {key: _few(value, _kept(name, key)) for key, value in table["axes"].items()}
    return table


def _kept(study: str, axis: str) -> int | None:
    """How many values of an axis a small study has; None: all."""
    if axis == "base":
        return FEW_BASES.get(study)
    return None if axis in ARCHITECTURE else FEW_VALUES.get(study)


def _few(axis: Any, count: int | None) -> Any:
    if isinstance(axis, list):
        return [_narrow(value) for value in axis[:count]]
    return {key: _few(value, count) for key, value in axis.items()} if isinstance(axis, dict) else axis


def _narrow(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: SIZES.get(key, part) if part else part for key, part in value.items()}


def write(folder: Path, name: str, table: Table) -> Path:
    """A file of settings."""
    path = folder / f"{name}.toml"
    path.write_text(tomli_w.dumps(table), encoding="utf-8")
    return path


def recipe_file(folder: Path, name: str) -> Path:
    """The small recipe as a file; one for a user's own data gets some, and what it starts from is trained."""
    table = small_recipe(name)
    source = resolved(table["base"]).get("model", {}).get("init_from")
    if source is not None:
        command("train", str(recipe_file(folder, source)), *PLACE)
    own = own_file(folder, table["base"])
    if own is not None:
        first, second = own[0].split(".")
        table[first][second] = own[1]
    return write(folder, name, table)


# Recording


def trained(name: str, folder: Path) -> Table:
    """What a recipe's run comes to, with scores of the test split and a look inside."""
    run = Path(command("train", str(recipe_file(folder, name)), *PLACE)["run"])
    full = resolved(EXTRA[name][0] if name in EXTRA else name)
    if full["data"]["kind"] not in FETCHED:
        # Not what a classifier is inspected for besides: other tests compare that with independent values.
        own = tomllib.loads((run / "config.toml").read_text("utf-8"))["task"]["metrics"]
        metrics = [word for metric in own for word in ("--metric", metric)]
        command("evaluate", str(run), "--split", "test", *metrics)
    found = of_run(run)
    if name in DIAGNOSED:
        found["diagnosed"] = diagnosed(command("diagnose", str(run), "--rows", "6"))
    if name in SAMPLED:
        found["sampled"] = sampled(run)
    if name in PREDICTED:
        answers = command("predict", str(run), *PREDICTED[name])
        found["predicted"] = [shortened(answer) for answer in answers]
    return found


def resumed(name: str, folder: Path) -> Table:
    """The same of a run that was stopped and went on."""
    train_until(recipe_file(folder, name), STOPPED_AT)
    (path,) = Path(os.environ[RUNS_VARIABLE]).glob(f"*/{ENVIRONMENT}")
    return of_run(Path(command("resume", str(path.parent))["run"]))


def run_of(root: Path, reference: str) -> Path:
    """The folder of a run, whose name has the first digits of those that a study refers to."""
    stem, _, digits = reference.rpartition("-")
    found = [path for path in root.glob(f"{stem}-*") if digits.startswith(path.name.removeprefix(f"{stem}-"))]
    (path,) = found
    return path


def studied(table: Table, folder: Path) -> Table:
    """What a study's comparison says, and each of its runs."""
    final = [] if kind_of_study(table) in FETCHED else ["--final"]
    path = write(folder, table["name"], table)
    said = command("study", str(path), "--allow-incomparable", *final, *PLACE)
    root = Path(os.environ[RUNS_VARIABLE])
    runs = {}
    for line in json_lines(root / STUDIES / table["name"] / TRIALS):
        runs[f"{line['number']} {line['architecture']}"] = of_trial(run_of(root, line["run"]), line)
    return {
        "metric": said["metric"],
        "parts": [of_part(part) for part in said["parts"]],
        "test": said["test"] and said["test"]["metrics"],
        "runs": runs,
    }


def kind_of_study(table: Table) -> str:
    """The dataset of a study's base."""
    return kind_of(table["base"] if "base" in table else table["axes"]["base"][0])


def of_part(part: Table) -> Table:
    """A part of a comparison; of sentences only the numbers."""
    return {
        key: numbers_of(value) if key in STUDY_SENTENCES else shortened(value) for key, value in part.items()
    }


def of_trial(run: Path, line: Table) -> Table:
    """A run of a study in short."""
    found: Table = {"seed": line["seed"]}
    if (run / RECORDS).exists():
        values, _ = of_records(run)
        found["loss"] = values["train"]["loss"] if "train" in values else []
    if (run / FINISHED).exists():
        found |= {key: read_json(run / FINISHED)[key] for key in ("metrics", "parameters")}
    return found


def of_run(run: Path) -> Table:
    """Everything deterministic that a run folder holds."""
    finished = read_json(run / FINISHED)
    values, moments = of_records(run)
    found: Table = {
        "finished": {key: finished[key] for key in FINISHED_KEYS},
        "moments": moments,
        "recorded": values,
        "samples": of_samples(run),
        "cards": {path.stem: of_card(path) for path in sorted((run / CARDS).glob("*.json"))},
    }
    return {**found, "scores": {path.stem: of_arrays(path) for path in sorted((run / SCORES).glob("*"))}}


def of_arrays(path: Path) -> list[str]:
    """A hash of each array of a file, whatever it is called."""
    from safetensors.numpy import load_file

    return sorted(_digest(array.tobytes()) for array in load_file(path).values())


def of_records(run: Path) -> tuple[Table, list[list[float]]]:
    """The values of each recorded name of each split, in order, and the moments of recording."""
    values: Table = {}
    moments: list[list[float]] = []
    for line in json_lines(run / RECORDS):
        moment = [line["step"], line["epoch"], line["tokens"]]
        if moment not in moments:
            moments.append(moment)
        content = line["value"] if "value" in line else series(line.get("values", line.get("y")))
        values.setdefault(line["split"], {}).setdefault(line["name"], []).append(content)
    return values, moments


def of_samples(run: Path) -> list[Table]:
    """What the model wrote while training."""
    keys = ("name", "step", "prompt", "text", "complete")
    lines = json_lines(run / SAMPLES) if (run / SAMPLES).exists() else []
    return [{key: shortened(line[key]) for key in keys} for line in lines]


def of_card(path: Path) -> Table:
    """An evaluation card, or one of the truth, without words."""
    card = read_json(path)
    return {key: shortened(card[key]) for key in (*CARD_KEYS, *TRUTH_KEYS) if key in card}


def diagnosed(content: Table) -> Table:
    """Curves and numbers of a look inside; of sentences only the numbers."""
    return {
        kind: {
            "found": numbers_of(one["found"]),
            "records": {
                record["name"]: record["value"]
                if "value" in record
                else series(record.get("values", record.get("y")), longest=64)
                for record in one["records"]
            },
        }
        for kind, one in content["diagnostics"].items()
    }


def sampled(run: Path) -> Table:
    """What a trained model writes: the likeliest text, and drawn ones."""
    length, few = ["--length", "40"], ["--top-k", "5", "--top-p", "0.9"]
    greedy = command("sample", str(run), "--temperature", "0", "--count", "1", *length)
    drawn = command("sample", str(run), "--seed", "3", "--count", "3", *length)
    likely = command("sample", str(run), "--seed", "4", "--count", "2", *few, *length)
    return {"greedy": shortened(greedy), "drawn": shortened(drawn), "of the likeliest": shortened(likely)}


def series(values: Any, longest: int = SERIES) -> Any:
    """A list of numbers, or a hash where it is long."""
    text = json.dumps(values)
    count = text.count(",") + 1
    return values if count <= longest else f"{count} numbers {_digest(text.encode())}"


def shortened(content: Any) -> Any:
    """The same with long texts cut; a hash replaces what is left out."""
    if isinstance(content, dict):
        return {key: shortened(value) for key, value in content.items()}
    if isinstance(content, list):
        return [shortened(value) for value in content]
    if isinstance(content, str) and len(content) > TEXT:
        return f"{content[:TEXT]} ... {_digest(content.encode())}"
    return content


def numbers_of(sentences: Any) -> Any:
    """The numbers in sentences, whose words may change."""
    if isinstance(sentences, dict):
        return {key: numbers_of(value) for key, value in sentences.items()}
    if isinstance(sentences, list):
        return [numbers_of(value) for value in sentences]
    return re.findall(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?", sentences or "")


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()[:16]}"


def read_json(path: Path) -> Table:
    """A JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def json_lines(path: Path) -> list[Table]:
    """A file of one JSON object a line."""
    # Not splitlines: texts may hold separators that JSON does not escape.
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


# The script


def record_all(chosen: list[Case]) -> Table:
    """The environment, and what each case comes to."""
    found: Table = {}
    environment: Table = {}
    for case in chosen:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            os.environ[RUNS_VARIABLE] = str(folder / "runs")
            found[case.name] = case.record(folder)
            environment = environment or environment_of(folder)
        print(f"{time.monotonic() - began:6.1f} s  {case.name}", file=sys.stderr, flush=True)
    return {"environment": environment, "cases": found}


def environment_of(folder: Path) -> Table:
    """What bits depend on, as the first run noted it."""
    noted = read_json(next((folder / "runs").glob(f"*/{ENVIRONMENT}")))
    return {key: noted[key] for key in ENVIRONMENT_KEYS} | {key: noted["versions"][key] for key in PACKAGES}


def choose(only: list[str], part: str) -> tuple[list[Case], list[str]]:
    """The cases that are asked for, and the names of those that lack real data."""
    every = list(cases())
    known = {case.name for case in every} | {case.name.partition("/")[2] for case in every}
    unknown = sorted(set(only) - known)
    if unknown:
        raise SystemExit(f"'--only' must name a recipe, a study or a case. Got {unknown[0]!r}.")
    if only:
        every = [case for case in every if {case.name, case.name.partition("/")[2]} & set(only)]
    if part != "all":
        every = [case for case in every if (case.data in FETCHED) == (part == "real")]
    here = bool(os.environ.get(DATA_VARIABLE))
    lacking = [case.name for case in every if case.data in FETCHED and not here]
    return [case for case in every if case.name not in lacking], lacking


def write_values(path: Path, values: Table) -> None:
    """One line for each case, so that a difference of files says which."""
    dumped = {
        key: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        for key, value in values["cases"].items()
    }
    lines = ",\n".join(f"{json.dumps(key)}: {value}" for key, value in dumped.items())
    text = f'{{"environment": {json.dumps(values["environment"])},\n"cases": {{\n{lines}\n}}}}\n'
    path.write_text(text, encoding="utf-8")


def show(result: Comparison) -> int:
    """Print every difference; returns the exit status."""
    for note in result.notes:
        print(note)
    for difference in result.differences:
        print(f"DIFFERENT {difference}")
    print(
        f"{result.equal} values are equal, {len(result.differences)} differ, {result.skipped} were skipped."
    )
    return 1 if result.differences else 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path, help="file to write what is recorded to")
    parser.add_argument("--compare", type=Path, help="file of values that have to come again")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="recipes, studies or cases")
    parser.add_argument("--part", choices=PARTS, default="all", help="cases of real data, others, or all")
    asked = parser.parse_args()
    if asked.out is None and asked.compare is None:
        parser.error("a file to write or '--compare' with a file must be given.")
    return asked


def same_source(then: Table, now: Table, chosen: list[Case]) -> Table:
    """What can be compared: the text of Python's library is another one in each of its versions."""
    if then["environment"]["python"] == now["environment"]["python"]:
        return now
    print("Skipped, because Python's own source is another one now: all cases that learn from it.")
    left_out = {case.name for case in chosen if case.data in OF_PYTHON}
    return {**now, "cases": {name: value for name, value in now["cases"].items() if name not in left_out}}


def main() -> int:
    """Record, and write or compare; returns the exit status."""
    asked = arguments()
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    # Sums are rounded in another order on several threads. Nothing has imported a numerical library yet.
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    chosen, lacking = choose(asked.only, asked.part)
    if lacking:
        print(f"Skipped, because {DATA_VARIABLE} names no folder: {', '.join(lacking)}.")
    if not chosen:
        return 0
    values = record_all(chosen)
    if asked.out is not None:
        write_values(asked.out, values)
    if asked.compare is None:
        return 0
    stored = read_json(asked.compare)
    values = same_source(stored, values, chosen)
    whole = len(values["cases"]) == len(list(cases()))
    return show(compare(stored, values, RENAMED, REWORDED, whole=whole))


if __name__ == "__main__":
    sys.exit(main())
