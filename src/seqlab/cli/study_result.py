"""What a study found, printed: tables, and sentences that say how sure it is."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from seqlab.cli.console import out, percent, print_table, say
from seqlab.compare.study_pairs import pairs

if TYPE_CHECKING:
    from seqlab.compare.quantity import Quantity
    from seqlab.compare.study import Group, Study
    from seqlab.runs.study_folder import StudyFolder
    from seqlab.studies.final import Look


def show(study: Study, anyway: bool) -> None:
    """The comparison; where numbers cannot be ranked and it was asked for anyway, without an order."""
    expectation = " ".join(str(study.about.get("expectation", "")).split())
    if expectation:
        out.print("\nExpected", style="bold")
        say(expectation)
    out.print(
        f"\nFound ({study.quantity.name} in {study.quantity.shown_in}, validation)",
        style="bold",
        markup=False,
    )
    refused = study.refusal()
    if refused is not None and anyway:
        say(f"{refused.removesuffix(' --anyway shows them apart.')} They are shown apart, in no order.")
    print_table(*_best(study))
    if refused is None:
        _sentences(study)
    _censored(study)


def _best(study: Study) -> tuple[tuple[str, ...], list[list[Any]]]:
    spread = _spread(study)
    columns = ("architecture", "best setting", "seeds", "median", "lowest", "highest", "95 % interval")
    rows: list[list[Any]] = [_row(group, study.quantity, spread) for group in study.ranked]
    if study.about.get("success") is None:
        return columns, rows
    for row, group in zip(rows, study.ranked, strict=True):
        row.append(f"{group.summary.successes} of {group.summary.seeds}")
    return (*columns, "succeed"), rows


def _row(group: Group, quantity: Quantity, spread: float) -> list[Any]:
    summary = group.summary
    numbers = [quantity.number(v, spread) for v in (summary.median, summary.lowest, summary.highest)]
    low, high = summary.interval.ends
    known = summary.seeds > 1 and not group.baseline
    interval = f"{quantity.number(low, spread)} to {quantity.number(high, spread)}" if known else "-"
    name = f"{group.architecture} (baseline)" if group.baseline else group.architecture
    return [
        name,
        group.label or "-",
        summary.seeds,
        *(numbers if known else [numbers[0], "-", "-"]),
        interval,
    ]


def _spread(study: Study) -> float:
    """What decides how many decimals are shown: a tenth of the distance between the best settings."""
    values = [v for g in study.ranked for v in (g.summary.lowest, g.summary.highest) if v is not None]
    return (max(values, default=0.0) - min(values, default=0.0)) / 10


def _sentences(study: Study) -> None:
    for title, sentences in (
        ("Best settings in pairs", [pair.reading for pair in pairs(study).found]),
        ("Most reliable over settings", _reliable(study)),
        ("What mattered", [f"{name}: {one.reading}" for name, one in study.importance.items()]),
    ):
        if sentences:
            out.print(f"\n{title}", style="bold")
        for sentence in sentences:
            say(f"- {sentence}")


def _reliable(study: Study) -> list[str]:
    """Of the architectures that were tried with several settings."""
    return [one.reading for one in study.reliability if one.settings > 1]


def _censored(study: Study) -> None:
    """Cells without a value, counted by the reason."""
    reasons: dict[str, int] = {}
    for cell in study.cells:
        if cell.censored:
            reasons[cell.censored] = reasons.get(cell.censored, 0) + 1
    if reasons:
        out.print(f"\n{sum(reasons.values())} of {len(study.cells)} cells have no value", style="bold")
        for reason, count in reasons.items():
            say(f"- {count}: {reason}")


def show_look(look: Look) -> None:
    """The test split, scored with what validation chose."""
    words = "shown from the record of" if look.again else "this is"
    out.print(f"\nTest split ({words} look {look.number})", style="bold", markup=False)
    metrics = list(dict.fromkeys(name for group in look.cards for card in group for name in card["metrics"]))
    rows = []
    for group, cards in zip(look.choices, look.cards, strict=True):
        medians = [
            _middle([card["metrics"][name] for card in cards if name in card["metrics"]]) for name in metrics
        ]
        twice = next((card.get("equal_to_training") for card in cards), None)
        rows.append(
            [group.architecture, group.label or "-", len(cards), *medians, "-" if twice is None else twice]
        )
    columns = [name.replace("_", " ") for name in metrics]
    print_table(("architecture", "setting", "seeds", *columns, "also in training"), rows)
    say("Medians over seeds.")


def _middle(values: list[float]) -> str:
    return f"{statistics.median(values):.4f}" if values else "-"


def as_table(study: Study, folder: StudyFolder, look: Look | None) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "study": study.name,
        "folder": str(folder.path),
        "expectation": study.about.get("expectation", ""),
        "metric": study.quantity.name,
        "unit": study.quantity.unit,
        "refused": study.refusal(),
        "groups": [_plain(group) for group in (*study.groups, *study.baselines)],
        "best": [_plain(group) for group in study.ranked],
        "pairs": [pair.reading for pair in pairs(study).found],
        "reliability": _reliable(study),
        "importance": {name: one.reading for name, one in study.importance.items()},
        "test": None if look is None else _plain_look(look),
    }


def _plain(group: Group) -> dict[str, Any]:
    summary = group.summary
    return {
        "architecture": group.architecture,
        "setting": dict(group.setting),
        "baseline": group.baseline,
        "median": summary.median,
        "interval": [summary.interval.low, summary.interval.high],
        "values": {str(cell.seed): cell.value for cell in group.cells},
        "censored": dict(summary.censored),
        "successes": percent(summary.share),
    }


def _plain_look(look: Look) -> dict[str, Any]:
    return {
        "look": look.number,
        "again": look.again,
        "metrics": {
            group.architecture: [card["metrics"] for card in cards]
            for group, cards in zip(look.choices, look.cards, strict=True)
        },
    }
