"""What a study found, printed: tables, and sentences that say how sure it is."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seqlab.cli.console import out, percent, print_table, say
from seqlab.compare.study_cost import cost
from seqlab.compare.study_importance import importances
from seqlab.compare.study_oracle import oracle_gaps
from seqlab.compare.study_pairs import pairs
from seqlab.compare.study_steps import counts_steps, steps_to_success

if TYPE_CHECKING:
    from seqlab.compare.study import Group, Study
    from seqlab.runs.study_folder import StudyFolder
    from seqlab.studies.final import FinalEvaluation


def show(parts: Sequence[Study], allow_incomparable: bool) -> None:
    """The comparison on each dataset; what cannot be ranked and was asked for allow_incomparable, in no order."""
    expectation = " ".join(str(parts[0].about.get("expectation", "")).split())
    if expectation:
        out.print("\nExpected", style="bold")
        say(expectation)
    for part in parts:
        _show(part, allow_incomparable)


def _show(study: Study, allow_incomparable: bool) -> None:
    where = f"{study.part}, validation" if study.part else "validation"
    out.print(
        f"\nFound ({words(study.monitor.name)} in {study.monitor.display_unit}, {where})",
        style="bold",
        markup=False,
    )
    refused = study.refusal()
    if refused is not None and allow_incomparable:
        say(
            f"{refused.removesuffix(' --allow-incomparable shows them apart.')} They are shown apart, in no order."
        )
    print_table(*_best(study))
    say("Seconds: training of one run with its validations, median over seeds, as the parameters are.")
    if counts_steps(study):
        say("Steps to success: to the first validation that is one, median over seeds; -: most had none.")
    _truth(study)
    if refused is None:
        _sentences(study)
    _censored(study)


def _best(study: Study) -> tuple[list[str], list[list[Any]]]:
    """The best setting of each architecture; columns in which nothing would stand are left out."""
    groups, spread = study.ranked, _spread(study)
    several = any(group.label for group in groups)
    wider = any(_range(group) != group.summary.interval.ends for group in groups if _spreads(group))
    succeed, stepped = study.about.get("success") is not None, counts_steps(study)
    columns = [
        "architecture",
        *["best setting"] * several,
        "seeds",
        "median",
        "lowest",
        "highest",
        *["95 % interval"] * wider,
        *["succeed"] * succeed,
        *["steps to success"] * stepped,
        "parameters",
        "seconds",
    ]
    rows = []
    for group in groups:
        summary, spent = group.summary, cost(group)
        numbers = [study.monitor.format_number(value, spread) for value in (summary.median, *_range(group))]
        ends = [study.monitor.format_number(end, spread) for end in summary.interval.ends]
        rows.append(
            [
                f"{group.architecture} (baseline)" if group.baseline else group.architecture,
                *[group.label or "-"] * several,
                summary.seeds,
                *(numbers if _spreads(group) else [numbers[0], "-", "-"]),
                *[" to ".join(ends) if _spreads(group) else "-"] * wider,
                *[f"{summary.successes} of {summary.seeds}"] * succeed,
                *([_steps(group, study)] if stepped else []),
                "-" if spent is None else round(spent.parameters),
                "-" if spent is None else f"{spent.seconds:.1f}",
            ]
        )
    return columns, rows


def _steps(group: Group, study: Study) -> str:
    steps = steps_to_success(group, study)
    return "-" if steps is None else f"{steps:,.0f}"


def _spreads(group: Group) -> bool:
    return group.summary.seeds > 1 and not group.baseline


def _range(group: Group) -> tuple[float | None, float | None]:
    return group.summary.lowest, group.summary.highest


def _spread(study: Study) -> float:
    """What decides how many decimals are shown: a tenth of the distance between the best settings."""
    values = [v for g in study.ranked for v in (g.summary.lowest, g.summary.highest) if v is not None]
    return (max(values, default=0.0) - min(values, default=0.0)) / 10


def _truth(study: Study) -> None:
    """How the best stand to the truth, where it is known."""
    found = oracle_gaps(study)
    if not found:
        return
    out.print("\nHeld against the truth", style="bold")
    rows: list[list[Any]] = [
        [one.architecture, f"{one.above_floor:.4f}", percent(one.valid), percent(one.wrong), percent(one.cut)]
        for one in found
    ]
    print_table(("architecture", "above the floor", "valid", "wrong", "cut"), rows)
    say(
        f"The floor, what the truth itself pays on the same tokens, is {found[0].floor:.4f} nats per token. "
        "Valid, wrong, cut: samples that keep the rules, break them, or did not end in time. Medians over "
        "seeds."
    )


def _sentences(study: Study) -> None:
    for title, sentences in (
        ("The best against the others", _pairs(study)),
        ("Most reliable over settings", _reliable(study)),
        ("What mattered", [f"{name}: {reading}" for name, reading in _importance(study).items()]),
        ("At the edge", study.edges),
    ):
        if sentences:
            out.print(f"\n{title}", style="bold")
        for sentence in sentences:
            say(f"- {sentence}")


def _reliable(study: Study) -> list[str]:
    """Of the architectures that were tried with several settings."""
    return [one.sentence for one in study.reliability if one.settings > 1]


def _pairs(study: Study) -> list[str]:
    """Those of the best architecture; the report has all."""
    best = next((group.architecture for group in study.best if group.summary.median is not None), "")
    return pairs(study).about(best)


def _importance(study: Study) -> dict[str, str]:
    return {name: one.sentence for name, one in importances(study).found.items()}


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


def show_look(look: FinalEvaluation) -> None:
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


def words(name: str) -> str:
    """A metric's name as words."""
    return name.replace("_", " ")


def _middle(values: list[float]) -> str:
    return f"{statistics.median(values):.4f}" if values else "-"


def as_table(parts: Sequence[Study], folder: StudyFolder, look: FinalEvaluation | None) -> dict[str, Any]:
    """The same as plain values."""
    about = parts[0].about
    return {
        "study": parts[0].name,
        "folder": str(folder.path),
        "expectation": about.get("expectation", ""),
        "metric": parts[0].monitor.name,
        "unit": parts[0].monitor.unit,
        "parts": [_plain_part(part) for part in parts],
        "test": None if look is None else _plain_look(look),
    }


def _plain_part(study: Study) -> dict[str, Any]:
    stepped = counts_steps(study)
    return {
        "part": study.part,
        "refused": study.refusal(),
        "groups": [_plain(group, study, stepped=stepped) for group in (*study.groups, *study.baselines)],
        "best": [_plain(group, study, stepped=stepped) for group in study.ranked],
        "oracle": [asdict(one) for one in oracle_gaps(study)],
        "pairs": [pair.sentence for pair in pairs(study).found],
        "reliability": _reliable(study),
        "importance": _importance(study),
        "edges": study.edges,
    }


def _plain(group: Group, study: Study, *, stepped: bool) -> dict[str, Any]:
    summary = group.summary
    return {
        "architecture": group.architecture,
        "setting": dict(group.setting),
        "baseline": group.baseline,
        "median": summary.median,
        "interval": [summary.interval.low, summary.interval.high],
        "values": {str(cell.seed): cell.value for cell in group.cells},
        "censored": dict(summary.censored),
        "successes": None if study.about.get("success") is None else summary.share,
        "steps_to_success": steps_to_success(group, study) if stepped else None,
    }


def _plain_look(look: FinalEvaluation) -> dict[str, Any]:
    return {
        "look": look.number,
        "again": look.again,
        "metrics": {
            group.architecture: [card["metrics"] for card in cards]
            for group, cards in zip(look.choices, look.cards, strict=True)
        },
    }
