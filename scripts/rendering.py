"""The README's tables of published results, from the files in `results/`; RESULTS.md shares some formats."""

from __future__ import annotations

import statistics
import textwrap
from typing import Any

from seqlab.stats.formatting import counted

Card = dict[str, Any]
"""The content of a file in `results/`."""
README_RECIPES = ("brackets-lstm", "imdb-lstm", "imdb-nbsvm-punctuation", "ptb-lstm", "ptb-5gram")
"""Recipes in the README's table; RESULTS.md has all."""
LINE_LENGTH = 127
UNBROKEN = "\N{NO-BREAK SPACE}%"
"""A percent sign that stays on the line of its number while text is filled."""
MISSING = "\N{EN DASH}"


def readme_table(cards: list[Card]) -> str:
    """The README's table of results, without its markers."""
    lines = ["| recipe | validation | test | time | machine |", "|---|---|---|---|---|"]
    by_name = {recipe_name(card): card for card in cards}
    for card in (by_name[name] for name in README_RECIPES):
        cost = card["cost"]
        seconds = cost["training_seconds"] + cost["evaluation_seconds"]
        lines.append(
            f"| `{recipe_name(card)}`: {card['about']} | {median_result(card)} | {_test_result(card)} | "
            f"{format_time(seconds) if was_idle(card) else MISSING} | "
            f"{cost['processor']}, {counted(cost['threads'], 'thread')} |"
        )
    return "\n".join(lines)


def recipe_name(card: Card) -> str:
    """The recipe, with the settings that were changed."""
    return " ".join([card["recipe"], *card.get("settings", [])])


def was_idle(card: Card) -> bool:
    """Whether the machine did nothing else, so that seconds can be published."""
    return card.get("idle", True)


def median_result(card: Card) -> str:
    """The result on validation, the median over seeds."""
    seeds = card.get("seeds", [])
    if not seeds:
        return format_result(card["metrics"])
    return format_result(*(_medians([seed[key] for seed in seeds]) for key in ("metrics", "oracle")))


def _medians(metrics: list[dict[str, float] | None]) -> dict[str, float] | None:
    known = [one for one in metrics if one is not None]
    return {key: statistics.median(one[key] for one in known) for key in known[0]} if known else None


def format_result(metrics: dict[str, float] | None, oracle: dict[str, float] | None = None) -> str:
    """The metric that the task monitors; the distance from the true distribution where that is known."""
    if oracle is not None:
        return (
            f"{100 * oracle['valid_of_complete_samples']:.2f} % of complete samples valid, "
            f"loss {100 * oracle['above_floor'] / oracle['floor']:.2f} % above the floor"
        )
    assert metrics is not None, "every run has metrics"
    if "perplexity" in metrics:
        return f"perplexity {metrics['perplexity']:.1f}"
    if "mse" in metrics:
        return f"mean squared error {metrics['mse']:.2g}"
    return f"accuracy {100 * metrics['accuracy']:.2f} %"


def _test_result(card: Card) -> str:
    return format_result(card["test"]["metrics"]) if card.get("test") else MISSING


def format_time(seconds: float) -> str:
    """Seconds as minutes from a minute and a half on."""
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} s"


def readme_studies(cards: list[Card]) -> str:
    """The README's list of studies, without its markers."""
    return "\n".join(_fill(_study_sentence(card)) for card in cards)


def _study_sentence(card: Card) -> str:
    time = f", {format_time(card['seconds'])}" if was_idle(card) else ""
    return (
        f"- `{card['study']}`: {card['about']}. {_best_settings(card)}; {card['runs']} runs{time} on "
        f"{card['processor']}, {counted(card['threads'], 'thread')}."
    )


def _fill(sentence: str) -> str:
    filled = textwrap.fill(
        sentence.replace(" %", UNBROKEN),
        LINE_LENGTH,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace(UNBROKEN, " %")


def _best_settings(card: Card) -> str:
    """Median and range of each architecture's best setting; for several datasets, the best of each."""
    metric = (
        "Validation accuracy"
        if card["metric"] == "accuracy"
        else f"Validation {card['metric'].replace('_', ' ')}, {card['unit']}"
    )
    parts = card["parts"]
    if len(parts) == 1:
        results = ", ".join(f"{row['architecture']} {_range(row, card)}" for row in parts[0]["best"])
        return f"{metric}, median and range over seeds: {results}"
    results = "; ".join(f"{part['part']}: {_best_architectures(part['best'], card)}" for part in parts)
    return f"{metric}, best median over seeds: {results} ([all results](RESULTS.md))"


def _best_architectures(rows: list[dict[str, Any]], card: Card) -> str:
    """The architectures with the best median, or that all have the same."""
    medians = [format_value(row["median"], card) for row in rows]
    best = [row["architecture"] for row, text in zip(rows, medians, strict=True) if text == medians[0]]
    return f"{'all' if len(best) == len(rows) else ', '.join(best)} {medians[0]}"


def _range(row: dict[str, Any], card: Card) -> str:
    values = [value for value in row["values"].values() if value is not None]
    median = format_value(row["median"], card)
    if len(values) < 2:
        return median
    return f"{median} ({format_value(min(values), card)} to {format_value(max(values), card)})"


def format_value(value: float, card: Card) -> str:
    """A value of the metric of a study."""
    return f"{100 * value:.1f} %" if card["unit"].startswith("fraction") else f"{value:.4f}"


def layers_table(result: dict[str, Any]) -> str:
    """The README's table of layers with its description, without its markers."""
    from seqlab.cli.bench_commands import MAKERS, ONE_GRU

    text = f"""Speed of seqlab's recurrent layers relative to torch.nn's, forward and backward: torch's time
    divided by seqlab's and, in brackets, the share of the machine's peak of {result["peak_of"]} that
    seqlab reaches. Measured by `seqlab bench layers` on {result["processor"]},
    {counted(result["threads"], "thread")}, torch {result["torch"]}, kernels {result["kernels"]}; medians of
    {result["rounds"]} rounds. {MAKERS} {ONE_GRU}"""
    rows = {(row["shape"], row["cell"]): row for row in result["rows"]}
    shapes, cells = (list(dict.fromkeys(key[part] for key in rows)) for part in (0, 1))
    lines = [
        f"| batch x steps x inputs x units | {' | '.join(f'`{cell}`' for cell in cells)} |",
        "|---" * (1 + len(cells)) + "|",
        *(f"| {shape} | {' | '.join(_layer(rows[shape, cell]) for cell in cells)} |" for shape in shapes),
    ]
    paragraph = textwrap.fill(
        " ".join(text.split()), LINE_LENGTH, break_long_words=False, break_on_hyphens=False
    )
    return paragraph + "\n\n" + "\n".join(lines)


def _layer(row: dict[str, Any]) -> str:
    return f"{row['ratio']['median']:.2f} ({row['share_of_peak']['median']:.0%})".replace("%", " %")
