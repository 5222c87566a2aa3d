"""The pages of published figures: RESULTS.md and the README's tables, from the cards in `results/`."""

from __future__ import annotations

import statistics
import textwrap
from typing import Any

from seqlab.stats.formatting import counted

LINE = 127
"""Characters of a line of the README."""
UNBROKEN = "\N{NO-BREAK SPACE}%"
"""A percent sign that stays with its number while lines are filled."""


def figure(metrics: dict[str, float] | None, truth: dict[str, float] | None = None) -> str:
    """The number the task is judged by, with its unit; where the truth is known, how far from it."""
    if truth is not None:
        return (
            f"{100 * truth['valid_of_complete_samples']:.2f} % of completed samples valid, "
            f"{100 * truth['above_floor'] / truth['floor']:.2f} % above the floor"
        )
    assert metrics is not None, "every run has some"
    if "perplexity" in metrics:
        return f"perplexity {metrics['perplexity']:.1f}"
    if "mse" in metrics:
        return f"mean squared error {metrics['mse']:.2g}"
    return f"accuracy {100 * metrics['accuracy']:.2f} %"


def _name(card: dict[str, Any]) -> str:
    """The recipe, and what was set besides."""
    return " ".join([card["recipe"], *card.get("settings", [])])


def _figure(card: dict[str, Any]) -> str:
    """Of several seeds the medians."""
    seeds = card.get("seeds", [])
    if not seeds:
        return figure(card["metrics"])
    return figure(*(_medians([seed[key] for seed in seeds]) for key in ("metrics", "oracle")))


def _medians(found: list[dict[str, float] | None]) -> dict[str, float] | None:
    known = [one for one in found if one is not None]
    return {key: statistics.median(one[key] for one in known) for key in known[0]} if known else None


def readme_table(found: list[dict[str, Any]]) -> str:
    """The README's table of figures, without its markers; the courses' own settings stand in RESULTS.md."""
    lines = ["| recipe | validation | test | time | on |", "|---|---|---|---|---|"]
    for card in found:
        if card["recipe"].endswith("-course"):
            continue
        cost = card["cost"]
        seconds = cost["training_seconds"] + cost["evaluation_seconds"]
        lines.append(
            f"| `{_name(card)}`: {card['about']} | {_figure(card)} | {_test(card)} | "
            f"{_time(seconds) if card.get('idle', True) else '-'} | "
            f"{cost['processor']}, {counted(cost['threads'], 'thread')} |"
        )
    return "\n".join(lines)


def _test(card: dict[str, Any]) -> str:
    return figure(card["test"]["metrics"]) if card.get("test") else "not looked at"


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} s"


def readme_studies(found: list[dict[str, Any]]) -> str:
    """The README's list of studies, without its markers."""
    return "\n".join(
        textwrap.fill(
            f"- `{card['study']}`: {card['about']}. {_best(card).replace(' %', UNBROKEN)}; "
            + f"{card['runs']} runs{', ' + _time(card['seconds']) if card.get('idle', True) else ''} "
            + f"on {card['processor']}, {counted(card['threads'], 'thread')}.",
            LINE,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        ).replace(UNBROKEN, " %")
        for card in found
    )


def _best(card: dict[str, Any]) -> str:
    """Each architecture's best setting with its median and range; of several datasets, the first of each."""
    what = (
        "Validation accuracy"
        if card["metric"] == "accuracy"
        else f"Validation {card['metric'].replace('_', ' ')}, {card['unit']}"
    )
    parts = card["parts"]
    if len(parts) == 1:
        said = ", ".join(f"{row['architecture']} {_values(row, card)}" for row in parts[0]["best"])
        return f"{what}, median and range over seeds: {said}"
    said = "; ".join(f"{part['part']}: {_first(part['best'], card)}" for part in parts)
    return f"{what}, the best medians over seeds: {said} ([all of them](RESULTS.md))"


def _first(rows: list[dict[str, Any]], card: dict[str, Any]) -> str:
    """Who has the best median, or that all have the same."""
    shown = [_number(row["median"], card) for row in rows]
    first = [row["architecture"] for row, text in zip(rows, shown, strict=True) if text == shown[0]]
    return f"{'all' if len(first) == len(rows) else ', '.join(first)} {shown[0]}"


def _values(row: dict[str, Any], card: dict[str, Any]) -> str:
    known = [value for value in row["values"].values() if value is not None]
    text = _number(row["median"], card)
    if len(known) < 2:
        return text
    return f"{text} ({_number(min(known), card)} to {_number(max(known), card)})"


def _number(value: float, card: dict[str, Any]) -> str:
    return f"{100 * value:.1f} %" if card["unit"].startswith("fraction") else f"{value:.4f}"


def layers_table(found: dict[str, Any]) -> str:
    """The README's table of layers, and what its numbers are, without its markers."""
    from seqlab.cli.bench_commands import MAKERS, ONE_GRU

    words = f"""Seqlab's recurrent layers against torch.nn's, forward and backward: how many times as long
    torch's takes and, in brackets, the share of the machine's peak of {found["peak_of"]} that seqlab reaches.
    `seqlab bench layers` on {found["processor"]}, {counted(found["threads"], "thread")},
    torch {found["torch"]}, kernels {found["kernels"]}; medians of {found["rounds"]} rounds. {MAKERS}
    {ONE_GRU}"""
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


def results_page(found: list[dict[str, Any]], studied: list[dict[str, Any]]) -> str:
    """RESULTS.md."""
    parts = [
        "# Results",
        "Written by `python scripts/publish.py` from the cards in `results/`. Where there are several seeds, "
        "all are shown, and the lines below are of the median run; validation is of the best checkpoint, "
        "scored anew at the end; where a test figure stands, that split was looked at once. Studies are over "
        "several seeds, all shown, on validation.",
        *(_run(card) for card in found),
        *(_study(card) for card in studied),
    ]
    return "\n\n".join(parts) + "\n"


def _run(card: dict[str, Any]) -> str:
    measured, cost = card["card"], card["cost"]
    fitted = f"{_fitted(card)}, {card['tokens']:,} tokens, {card['parameters']:,} parameters"
    return (
        f"## {_name(card)}: {_figure(card)}\n\n"
        f"{card['about']}. Run it: `{card['command']}`\n\n"
        f"{_seeds(card)}"
        f"- validation: {_scored(measured)}\n"
        + (f"- test, look 1: {_scored(card['test'])}\n" if card.get("test") else "")
        + (f"- against the truth: {card['oracle']['scored_as']}\n" if card.get("oracle") else "")
        + f"- {fitted}; vocabulary {measured['vocabulary']:,} ({measured['tokenizer']})\n"
        f"- {_spent(card)}{cost['peak_memory_mib']:,.0f} MiB, {_where(measured, cost)}"
    )


def _spent(card: dict[str, Any]) -> str:
    """Seconds; empty where the machine was not idle."""
    cost = card["cost"]
    if not card.get("idle", True):
        return ""
    return (
        f"{cost['training_seconds']:.0f} s training with its validations, "
        f"{cost['evaluation_seconds']:.0f} s final evaluation, {cost['tokens_per_second']:,.0f} tokens/s, "
    )


def _seeds(card: dict[str, Any]) -> str:
    """A table of the seeds, their medians first; empty for one seed."""
    seeds = card.get("seeds", [])
    if len(seeds) < 2:
        return ""
    rows = [_told(one, idle=card.get("idle", True)) for one in seeds]
    medians = {head: statistics.median(row[head] for row in rows) for head in rows[0]}
    lines = [
        f"| seed | {' | '.join(rows[0])} |",
        "|---" * (1 + len(rows[0])) + "|",
        *(
            f"| {name} | {' | '.join(_shown(head, value) for head, value in row.items())} |"
            for name, row in [
                ("median", medians),
                *((str(s["seed"]), r) for s, r in zip(seeds, rows, strict=True)),
            ]
        ),
    ]
    return "\n".join(lines) + "\n\n"


def _told(seed: dict[str, Any], *, idle: bool) -> dict[str, float]:
    """What is told of a seed, by the head of its column."""
    metrics, truth = seed["metrics"], seed["oracle"]
    told = {head: 100 * metrics[key] for key, head in [("accuracy", "accuracy, %")] if key in metrics}
    told |= {f"{name} in training, %": 100 * value for name, value in seed["training"].items()}
    told |= {"mean squared error": metrics["mse"]} if "mse" in metrics else {}
    if truth is not None:
        told = {"valid samples, %": 100 * truth["valid_samples"]}
        told |= {"valid of completed, %": 100 * truth["valid_of_complete_samples"]}
        told |= {"completed, %": 100 * truth["complete_samples"]}
        told |= {"completed by the truth, %": 100 * truth["complete_of_truth"]}
        told |= {"loss above the floor, %": 100 * truth["above_floor"] / truth["floor"]}
        if "samples_passing_legacy_check" in truth:
            told |= {"passing the legacy check, %": 100 * truth["samples_passing_legacy_check"]}
    return told | ({"training, s": seed["training_seconds"]} if idle else {})


def _shown(head: str, value: float) -> str:
    return f"{value:.2f}" if head.endswith("%") else f"{value:.3g}" if "error" in head else f"{value:.0f}"


def _scored(measured: dict[str, Any]) -> str:
    """Metrics of a split, and what it was."""
    metrics = ", ".join(
        f"{name} {value:.4f}" for name, value in measured["metrics"].items() if isinstance(value, float)
    )
    twice = measured["equal_to_training"]
    return (
        f"{metrics} ({measured['loss_unit']}); {measured['dataset']}, split {measured['split']} "
        f"({measured['split_sha256'][:12]}), {measured['sequences']:,} sequences, "
        f"{measured['tokens']:,} tokens, {measured['scored_as']}"
        + ("" if twice is None else f"; {twice:,} of them also in training")
    )


def _where(measured: dict[str, Any], cost: dict[str, Any]) -> str:
    environment = measured["environment"]
    return (
        f"{counted(cost['threads'], 'thread')} of {cost['processor']}, "
        f"torch {environment['versions']['torch']}, kernels {environment.get('kernels', 'torch')}"
    )


def _study(card: dict[str, Any]) -> str:
    return (
        f"## study {card['study']}\n\n{card['about']}. Run it: `{card['command']}`\n\n"
        f"Expected before: {' '.join(card['expectation'].split())}\n\n"
        + "\n\n".join(_part(part, card) for part in card["parts"])
        + f"\n\n{card['runs']} runs"
        + (f", {_time(card['seconds'])} together" if card.get("idle", True) else "")
    )


def _part(part: dict[str, Any], card: dict[str, Any]) -> str:
    measured = part["card"]
    succeeded, stepped = (
        any(row.get(key) is not None for row in part["best"]) for key in ("successes", "steps_to_success")
    )
    heads = ["architecture", "best setting", "each seed", "median"]
    idle = card.get("idle", True)
    heads += ["succeed"] * succeeded + ["steps to success"] * stepped
    heads += ["parameters"] + ["seconds a run"] * idle
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in part["best"]:
        values = ", ".join(
            "none" if value is None else _number(value, card) for value in row["values"].values()
        )
        name = f"{row['architecture']} (baseline)" if row["baseline"] else row["architecture"]
        told = [name, row["label"] or "-", values, _number(row["median"], card)]
        told += [_share(row["successes"])] * succeeded
        told += [_steps(row["steps_to_success"])] * stepped
        told += [f"{row['parameters']:,.0f}", *[f"{row['seconds']:.1f}"] * idle]
        lines.append(f"| {' | '.join(told)} |")
    truth = [
        f"{one['architecture']} against the truth: {one['above_floor']:.4f} nats per token above the floor "
        f"of {one['floor']:.4f}, {100 * one['valid']:.1f} % of samples valid"
        for one in part["oracle"]
    ]
    mattered = [f"{of}: {said}" for of, said in part["importance"].items()]
    return (
        f"### {part['part']}\n\n" * bool(part["part"])
        + "\n".join(lines)
        + "\n\n"
        + "".join(f"- {sentence}\n" for sentence in [*truth, *part["pairs"], *mattered, *part["edges"]])
        + f"- {measured['dataset']}, split {measured['split']} ({measured['split_sha256'][:12]}), "
        f"{measured['sequences']:,} sequences, {measured['scored_as']}; {_where(measured, card)}"
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _steps(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _fitted(card: dict[str, Any]) -> str:
    """How often the data was read, and which checkpoint was scored; a baseline has neither seed nor steps."""
    measured = card["card"]
    if not card["steps"]:
        return "fitted at once"
    return (
        f"seed {measured['seed']}, checkpoint of step {measured['checkpoint_step']:,} of {card['steps']:,}, "
        f"{card['epochs']:g} epochs"
    )
