"""`seqlab list`, `data` and `params`: what there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seqlab.cli.arguments import Json, Setting
from seqlab.cli.console import metrics_line, out, percent, print_json, print_pairs, print_table, say, working
from seqlab.schema.errors import UserError, unknown


def list_(what: str = "all", /, *, as_json: Json = False) -> None:
    """Show what there is: recipes, studies, models, datasets, runs.

    Parameters
    ----------
    what
        recipes, studies, datasets, tokenizers, batching, tasks, models, baselines, optimizers, schedules,
        metrics, diagnostics, probes, searches or runs.
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
        if what == "all":
            out.print(f"{name}:")
        if rows:
            print_table(("name", "what it is"), list(rows.items()))
        else:
            out.print(_no_runs(), markup=False)
        if what == "all":
            out.print()


def _no_runs() -> str:
    from seqlab.runs import run_folder

    return f"none yet in {run_folder.root()}; `seqlab train` makes them"


def data(action: str, name: str, /, *overrides: Setting, as_json: Json = False) -> None:
    """Look at a dataset: origin, sizes, statistics, examples.

    info: where it comes from and on what terms. show: lengths, classes, unknown words, padding, examples.
    fetch: only make sure that it is there and encoded.

    Parameters
    ----------
    action
        info, show or fetch.
    name
        A dataset (`seqlab list datasets`).
    overrides
        Settings, e.g. level=character.
    as_json
        Print as JSON.
    """
    from seqlab.data.dataset_settings import dataset_config
    from seqlab.data.describe import describe, origin

    actions = {"info": origin, "show": describe, "fetch": describe}
    if action not in actions:
        raise unknown("action", action, actions)
    config = dataset_config(name, overrides)
    with working(f"Reading and encoding {name}", quiet=as_json):
        content = actions[action](config)
    if action == "fetch":
        content = {key: content[key] for key in ("name", "content")}
    if as_json:
        print_json(content)
    else:
        _print_data(content)


def _print_data(content: dict[str, Any]) -> None:
    print_pairs({key: value for key, value in content.items() if isinstance(value, str | int)})
    for name, first in _DATA_TABLES.items():
        rows: dict[str, dict[str, Any]] = content.get(name, {})
        if rows:
            shown = [[row, *map(_cell(name), cells.values())] for row, cells in rows.items()]
            out.print()
            print_table([first, *next(iter(rows.values()))], shown)
    for number, example in enumerate(content.get("examples", [])):
        if number == 0:
            out.print("\nexamples", style="bold")
        for line in example.split("\n"):
            say(f"  {line}")


_DATA_TABLES = {
    "splits": "split",
    "lengths": "tokens a sequence",
    "classes": "class",
    "padding": "padding of the training split",
}
"""Tables of `data show`, with the heading of their first column."""


def _cell(table: str) -> Callable[[Any], Any]:
    def show(value: Any) -> Any:
        if not isinstance(value, float):
            return value
        return round(value, 1) if table == "lengths" else percent(value)

    return show


def params(*recipe: str, as_json: Json = False) -> None:
    """Count a recipe's parameters, layer by layer, with formulas.

    Parameters
    ----------
    recipe
        Names or files of recipes; key=value settings apply to all of them.
    as_json
        Print as JSON, with the shape of every tensor.
    """
    from seqlab.experiment.parameter_counts import count

    recipes = [word for word in recipe if "=" not in word]
    overrides = [word for word in recipe if "=" in word]
    if not recipes:
        raise UserError("`seqlab params` needs at least one recipe (`seqlab list recipes`). Got none.")
    with working("Reading and encoding the data, whose vocabulary sizes the model", quiet=as_json):
        counts = {name: count(name, overrides) for name in recipes}
    if as_json:
        print_json(counts)
        return
    for name, content in counts.items():
        out.print(name, style="bold", markup=False)
        print_table(
            ("layer", "parameters", "counted as"),
            [[layer["layer"], layer["parameters"], _equation(layer)] for layer in content["layers"]],
        )
        out.print(f"total {content['total']:,}\n", markup=False)


def _equation(layer: dict[str, Any]) -> str:
    """The formula in names of sizes, below it in numbers, and what is owned by another layer."""
    lines = [layer["formula"]] if layer["formula"] != layer["numbers"] else []
    total = f"{layer['parameters']:,}"
    lines += [f"{layer['numbers']} = {total}"] if layer["numbers"] not in ("", total) else []
    lines += [f"{own.rpartition('.')[2]} is {owner}, counted there" for own, owner in layer["tied"].items()]
    return "\n".join(lines)


def _tables() -> dict[str, Any]:
    from seqlab.baselines.baseline_kinds import BASELINES
    from seqlab.checkup.probe_kinds import PROBES
    from seqlab.data.data_kinds import BATCHING, DATASETS, TOKENIZERS
    from seqlab.experiment.training_kinds import OPTIMIZERS, SCHEDULES
    from seqlab.measure.metric_kinds import DIAGNOSTICS, METRICS
    from seqlab.models.model_kinds import MODELS
    from seqlab.studies.search_kinds import SEARCHES
    from seqlab.tasks.task_kinds import TASKS

    registries = {
        "datasets": DATASETS,
        "tokenizers": TOKENIZERS,
        "batching": BATCHING,
        "tasks": TASKS,
        "models": MODELS,
        "baselines": BASELINES,
        "optimizers": OPTIMIZERS,
        "schedules": SCHEDULES,
        "metrics": METRICS,
        "diagnostics": DIAGNOSTICS,
        "probes": PROBES,
        "searches": SEARCHES,
    }
    tables: dict[str, Any] = {"recipes": _recipes, "studies": _studies}
    for name, registry in registries.items():
        tables[name] = lambda registry=registry: {kind: registry.describe(kind) for kind in registry}
    return {**tables, "runs": _runs}


def _recipes() -> dict[str, str]:
    from seqlab.experiment import recipes

    return {name: recipes.read(name).about for name in recipes.names()}


def _studies() -> dict[str, str]:
    from seqlab.studies import design

    return {name: design.about(name) for name in design.names()}


def _runs() -> dict[str, str]:
    from seqlab.runs import run_folder

    return {name: _run(name) for name in run_folder.names()}


def _run(name: str) -> str:
    """A run's result in one line; a damaged run does not hide the others."""
    from seqlab.runs import run_folder

    try:
        run = run_folder.open_run(run_folder.root() / name)
        return metrics_line(run.summary()["metrics"]) if run.finished else "unfinished; `seqlab resume` it"
    except UserError as error:
        return str(error)
