"""Published figures: small files in `results/`; RESULTS.md and the README's tables come from them.

`python scripts/publish.py RECIPE|STUDY...` takes the results of finished runs of shipped recipes, a card each
over all seeds there are, with the test split where it was looked at, and those of shipped studies; a recipe
with other settings is given as one word, `"RECIPE key=value"`; behind `--busy` seconds are left out, because
the machine was not idle;
`seqlab bench layers --json > results/bench-layers.json` those of a measurement of speed;
`python scripts/publish.py` only writes RESULTS.md and the README's tables anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rendering import layers_table, readme_studies, readme_table, results_page

from seqlab.evaluate.loaded import read_config
from seqlab.runs.run_folder import RunFolder

ROOT = Path(__file__).resolve().parent.parent
CARDS = ROOT / "results"
LAYERS = CARDS / "bench-layers.json"
STUDY = "study-"
"""How the name of a study's card begins."""


BUSY = "--busy"
"""Says that the runs did not have the machine for themselves."""


def take(wanted: str, *, idle: bool = True) -> None:
    """Copy what a finished run or study found, and what it was measured on, to a card."""
    from seqlab.runs import study_folder

    name, card = take_study(wanted) if wanted in study_folder.names() else take_run(wanted)
    (CARDS / f"{name}.json").write_text(json.dumps({**card, "idle": idle}, indent=1) + "\n", encoding="utf-8")


def take_run(wanted: str) -> tuple[str, dict[str, Any]]:
    """The card of a recipe, of `key=value` settings behind its name: its median run, and all seeds.

    Raises:
        SystemExit: there is no finished run with these settings.
    """
    from seqlab.experiment import recipes

    name, *overrides = wanted.split()
    found = sorted(_runs(name, overrides), key=_goal)
    if not found:
        sys.exit(f"There must be a finished run of {wanted!r}, whatever its seed. Got none.")
    run, seeds = found[(len(found) - 1) // 2], sorted(found, key=_number)
    summary = run.summary()
    card = {
        "recipe": name,
        "settings": overrides,
        "about": recipes.read(name).about,
        "command": f"seqlab train {wanted}",
        **{key: summary[key] for key in ("metrics", "steps", "epochs", "tokens", "parameters", "cost")},
        "card": run.card("valid"),
        "test": run.card("test"),
        "oracle": _truth(run),
        "seeds": [_seed(one) for one in seeds],
    }
    return "-".join([name, *(slug(one) for one in overrides)]), card


def _runs(name: str, overrides: list[str]) -> list[RunFolder]:
    """Finished runs that differ from a recipe with these settings in nothing but the seed."""
    from seqlab.experiment import recipes
    from seqlab.runs import run_folder
    from seqlab.schema.config import plain

    wanted = plain(recipes.configure(name, overrides)[0])
    runs = [
        run_folder.open_run(run_folder.root() / one)
        for one in run_folder.names()
        if one.startswith(f"{name}-")
    ]
    return [
        run
        for run in runs
        if run.finished and {**plain(read_config(run)), "seed": None} == {**wanted, "seed": None}
    ]


def _number(run: RunFolder) -> int:
    """Its seed; 0 where it has none."""
    return getattr(read_config(run), "seed", 0)


def _goal(run: RunFolder) -> float:
    """What a run is judged by, less being better; among equals the loss."""
    monitor, metrics = read_config(run).monitor, run.summary()["metrics"]
    return -monitor.gain(metrics[monitor.name]) + 1e-9 * metrics["loss"]


def _truth(run: RunFolder) -> dict[str, Any] | None:
    """What was found against the truth, where that is known."""
    card = run.oracle_card()
    return card and {"metrics": card["metrics"], "scored_as": card["scored_as"]}


def _seed(run: RunFolder) -> dict[str, Any]:
    """What a run with one seed came to."""
    summary, truth = run.summary(), _truth(run)
    return {
        "seed": _number(run),
        "metrics": summary["metrics"],
        "oracle": truth and truth["metrics"],
        "training_seconds": summary["cost"]["training_seconds"],
        "training": _last_training(run),
    }


def _last_training(run: RunFolder) -> dict[str, float]:
    """The last metrics of the training split, where it was scored beside validation."""
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


def take_study(name: str) -> tuple[str, dict[str, Any]]:
    """The card of a study: its groups with the value of each seed, what was concluded, what it cost.

    Raises:
        SystemExit: the study is not the shipped one, or not at its end.
    """
    from seqlab.cli.study_json import as_table
    from seqlab.compare import study as compare
    from seqlab.compare.study_cells import open_study
    from seqlab.compare.study_cost import cost
    from seqlab.runs import study_folder
    from seqlab.schema.config import plain
    from seqlab.studies import design

    place = study_folder.find(name)
    if place.about()["study"] != json.loads(json.dumps(plain(design.read(name)))):
        sys.exit(f"{place.path} must have the settings of the shipped study {name!r}. Got others.")
    opened = open_study(place)
    found, parts = opened.runs, compare.parts(opened)
    if not all(one.summary for one in found):
        sys.exit(f"All runs of {place.path} must have ended. Got one that has not.")
    table = as_table(parts, place, None)
    for part, study in zip(table["parts"], parts, strict=True):
        del part["groups"], part["refused"]
        for row, group in zip(part["best"], study.ranked, strict=True):
            spent = cost(group)
            assert spent is not None, "all runs are finished"
            row |= {"label": group.label, "parameters": spent.parameters, "seconds": spent.seconds}
        first = study.ranked[0].cells[0].run.folder
        part["card"] = first and first.card("valid")
    costs = [one.summary["cost"] for one in found if one.summary]
    card = {
        "study": name,
        "about": design.about(name),
        "command": f"seqlab study {name}",
        "runs": len(found),
        **{key: table[key] for key in ("metric", "unit", "expectation", "parts")},
        "seconds": round(sum(cost["training_seconds"] + cost["evaluation_seconds"] for cost in costs)),
        "processor": costs[-1]["processor"],
        "threads": costs[-1]["threads"],
    }
    return f"{STUDY}{name}", card


def cards() -> list[dict[str, Any]]:
    """All published figures of runs, by recipe."""
    return [_read(path) for path in sorted(CARDS.glob("*.json")) if path != LAYERS and not _is_study(path)]


def studies() -> list[dict[str, Any]]:
    """All published studies, by name."""
    return [_read(path) for path in sorted(CARDS.glob("*.json")) if _is_study(path)]


def _is_study(path: Path) -> bool:
    return path.name.startswith(STUDY)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def readme_with(text: str, name: str, content: str) -> str:
    """The README with new content between the markers of this name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}\n{content}\n{end}{after}"


def readme_page(text: str) -> str:
    """The README with all tables as `results/` has them."""
    text = readme_with(text, "figures", readme_table(cards()))
    text = readme_with(text, "studies", readme_studies(studies()))
    return readme_with(text, "layers", layers_table(json.loads(LAYERS.read_text(encoding="utf-8"))))


def main() -> None:
    """Take the named runs, then write the pages."""
    idle = BUSY not in sys.argv
    for wanted in sys.argv[1:]:
        if wanted != BUSY:
            take(wanted, idle=idle)
    readme = ROOT / "README.md"
    readme.write_text(readme_page(readme.read_text("utf-8")), encoding="utf-8")
    (ROOT / "RESULTS.md").write_text(results_page(cards(), studies()), encoding="utf-8")


if __name__ == "__main__":
    main()
