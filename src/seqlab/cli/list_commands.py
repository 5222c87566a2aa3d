"""`seqlab list`, `data` and `params`: what is available."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seqlab.cli.arguments import Json, Setting
from seqlab.cli.console import (
    percent,
    print_heading,
    print_json,
    print_line,
    print_pairs,
    print_table,
)
from seqlab.cli.progress_display import working
from seqlab.schema.errors import UserError, unknown
from seqlab.schema.visible import shortened


def list_(
    what: str = "all",
    /,
    *,
    sort: str | None = None,
    where: tuple[str, ...] = (),
    task: str | None = None,
    as_json: Json = False,
) -> None:
    """List what is available: recipes, studies, models, datasets, runs.

    Parameters
    ----------
    what
        recipes, studies, datasets, tokenizers, batching, tasks, models, layers, baselines, optimizers,
        schedules, averagings, metrics, diagnostics, probes, searches or runs.
    sort
        Of runs: column, metric or setting to sort by, ascending; metric: the best first. Default: date, the
        newest first.
    where
        Of runs: condition on a column, metric or setting, e.g. model.cell=gru or "metric<0.4"; may be given
        several times.
    task
        Of runs: only those of this task, e.g. language-model.
    as_json
        Print as JSON.
    """
    from seqlab.cli.run_table import print_runs
    from seqlab.experiment.run_list import list_runs

    known = tables()
    if what != "all" and what not in (*known, "runs"):
        raise unknown("list", what, [*known, "runs", "all"])
    if what != "runs" and (sort is not None or where or task is not None):
        raise UserError(f"'--sort', '--where' and '--task' must be used with 'list runs'. Got 'list {what}'.")
    chosen = known if what == "all" else {what: known[what]} if what in known else {}
    content = {name: rows() for name, rows in chosen.items()}
    runs = list_runs(sort=sort or "date", where=where, task=task) if what in ("all", "runs") else None
    if as_json:
        listed = {} if runs is None else {"runs": [row.as_table() for row in runs]}
        print_json({**content, **listed})
        return
    for name, rows in content.items():
        if what == "all":
            print_line(f"{name}:")
        print_table(("name", "description"), list(rows.items()))
        if what == "all":
            print_line("")
    if runs is not None:
        if what == "all":
            print_line("runs:")
        print_runs(runs, filtered=bool(where or task))


def data(action: str, name: str, /, *overrides: Setting, as_json: Json = False) -> None:
    """Describe a dataset: origin, sizes, statistics, examples.

    info: its origin and licence. show: lengths, classes, unknown words, padding, examples. fetch: only
    download and encode it.

    Parameters
    ----------
    action
        info, show or fetch.
    name
        Name of a dataset (`seqlab list datasets`).
    overrides
        Settings of the dataset, e.g. level=character.
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
    for name, heading in _DATA_TABLES.items():
        rows: dict[str, dict[str, Any]] = content.get(name, {})
        if rows:
            shown = [[shortened(row), *map(_cell(name), cells.values())] for row, cells in rows.items()]
            print_line("")
            print_table([heading, *next(iter(rows.values()))], shown)
    for note in content.get("notes", []):
        print_line(f"Note: {note}")
    for number, example in enumerate(content.get("examples", [])):
        if number == 0:
            print_heading("\nexamples")
        for line in example.split("\n"):
            print_line(f"  {line}")


_DATA_TABLES = {
    "splits": "split",
    "unlabelled": "unlabelled",
    "shared": "texts that are also in",
    "lengths": "tokens per sequence",
    "classes": "class",
    "padding": "padding of the training split",
}
"""Tables of `data show`, each with the heading of its first column."""


def _cell(table: str) -> Callable[[Any], Any]:
    def show(value: Any) -> Any:
        if not isinstance(value, float):
            return "-" if value is None else value
        return round(value, 1) if table == "lengths" else percent(value)

    return show


def params(*recipe: str, as_json: Json = False) -> None:
    """Count the parameters of recipes, layer by layer, with formulas.

    Parameters
    ----------
    recipe
        Names or files of recipes; key=value settings apply to all.
    as_json
        Print as JSON, with the shape of every tensor.
    """
    from seqlab.experiment.parameter_counts import count

    recipes = [word for word in recipe if "=" not in word]
    overrides = [word for word in recipe if "=" in word]
    if not recipes:
        raise UserError("`seqlab params` needs at least one recipe (`seqlab list recipes`). Got none.")
    with working("Reading and encoding the data, because the vocabulary determines the sizes", quiet=as_json):
        counts = {name: count(name, overrides) for name in recipes}
    if as_json:
        print_json(counts)
        return
    for name, content in counts.items():
        print_heading(name)
        print_table(
            ("layer", "parameters", "formula"),
            [[layer["layer"], layer["parameters"], _formula(layer)] for layer in content["layers"]],
        )
        print_line(f"total {content['total']:,}\n")


def _formula(layer: dict[str, Any]) -> tuple[str, ...]:
    """The formula in names of sizes, the formula in numbers, and tensors counted with another layer."""
    lines = [layer["formula"]] if layer["formula"] != layer["numbers"] else []
    total = f"{layer['parameters']:,}"
    lines += [f"{layer['numbers']} = {total}"] if layer["numbers"] not in ("", total) else []
    lines += [f"{tied.rpartition('.')[2]} is {owner}, counted there" for tied, owner in layer["tied"].items()]
    return tuple(lines)


def tables() -> dict[str, Any]:
    """By name, what makes each table but that of the runs: names with their descriptions."""
    from seqlab.baselines.baseline_kinds import BASELINES
    from seqlab.checkup.probe_kinds import DATA_PROBES, PROBES
    from seqlab.data.data_kinds import BATCHING, DATASETS, TOKENIZERS
    from seqlab.experiment.training_kinds import AVERAGINGS, OPTIMIZERS, SCHEDULES
    from seqlab.measure.metric_kinds import DIAGNOSTICS, METRICS
    from seqlab.models.layer_kinds import LAYERS
    from seqlab.models.model_kinds import MODELS
    from seqlab.studies.search_kinds import SEARCHES
    from seqlab.tasks.task_kinds import TASKS

    registries = {
        "datasets": DATASETS,
        "tokenizers": TOKENIZERS,
        "batching": BATCHING,
        "tasks": TASKS,
        "models": MODELS,
        "layers": LAYERS,
        "baselines": BASELINES,
        "optimizers": OPTIMIZERS,
        "schedules": SCHEDULES,
        "averagings": AVERAGINGS,
        "metrics": METRICS,
        "diagnostics": DIAGNOSTICS,
        "probes": PROBES,
        "searches": SEARCHES,
    }
    # Functions, because describing recipes reads files, and only one table may be asked for.
    found: dict[str, Any] = {"recipes": _recipes, "studies": _studies}
    for name, registry in registries.items():
        # Bound as a default: a closure would see the last registry only.
        found[name] = lambda registry=registry: {kind: registry.describe(kind) for kind in registry}
    every = (PROBES, DATA_PROBES)
    found["probes"] = lambda: {kind: probes.describe(kind) for probes in every for kind in probes}
    return found


def _recipes() -> dict[str, str]:
    from seqlab.experiment import recipes

    return {name: recipes.read(name).about for name in recipes.names()}


def _studies() -> dict[str, str]:
    from seqlab.studies import design

    return {name: design.about(name) for name in design.names()}
