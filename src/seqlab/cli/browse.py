"""`seqlab list`, `data` and `params`: what there is."""

from __future__ import annotations

from typing import Any

from seqlab.cli.console import metrics_line, out, print_json, print_pairs, print_table
from seqlab.cli.training import Json
from seqlab.schema.errors import UserError, unknown


def list_(what: str = "all", /, *, as_json: Json = False) -> None:
    """Recipes, models, datasets, tokenizers, optimizers, schedules, metrics, probes or runs.

    Parameters
    ----------
    what
        One of these words; default: all of them.
    as_json
        Print as JSON.
    """
    tables = _tables()
    if what != "all" and what not in tables:
        raise unknown("list", what, [*tables, "all"])
    chosen = tables if what == "all" else {what: tables[what]}
    content = {name: rows() for name, rows in chosen.items()}
    if as_json:
        print_json(content)
        return
    for name, rows in content.items():
        out.print(f"{name}:" if what == "all" else "", end="\n" if what == "all" else "")
        print_table(("name", "what it is"), list(rows.items()))
        if what == "all":
            out.print()


def data(action: str, name: str, /, *overrides: str, as_json: Json = False) -> None:
    """Look at a dataset: `data info NAME` (origin, licence), `data show NAME` (sizes, examples).

    `data fetch NAME` only makes sure that it is there and encoded.

    Parameters
    ----------
    action
        info, show or fetch.
    name
        A dataset (`seqlab list datasets`).
    overrides
        Settings as key=value, e.g. level=character.
    as_json
        Print as JSON.
    """
    from seqlab.data.describe import describe, origin
    from seqlab.data.settings import dataset_config

    actions = {"info": origin, "show": describe, "fetch": describe}
    if action not in actions:
        raise unknown("action", action, actions)
    content = actions[action](dataset_config(name, overrides))
    if as_json:
        print_json(content)
        return
    examples: list[Any] = content.pop("examples", [])
    splits: dict[str, Any] = content.pop("splits", {})
    print_pairs(content)
    if splits:
        columns = list(next(iter(splits.values())))
        print_table(["split", *columns], [[name, *row.values()] for name, row in splits.items()])
    for example in examples:
        out.print(f"  {example}", markup=False)


def params(*recipe: str, as_json: Json = False) -> None:
    """Count the parameters of recipes, tensor by tensor.

    Parameters
    ----------
    recipe
        Names or files of recipes; key=value settings apply to all of them.
    as_json
        Print as JSON.
    """
    from seqlab.train.parameters import count

    recipes = [word for word in recipe if "=" not in word]
    overrides = [word for word in recipe if "=" in word]
    if not recipes:
        raise UserError("`seqlab params` needs at least one recipe (`seqlab list recipes`). Got none.")
    counts = {name: count(name, overrides) for name in recipes}
    if as_json:
        print_json(counts)
        return
    for name, rows in counts.items():
        out.print(name, style="bold")
        print_table(("tensor", "shape", "parameters"), [list(row.values()) for row in rows])
        out.print(f"total {sum(row['parameters'] for row in rows):,}", markup=False)


def _tables() -> dict[str, Any]:
    from seqlab.checkup.kinds import PROBES
    from seqlab.data.kinds import BATCHING, DATASETS, TOKENIZERS
    from seqlab.measure.kinds import METRICS
    from seqlab.models.kinds import MODELS
    from seqlab.tasks.kinds import TASKS
    from seqlab.train.kinds import OPTIMIZERS, SCHEDULES

    registries = {
        "datasets": DATASETS,
        "tokenizers": TOKENIZERS,
        "batching": BATCHING,
        "tasks": TASKS,
        "models": MODELS,
        "optimizers": OPTIMIZERS,
        "schedules": SCHEDULES,
        "metrics": METRICS,
        "probes": PROBES,
    }
    tables: dict[str, Any] = {"recipes": _recipes}
    for name, registry in registries.items():
        tables[name] = lambda registry=registry: {kind: registry.describe(kind) for kind in registry}
    return {**tables, "runs": _runs}


def _recipes() -> dict[str, str]:
    from seqlab.train import recipes

    return {name: recipes.read(name).about for name in recipes.names()}


def _runs() -> dict[str, str]:
    from seqlab.runs import folder

    return {name: _run(name) for name in folder.names()}


def _run(name: str) -> str:
    """A run's result in one line; a damaged run does not hide the others."""
    from seqlab.runs import folder

    try:
        run = folder.open_run(folder.root() / name)
        return metrics_line(run.summary()["metrics"]) if run.finished else "unfinished; `seqlab resume` it"
    except UserError as error:
        return str(error)
