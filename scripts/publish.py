"""Published figures: small files in `results/`; RESULTS.md and the README's tables come from them.

`python scripts/publish.py RUN|STUDY...` takes the results of finished runs of shipped recipes, a card each,
with the test split where it was looked at, and those of shipped studies;
`seqlab bench layers --json > results/bench-layers.json` those of a measurement of speed;
`python scripts/publish.py` only writes RESULTS.md and the README's tables anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rendering import layers_table, readme_studies, readme_table, results_page

ROOT = Path(__file__).resolve().parent.parent
CARDS = ROOT / "results"
LAYERS = CARDS / "bench-layers.json"
STUDY = "study-"
"""How the name of a study's card begins."""


def take(wanted: str) -> None:
    """Copy what a finished run or study found, and what it was measured on, to a card."""
    from seqlab.runs import study_folder

    if wanted in study_folder.names():
        take_study(wanted)
    else:
        take_run(wanted)


def take_run(wanted: str) -> None:
    """The card of a run.

    Raises:
        SystemExit: the run's settings are not those of the recipe it is named after.
    """
    from seqlab.runs import folder
    from seqlab.schema.config import plain
    from seqlab.train import recipes
    from seqlab.train.loaded import read_config

    run = folder.find(wanted)
    config, _ = recipes.configure(run.name)
    if plain(config) != plain(read_config(run)):
        sys.exit(f"{run.path} must have the settings of the shipped recipe {run.name!r}. Got others.")
    summary = run.summary()
    card = {
        "recipe": run.name,
        "about": recipes.read(run.name).about,
        "command": f"seqlab train {run.name}",
        **{key: summary[key] for key in ("metrics", "steps", "epochs", "tokens", "parameters", "cost")},
        "card": run.read_json("cards/valid.json"),
        "test": run.read_json("cards/test.json") if (run.cards / "test.json").exists() else None,
    }
    _write(run.name, card)


def take_study(name: str) -> None:
    """The card of a study: its groups with the value of each seed, what was concluded, what it cost.

    Raises:
        SystemExit: the study is not the shipped one, or not at its end.
    """
    from seqlab.cli.study_result import as_table
    from seqlab.compare import study as compare
    from seqlab.compare.cells import find
    from seqlab.compare.study_cost import spent
    from seqlab.runs import folder, study_folder
    from seqlab.schema.config import plain
    from seqlab.studies import design

    place = study_folder.find(name)
    if place.about()["study"] != json.loads(json.dumps(plain(design.read(name)))):
        sys.exit(f"{place.path} must have the settings of the shipped study {name!r}. Got others.")
    found, parts = find(place), compare.read(place)
    if not all(one.summary for one in found):
        sys.exit(f"All runs of {place.path} must have ended. Got one that has not.")
    table = as_table(parts, place, None)
    for part, study in zip(table["parts"], parts, strict=True):
        del part["groups"], part["refused"]
        for row, group in zip(part["best"], study.ranked, strict=True):
            cost = spent(group)
            row |= {"label": group.label, "parameters": cost.parameters, "seconds": cost.seconds}
        first = folder.open_run(folder.root() / study.ranked[0].cells[0].run)
        part["card"] = first.read_json("cards/valid.json")
    costs = [one.summary["cost"] for one in found]
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
    _write(f"{STUDY}{name}", card)


def _write(name: str, card: dict[str, Any]) -> None:
    (CARDS / f"{name}.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


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
    for wanted in sys.argv[1:]:
        take(wanted)
    readme = ROOT / "README.md"
    readme.write_text(readme_page(readme.read_text("utf-8")), encoding="utf-8")
    (ROOT / "RESULTS.md").write_text(results_page(cards(), studies()), encoding="utf-8")


if __name__ == "__main__":
    main()
