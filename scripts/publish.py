"""Published figures: one small card each in `results/`; RESULTS.md and the README's table come from them.

`python scripts/publish.py RUN...` takes the results of finished runs of shipped recipes;
`python scripts/publish.py` only writes RESULTS.md and the README's table anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CARDS = ROOT / "results"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def take(wanted: str) -> None:
    """Copy what a finished run found, and what it was measured on, to a card.

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
    }
    (CARDS / f"{run.name}.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def cards() -> list[dict[str, Any]]:
    """All published figures, by recipe."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(CARDS.glob("*.json"))]


def figure(card: dict[str, Any]) -> str:
    """The number the task is judged by, with its unit."""
    metrics = card["metrics"]
    if "perplexity" in metrics:
        return f"perplexity {metrics['perplexity']:.1f}"
    return f"accuracy {metrics['accuracy']:.2%}"


def readme_table(found: list[dict[str, Any]]) -> str:
    """The README's table, without its markers."""
    lines = ["| recipe | validation | training | on |", "|---|---|---|---|"]
    for card in found:
        cost = card["cost"]
        minutes = (cost["training_seconds"] + cost["evaluation_seconds"]) / 60
        lines.append(
            f"| `{card['recipe']}`: {card['about']} | {figure(card)} | {minutes:.0f} minutes | "
            f"{cost['processor']}, {cost['threads']} threads |"
        )
    return "\n".join(lines)


def results_page(found: list[dict[str, Any]]) -> str:
    """RESULTS.md."""
    parts = [
        "# Results",
        "Written by `python scripts/publish.py` from the cards in `results/`. One seed each unless said; "
        "validation, best checkpoint, scored anew at the end; no test split was looked at.",
    ]
    for card in found:
        measured, cost = card["card"], card["cost"]
        metrics = ", ".join(f"{name} {value:.4f}" for name, value in card["metrics"].items())
        parts.append(
            f"## {card['recipe']}: {figure(card)}\n\n"
            f"{card['about']}. Run it: `{card['command']}`\n\n"
            f"- {metrics} ({measured['loss_unit']})\n"
            f"- {measured['dataset']}, split {measured['split']} ({measured['split_sha256'][:12]}): "
            f"{measured['sequences']:,} sequences, {measured['tokens']:,} tokens, {measured['scored_as']}; "
            f"{_duplicates(measured)}vocabulary {measured['vocabulary']:,} ({measured['tokenizer']})\n"
            f"- seed {measured['seed']}, checkpoint of step {measured['checkpoint_step']:,} "
            f"of {card['steps']:,}, "
            f"{card['epochs']:g} epochs, {card['tokens']:,} tokens, {card['parameters']:,} parameters\n"
            f"- {cost['training_seconds']:.0f} s training with its validations, "
            f"{cost['evaluation_seconds']:.0f} s final evaluation, "
            f"{cost['tokens_per_second']:,.0f} tokens/s, "
            f"{cost['peak_memory_mib']:,.0f} MiB, {cost['threads']} threads of {cost['processor']}, "
            f"torch {measured['environment']['versions']['torch']}"
        )
    return "\n\n".join(parts) + "\n"


def _duplicates(measured: dict[str, Any]) -> str:
    shared = measured["equal_to_training"]
    return "" if shared is None else f"{shared:,} of them also in training; "


def readme_with(text: str, table: str) -> str:
    """The README with a new table between its markers."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def main() -> None:
    """Take the named runs, then write the pages."""
    for wanted in sys.argv[1:]:
        take(wanted)
    found = cards()
    readme = ROOT / "README.md"
    readme.write_text(readme_with(readme.read_text("utf-8"), readme_table(found)), encoding="utf-8")
    (ROOT / "RESULTS.md").write_text(results_page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
