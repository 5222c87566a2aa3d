"""Published results: small files in `results/`; RESULTS.md and the README's tables are generated from them.

`python scripts/publish.py RECIPE|STUDY...` writes a file for each finished run of a shipped recipe, over all
    its seeds, with the test split where it was scored, and for each finished shipped study. A recipe with
    other settings is given as one argument, `"RECIPE key=value"`. With `--busy` seconds are left out, because
    the machine was not idle.
`seqlab bench layers --json > results/bench-layers.json` writes the file of a speed measurement.
`python scripts/publish.py` without arguments only generates RESULTS.md and the README's tables.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rendering import Card, layers_table, readme_studies, readme_table
from results_page import results_page

from seqlab.evaluate.loaded import read_config
from seqlab.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from seqlab.comparison.study import Study

ROOT = Path(__file__).resolve().parent.parent
CARDS = ROOT / "results"
LAYERS = CARDS / "bench-layers.json"
STUDY = "study-"
"""Prefix of the name of a study's file."""
BUSY = "--busy"
"""Option: other processes ran on the machine at the same time."""


def publish(wanted: str, *, idle: bool = True) -> None:
    """Write the file of a finished recipe or study: its results, and what they were measured on."""
    from seqlab.runs import study_folder

    name, card = study_card(wanted) if wanted in study_folder.names() else run_card(wanted)
    (CARDS / f"{name}.json").write_text(json.dumps({**card, "idle": idle}, indent=1) + "\n", encoding="utf-8")


def run_card(wanted: str) -> tuple[str, Card]:
    """Name and content of the file of a recipe, with optional `key=value` settings: median run and all seeds.

    Raises:
        SystemExit: there is no finished run with these settings.
    """
    from seqlab.experiment import recipes

    name, *overrides = wanted.split()
    runs = sorted(_finished_runs(name, overrides), key=_monitored_loss)
    if not runs:
        sys.exit(f"There must be a finished run of {wanted!r}, with any seed. Got none.")
    median = runs[(len(runs) - 1) // 2]
    summary = median.summary()
    card = {
        "recipe": name,
        "settings": overrides,
        "about": recipes.read(name).about,
        "command": f"seqlab train {wanted}",
        **{key: summary[key] for key in ("metrics", "steps", "epochs", "tokens", "parameters", "cost")},
        "card": _small(median.card("valid")),
        "test": _small(median.card("test")),
        "oracle": _oracle(median),
        "seeds": [_seed_result(run) for run in sorted(runs, key=_seed)],
    }
    return "-".join([name, *(slug(override) for override in overrides)]), card


def _finished_runs(name: str, overrides: list[str]) -> list[RunFolder]:
    """Finished runs that differ from a recipe with these settings only in the seed."""
    from seqlab.experiment import recipes
    from seqlab.runs import run_folder
    from seqlab.schema.config import plain
    from seqlab.training.make_ensemble import with_references

    wanted = plain(with_references(recipes.configure(name, overrides)[0]))
    names = [other for other in run_folder.names() if other.startswith(f"{name}-")]
    return [
        run
        for run in (run_folder.open_run(run_folder.root() / other) for other in names)
        if run.finished and {**plain(read_config(run)), "seed": None} == {**wanted, "seed": None}
    ]


def _seed(run: RunFolder) -> int:
    """The seed; 0 for a run without one."""
    return getattr(read_config(run), "seed", 0)


def _monitored_loss(run: RunFolder) -> float:
    """The monitored metric of a run, with a sign so that lower is better; equal ones differ in the loss."""
    monitor, metrics = read_config(run).monitor, run.summary()["metrics"]
    return -monitor.gain(metrics[monitor.name]) + 1e-9 * metrics["loss"]


def _small(card: Mapping[str, Any] | None) -> Card | None:
    """A card without its curves, which have a number for each text."""
    return None if card is None else {name: value for name, value in card.items() if name != "curves"}


def _oracle(run: RunFolder) -> dict[str, Any] | None:
    """The comparison with the true distribution, where that is known."""
    card = run.oracle_card()
    return card and {"metrics": card["metrics"], "scored_as": card["scored_as"]}


def _seed_result(run: RunFolder) -> dict[str, Any]:
    """The result with one seed."""
    summary, oracle = run.summary(), _oracle(run)
    return {
        "seed": _seed(run),
        "metrics": summary["metrics"],
        "oracle": oracle and oracle["metrics"],
        "training_seconds": summary["cost"]["training_seconds"],
        "training": _last_training_metrics(run),
    }


def _last_training_metrics(run: RunFolder) -> dict[str, float]:
    """The last metrics of the training split, where it was scored at validations."""
    from seqlab.schema.records import Scalar

    metrics = run.summary()["metrics"]
    return {
        record.name: record.value
        for record, _ in run.records()
        if isinstance(record, Scalar) and record.split == "train" and record.name in {*metrics} - {"loss"}
    }


def slug(override: str) -> str:
    """A setting as part of a file's name.

    >>> slug("data.length=5")
    'length-5'
    """
    return override.rpartition(".")[2].replace("=", "-")


def study_card(name: str) -> tuple[str, Card]:
    """Name and content of the file of a study: groups with the value of each seed, conclusions, cost.

    Raises:
        SystemExit: the study is not the shipped one, or not finished.
    """
    from seqlab.comparison import study as compare
    from seqlab.comparison.study_cells import open_study
    from seqlab.runs import study_folder
    from seqlab.schema.config import plain
    from seqlab.studies import design
    from seqlab.studies.study_json import as_table

    folder = study_folder.find(name)
    if folder.about()["study"] != json.loads(json.dumps(plain(design.read(name)))):
        sys.exit(f"{folder.path} must have the settings of the shipped study {name!r}. Got others.")
    opened = open_study(folder)
    studies = compare.parts(opened)
    if not all(run.summary for run in opened.runs):
        sys.exit(f"All runs of {folder.path} must be finished. Got one that is not.")
    table = as_table(studies, folder, None)
    for part, study in zip(table["parts"], studies, strict=True):
        _complete_part(part, study)
    costs = [run.summary["cost"] for run in opened.runs if run.summary]
    card = {
        "study": name,
        "about": design.about(name),
        "command": f"seqlab study {name}",
        "runs": len(opened.runs),
        **{key: table[key] for key in ("metric", "unit", "expectation", "parts")},
        "seconds": round(sum(cost["training_seconds"] + cost["evaluation_seconds"] for cost in costs)),
        "processor": costs[-1]["processor"],
        "threads": costs[-1]["threads"],
    }
    return f"{STUDY}{name}", card


def _complete_part(part: dict[str, Any], study: Study) -> None:
    """Keep what is published of a study on one dataset, and add its costs and its card."""
    from seqlab.comparison.study_cost import cost

    del part["groups"], part["refused"]
    for row, group in zip(part["best"], study.ranked, strict=True):
        group_cost = cost(group)
        assert group_cost is not None, "all runs are finished"
        row |= {"label": group.label, "parameters": group_cost.parameters, "seconds": group_cost.seconds}
    first = study.ranked[0].cells[0].run.folder
    part["card"] = first and first.card("valid")


def cards() -> list[Card]:
    """The published results of recipes, by name."""
    return [_read(path) for path in sorted(CARDS.glob("*.json")) if path != LAYERS and not _is_study(path)]


def studies() -> list[Card]:
    """The published studies, by name."""
    return [_read(path) for path in sorted(CARDS.glob("*.json")) if _is_study(path)]


def _is_study(path: Path) -> bool:
    return path.name.startswith(STUDY)


def _read(path: Path) -> Card:
    return json.loads(path.read_text(encoding="utf-8"))


def readme_with(text: str, name: str, content: str) -> str:
    """The README with new content between the markers of a section."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}\n{content}\n{end}{after}"


def readme_page(text: str) -> str:
    """The README with all its tables generated from `results/`."""
    text = readme_with(text, "figures", readme_table(cards()))
    text = readme_with(text, "studies", readme_studies(studies()))
    return readme_with(text, "layers", layers_table(json.loads(LAYERS.read_text(encoding="utf-8"))))


def main() -> None:
    """Publish the named recipes and studies, then generate the pages."""
    for wanted in sys.argv[1:]:
        if wanted != BUSY:
            publish(wanted, idle=BUSY not in sys.argv)
    readme = ROOT / "README.md"
    readme.write_text(readme_page(readme.read_text("utf-8")), encoding="utf-8")
    (ROOT / "RESULTS.md").write_text(results_page(cards(), studies()), encoding="utf-8")


if __name__ == "__main__":
    main()
