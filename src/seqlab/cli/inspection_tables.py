"""What it takes to trust a classifier, on the terminal: its labels, its probabilities, its wrong texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from seqlab.cli.console import percent, print_line, print_table
from seqlab.schema.visible import shortened
from seqlab.stats.formatting import format_decimal, format_value

if TYPE_CHECKING:
    from seqlab.runs.cards import CurveTable, MatrixTable, WrongTexts

LABEL_SCORES = "label_scores"
TRUST_CURVES = (
    *("calibration_accuracy", "calibration_share"),
    *("calibrated_calibration_accuracy", "calibrated_calibration_share"),
    *("abstention_answered", "abstention_accuracy"),
)
"""Names of the curves that `print_trust` shows."""
LONGEST_TEXT = 60
"""Characters of a wrong text."""
SHARES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5, 0.3, 0.1)
"""Shares of answered texts at which the accuracy is shown."""


def print_label_scores(scores: MatrixTable) -> None:
    """Print precision, recall and F1 of each label."""
    print_line("\nscores of each label")
    print_table(
        ["label", *scores["columns"]],
        [
            [shortened(label), *(f"{value:.4f}" for value in values[:-1]), int(values[-1])]
            for label, values in zip(scores["rows"], scores["values"], strict=True)
        ],
    )


def print_length_accuracies(groups: MatrixTable) -> None:
    """Print the accuracy of texts of similar length."""
    print_line("\naccuracy by length of the text, with its 95 % interval")
    print_table(
        ["tokens", "accuracy", "from", "to", "texts"],
        [
            [title, *(f"{value:.4f}" for value in values[:3]), int(values[3])]
            for title, values in zip(groups["rows"], groups["values"], strict=True)
        ],
    )


def print_trust(curves: Mapping[str, CurveTable], metrics: Mapping[str, float]) -> None:
    """Print the reliability curves and the gain by abstaining, where they were measured."""
    for before, title in (("", "calibration"), ("calibrated_", "calibration with the fitted temperature")):
        if f"{before}calibration_accuracy" in curves and f"{before}calibration_error" in metrics:
            _print_calibration(title, before, curves, metrics)
    if "abstention_accuracy" in curves and "abstention_answered" in curves:
        _print_abstention(curves["abstention_answered"], curves["abstention_accuracy"])


def _print_calibration(
    title: str, before: str, curves: Mapping[str, CurveTable], metrics: Mapping[str, float]
) -> None:
    accuracy, share = (curves[f"{before}calibration_{name}"] for name in ("accuracy", "share"))
    error, chance = (metrics[f"{before}calibration_error{end}"] for end in ("", "_by_chance"))
    print_line(
        f"\n{title}: expected error {format_value(error)} (15 bins; right probabilities would have "
        f"{format_value(chance)} by chance)"
    )
    print_table(
        ["mean probability", "accuracy", "texts"],
        [
            [f"{x:.4f}", f"{y:.4f}", percent(part)]
            for x, y, part in zip(accuracy["x"], accuracy["y"], share["y"], strict=True)
        ],
    )


def _print_abstention(answered: CurveTable, accuracy: CurveTable) -> None:
    rows = []
    for share in SHARES:
        # The least threshold at which no more than this share is answered.
        index = next((i for i, part in enumerate(answered["y"]) if part <= share), None)
        if index is not None:
            threshold, part = answered["x"][index], answered["y"][index]
            rows.append([format_decimal(threshold), percent(part), f"{accuracy['y'][index]:.4f}"])
    print_line("\nno label below a probability (`predict --abstain-below`)")
    print_table(["probability", "answered", "accuracy"], list(map(list, dict.fromkeys(map(tuple, rows)))))


def print_wrong_texts(wrong: WrongTexts) -> None:
    """Print wrongly labelled texts."""
    if not wrong["wrong"]:
        print_line(f"\nno wrong text among {wrong['texts']:,}")
        return
    number = len(wrong["shown"])
    shown = "" if number == wrong["wrong"] else f", the {number:,} most confident"
    print_line(f"\n{wrong['wrong']:,} wrong of {wrong['texts']:,} texts{shown}")
    print_table(
        ["probability", "predicted", "label", "index", "text"],
        [
            [
                f"{one['probability']:.4f}",
                shortened(one["predicted"]),
                shortened(one["label"]),
                one["index"],
                _cut(one["text"]),
            ]
            for one in wrong["shown"]
        ],
    )


def _cut(text: str | None) -> str:
    return "" if text is None else shortened(" ".join(text.split()), LONGEST_TEXT)
