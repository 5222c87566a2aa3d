"""RESULTS.md, from the files in `results/`."""

from __future__ import annotations

import statistics
from typing import Any

from rendering import (
    MISSING,
    Card,
    format_time,
    format_value,
    median_result,
    recipe_name,
    was_idle,
)

from seqlab.stats.formatting import counted

INTRODUCTION = """Written by `python scripts/publish.py` from the files in `results/`. Where a recipe was
trained with several seeds, all of them are shown, and the lines below the table describe the median run.
Validation results are those of the best checkpoint, scored again at the end. A test split was scored exactly
once. Studies show every seed, on validation. The floor is the loss of the true distribution of generated
data."""


def results_page(runs: list[Card], studies: list[Card]) -> str:
    """The whole page."""
    parts = [
        "# Results",
        " ".join(INTRODUCTION.split()),
        *(_run(card) for card in runs),
        *(_study(card) for card in studies),
    ]
    return "\n\n".join(parts) + "\n"


def _run(card: Card) -> str:
    validation, cost = card["card"], card["cost"]
    lines = [f"validation: {_split_result(validation)}"]
    if card.get("test"):
        lines.append(f"test, scored once: {_split_result(card['test'])}")
    if card.get("oracle"):
        lines.append(f"comparison with the true distribution: {card['oracle']['scored_as']}")
    lines += [
        f"{_training(card)}{card['tokens']:,} tokens, {card['parameters']:,} parameters; vocabulary "
        f"{validation['vocabulary']:,} ({validation['tokenizer']})",
        f"{_time(card)}{cost['peak_memory_mib']:,.0f} MiB, {_machine(validation, cost)}",
    ]
    return (
        f"## {recipe_name(card)}: {median_result(card)}\n\n"
        f"{card['about']}. Run it: `{card['command']}`\n\n"
        f"{_seeds_table(card)}" + "\n".join(f"- {line}" for line in lines)
    )


def _time(card: Card) -> str:
    """Seconds and speed; empty where the machine was not idle."""
    cost = card["cost"]
    if not was_idle(card):
        return ""
    return (
        f"{cost['training_seconds']:.0f} s training with its validations, "
        f"{cost['evaluation_seconds']:.0f} s final evaluation, {cost['tokens_per_second']:,.0f} tokens/s, "
    )


def _seeds_table(card: Card) -> str:
    """A row for each seed under a row of medians; empty for a single seed."""
    seeds = card.get("seeds", [])
    if len(seeds) < 2:
        return ""
    rows = [_seed_columns(seed, idle=was_idle(card)) for seed in seeds]
    medians = {column: statistics.median(row[column] for row in rows) for column in rows[0]}
    named = [("median", medians), *((str(seed["seed"]), row) for seed, row in zip(seeds, rows, strict=True))]
    lines = [
        ["seed", *medians],
        *([name, *(_format(column, value) for column, value in row.items())] for name, row in named),
    ]
    return _table(lines) + "\n\n"


def _seed_columns(seed: dict[str, Any], *, idle: bool) -> dict[str, float]:
    """What the table shows of a seed, by the title of its column."""
    metrics, oracle = seed["metrics"], seed["oracle"]
    columns = _metric_columns(metrics, seed["training"]) if oracle is None else _oracle_columns(oracle)
    return columns | ({"training, s": seed["training_seconds"]} if idle else {})


def _metric_columns(metrics: dict[str, float], training: dict[str, float]) -> dict[str, float]:
    columns = {"accuracy, %": 100 * metrics["accuracy"]} if "accuracy" in metrics else {}
    columns |= {f"{name} in training, %": 100 * value for name, value in training.items()}
    return columns | ({"mean squared error": metrics["mse"]} if "mse" in metrics else {})


def _oracle_columns(oracle: dict[str, float]) -> dict[str, float]:
    columns = {
        "valid samples, %": 100 * oracle["valid_samples"],
        "valid of complete samples, %": 100 * oracle["valid_of_complete_samples"],
        "complete samples, %": 100 * oracle["complete_samples"],
        "expected complete samples, %": 100 * oracle["expected_complete_samples"],
        "loss above the floor, %": 100 * oracle["above_floor"] / oracle["floor"],
    }
    if "samples_passing_legacy_check" in oracle:
        columns["valid by the legacy check, %"] = 100 * oracle["samples_passing_legacy_check"]
    return columns


def _format(column: str, value: float) -> str:
    if column.endswith("%"):
        return f"{value:.2f}"
    return f"{value:.3g}" if "error" in column else f"{value:.0f}"


def _split_result(card: Card) -> str:
    """Metrics of a split, and a description of the split."""
    metrics = ", ".join(
        f"{name} {value:.4f}" for name, value in card["metrics"].items() if isinstance(value, float)
    )
    shared = card["equal_to_training"]
    return (
        f"{metrics} ({card['loss_unit']}); {_split(card)}, {card['tokens']:,} tokens, {card['scored_as']}"
        + ("" if shared is None else f"; {shared:,} of them also in training")
    )


def _split(card: Card) -> str:
    return (
        f"{card['dataset']}, split {card['split']} ({card['split_sha256'][:12]}), "
        f"{card['sequences']:,} sequences"
    )


def _machine(card: Card, cost: dict[str, Any]) -> str:
    environment = card["environment"]
    return (
        f"{counted(cost['threads'], 'thread')} of {cost['processor']}, "
        f"torch {environment['versions']['torch']}, kernels {environment.get('kernels', 'torch')}"
    )


def _training(card: Card) -> str:
    """Where the numbers after it come from: seed, checkpoint and epochs, which a baseline does not have.

    Those of an ensemble come from its members, which are named without the digits of their hashes.
    """
    validation = card["card"]
    # Cards of earlier versions have no budget, nor were there ensembles.
    members = validation.get("budget", {}).get("members")
    if members is not None:
        names = ", ".join(reference.rpartition("-")[0] for reference in members)
        return f"ensemble of {len(members)} finished runs, {names}; their sums: "
    if not card["steps"]:
        return "fitted without steps, "
    return (
        f"seed {validation['seed']}, checkpoint of step {validation['checkpoint_step']:,} of "
        f"{card['steps']:,}, {card['epochs']:g} epochs, "
    )


def _study(card: Card) -> str:
    return (
        f"## study {card['study']}\n\n{card['about']}. Run it: `{card['command']}`\n\n"
        f"Expectation: {' '.join(card['expectation'].split())}\n\n"
        + "\n\n".join(_part(part, card) for part in card["parts"])
        + f"\n\n{card['runs']} runs"
        + (f", {format_time(card['seconds'])} in total" if was_idle(card) else "")
    )


def _part(part: dict[str, Any], card: Card) -> str:
    """A study on one dataset: its table, its sentences, its split."""
    oracle = [
        f"{gap['architecture']} compared with the true distribution: {gap['above_floor']:.4f} nats per token "
        f"above the floor of {gap['floor']:.4f}, {100 * gap['valid']:.1f} % of samples valid"
        for gap in part["oracle"]
    ]
    importance = [f"importance, {of}: {sentence}" for of, sentence in part["importance"].items()]
    measured = part["card"]
    split = f"{_split(measured)}, {measured['scored_as']}; {_machine(measured, card)}"
    sentences = [*oracle, *part["pairs"], *importance, *part["edges"], split]
    return (
        (f"### {part['part']}\n\n" if part["part"] else "")
        + _table(_best_rows(part, card))
        + "\n\n"
        + "\n".join(f"- {sentence}" for sentence in sentences)
    )


def _best_rows(part: dict[str, Any], card: Card) -> list[list[str]]:
    """Title and row for the best setting of each architecture."""
    success, steps = (
        any(row.get(key) is not None for row in part["best"]) for key in ("successes", "steps_to_success")
    )
    idle = was_idle(card)
    titles = ["architecture", "best setting", "each seed", "median"]
    titles += ["succeed"] * success + ["steps to success"] * steps
    titles += ["parameters"] + ["seconds per run"] * idle
    lines = [titles]
    for row in part["best"]:
        values = ["none" if value is None else format_value(value, card) for value in row["values"].values()]
        name = f"{row['architecture']} (baseline)" if row["baseline"] else row["architecture"]
        cells = [name, row["label"] or MISSING, ", ".join(values), format_value(row["median"], card)]
        cells += [_optional(row["successes"], "{:.0%}").replace("%", " %")] * success
        cells += [_optional(row["steps_to_success"], "{:,.0f}")] * steps
        lines.append([*cells, f"{row['parameters']:,.0f}", *[f"{row['seconds']:.1f}"] * idle])
    return lines


def _optional(value: float | None, pattern: str) -> str:
    return MISSING if value is None else pattern.format(value)


def _table(lines: list[list[str]]) -> str:
    """A Markdown table; the first line has the titles."""
    rule = "|---" * len(lines[0]) + "|"
    first, *rest = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([first, rule, *rest])
