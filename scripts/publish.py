"""Published figures: small files in `results/`; RESULTS.md and the README's tables come from them.

`python scripts/publish.py RUN...` takes the results of finished runs of shipped recipes, a card each;
`seqlab bench layers --json > results/bench-layers.json` those of a measurement of speed;
`python scripts/publish.py` only writes RESULTS.md and the README's tables anew.
"""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CARDS = ROOT / "results"
LAYERS = CARDS / "bench-layers.json"
LINE = 127
"""Characters of a line of the README."""


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
    """All published figures of runs, by recipe."""
    paths = sorted(path for path in CARDS.glob("*.json") if path != LAYERS)
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def figure(card: dict[str, Any]) -> str:
    """The number the task is judged by, with its unit."""
    metrics = card["metrics"]
    if "perplexity" in metrics:
        return f"perplexity {metrics['perplexity']:.1f}"
    return f"accuracy {metrics['accuracy']:.2%}"


def readme_table(found: list[dict[str, Any]]) -> str:
    """The README's table of figures, without its markers."""
    lines = ["| recipe | validation | training | on |", "|---|---|---|---|"]
    for card in found:
        cost = card["cost"]
        minutes = (cost["training_seconds"] + cost["evaluation_seconds"]) / 60
        lines.append(
            f"| `{card['recipe']}`: {card['about']} | {figure(card)} | {minutes:.0f} minutes | "
            f"{cost['processor']}, {cost['threads']} threads |"
        )
    return "\n".join(lines)


def layers_table(found: dict[str, Any]) -> str:
    """The README's table of layers, and what its numbers are, without its markers."""
    from seqlab.cli.benching import MAKERS, ONE_GRU

    words = f"""Seqlab's recurrent layers against torch.nn's, forward and backward: how many times as long
    torch's takes and, in brackets, the share of the machine's peak of {found["peak_of"]} that seqlab reaches.
    `seqlab bench layers` on {found["processor"]}, {found["threads"]} threads, torch {found["torch"]},
    kernels {found["kernels"]}; medians of {found["rounds"]} rounds. {MAKERS} {ONE_GRU}"""
    rows = {(row["shape"], row["cell"]): row for row in found["rows"]}
    shapes, cells = (list(dict.fromkeys(key[part] for key in rows)) for part in (0, 1))
    lines = [
        f"| rows x steps x inputs x units | {' | '.join(f'`{cell}`' for cell in cells)} |",
        "|---" * (1 + len(cells)) + "|",
        *(f"| {shape} | {' | '.join(_layer(rows[shape, cell]) for cell in cells)} |" for shape in shapes),
    ]
    paragraph = textwrap.fill(" ".join(words.split()), LINE, break_long_words=False, break_on_hyphens=False)
    return paragraph + "\n\n" + "\n".join(lines)


def _layer(row: dict[str, Any]) -> str:
    return f"{row['ratio']['median']:.2f} ({row['share_of_peak']['median']:.0%})".replace("%", " %")


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
            f"- {_fitted(card)}, {card['tokens']:,} tokens, {card['parameters']:,} parameters\n"
            f"- {cost['training_seconds']:.0f} s training with its validations, "
            f"{cost['evaluation_seconds']:.0f} s final evaluation, "
            f"{cost['tokens_per_second']:,.0f} tokens/s, "
            f"{cost['peak_memory_mib']:,.0f} MiB, {cost['threads']} threads of {cost['processor']}, "
            f"torch {measured['environment']['versions']['torch']}"
        )
    return "\n\n".join(parts) + "\n"


def _fitted(card: dict[str, Any]) -> str:
    """How often the data was read, and which checkpoint was scored; a baseline has neither seed nor steps."""
    measured = card["card"]
    if not card["steps"]:
        return "fitted at once"
    return (
        f"seed {measured['seed']}, checkpoint of step {measured['checkpoint_step']:,} of {card['steps']:,}, "
        f"{card['epochs']:g} epochs"
    )


def _duplicates(measured: dict[str, Any]) -> str:
    shared = measured["equal_to_training"]
    return "" if shared is None else f"{shared:,} of them also in training; "


def readme_with(text: str, name: str, content: str) -> str:
    """The README with new content between the markers of this name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}\n{content}\n{end}{after}"


def readme_page(text: str) -> str:
    """The README with all tables as `results/` has them."""
    text = readme_with(text, "figures", readme_table(cards()))
    return readme_with(text, "layers", layers_table(json.loads(LAYERS.read_text(encoding="utf-8"))))


def main() -> None:
    """Take the named runs, then write the pages."""
    for wanted in sys.argv[1:]:
        take(wanted)
    readme = ROOT / "README.md"
    readme.write_text(readme_page(readme.read_text("utf-8")), encoding="utf-8")
    (ROOT / "RESULTS.md").write_text(results_page(cards()), encoding="utf-8")


if __name__ == "__main__":
    main()
