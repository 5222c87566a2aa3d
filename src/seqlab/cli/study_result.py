"""The printed result of a study: tables, and sentences on how certain it is."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seqlab.cli.best_table import best_table
from seqlab.cli.console import percent, print_heading, print_line, print_table
from seqlab.comparison.fair_arms import unequal_arms
from seqlab.comparison.study_oracle import oracle_gaps
from seqlab.comparison.study_sentences import sentences
from seqlab.comparison.study_steps import counts_steps
from seqlab.stats.formatting import format_value

if TYPE_CHECKING:
    from seqlab.comparison.study import Study
    from seqlab.studies.final_evaluation import FinalEvaluation


def show(parts: Sequence[Study], allow_incomparable: bool) -> None:
    """Print the comparison on each dataset; settings that cannot be ranked are shown in no order."""
    expectation = " ".join(str(parts[0].about.get("expectation", "")).split())
    if expectation:
        print_heading("\nExpected")
        print_line(expectation)
    for part in parts:
        _show_part(part, allow_incomparable)


def _show_part(study: Study, allow_incomparable: bool) -> None:
    split = f"{study.part}, validation" if study.part else "validation"
    metric = f"{study.monitor.name.replace('_', ' ')} in {study.monitor.display_unit}"
    print_heading(f"\nResults ({metric}, {split})")
    refusal = study.refusal()
    if refusal is not None and allow_incomparable:
        reason = refusal.partition(" --allow-incomparable")[0]
        print_line(f"{reason} They are shown separately, in no order.")
    print_table(*best_table(study))
    print_line("Seconds: training of one run with its validations. Seconds, parameters: medians over seeds.")
    if counts_steps(study):
        print_line(
            "Steps to success: optimizer steps to the first successful validation, median over seeds; "
            "-: most seeds had none."
        )
    for sentence in unequal_arms(study):
        print_line(f"Unequal arms: {sentence}")
    _print_oracle_gaps(study)
    if refusal is None:
        _print_sentences(study)
    _print_censored(study)


def _print_oracle_gaps(study: Study) -> None:
    """Print the best settings' distance from the true distribution, where it is known."""
    gaps = oracle_gaps(study)
    if not gaps:
        return
    print_heading("\nCompared with the true distribution")
    rows: list[list[Any]] = [
        [
            gap.architecture,
            format_value(gap.above_floor),
            *("-" if share is None else percent(share) for share in (gap.valid, gap.wrong, gap.cut)),
        ]
        for gap in gaps
    ]
    print_table(("architecture", "above the floor", "valid", "wrong", "cut"), rows)
    print_line(
        "The floor, the loss of the true distribution on the same tokens, is "
        f"{format_value(gaps[0].floor)} nats per token. Valid, wrong, cut: samples that follow the rules, "
        "break them, or did not end in time (-: none were checked). Medians over seeds."
    )


def _print_sentences(study: Study) -> None:
    for topic, found in sentences(study).items():
        print_heading(f"\n{topic}")
        for sentence in found:
            print_line(f"- {sentence}")


def _print_censored(study: Study) -> None:
    """Print how many cells have no value, by reason."""
    reasons = Counter(cell.censored for cell in study.cells if cell.censored)
    if reasons:
        print_heading(f"\n{reasons.total()} of {len(study.cells)} cells have no value")
        for reason, count in reasons.items():
            print_line(f"- {count}: {reason}")


def show_test_evaluation(evaluation: FinalEvaluation) -> None:
    """Print the scores on the test split."""
    note = ", repeated from its cards" if evaluation.repeated else ""
    print_heading(f"\nTest split (evaluation {evaluation.number}{note})")
    metrics = list(
        dict.fromkeys(name for cards in evaluation.cards for card in cards for name in card["metrics"])
    )
    rows = []
    for group, cards in zip(evaluation.choices, evaluation.cards, strict=True):
        medians = [
            _median([card["metrics"][name] for card in cards if name in card["metrics"]]) for name in metrics
        ]
        repeated = next((card.get("equal_to_training") for card in cards), None)
        in_training = "-" if repeated is None else repeated
        rows.append([group.architecture, group.label or "-", len(cards), *medians, in_training])
    columns = [name.replace("_", " ") for name in metrics]
    print_table(("architecture", "setting", "seeds", *columns, "also in training"), rows)
    print_line("Medians over seeds.")


def _median(values: list[float]) -> str:
    return format_value(statistics.median(values)) if values else "-"
