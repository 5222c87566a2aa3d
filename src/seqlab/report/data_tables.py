"""Tables of the data that runs learned from, and of the cards that describe their evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqlab.report.chapters import Chapter
from seqlab.report.property_table import property_groups, property_table
from seqlab.report.run_data import RunData
from seqlab.report.tables import CellValue, ReportTable, split_title

CARD_ROWS = {
    "split": "split",
    "dataset": "dataset",
    "unit": "unit of evaluation",
    "loss_unit": "unit of the loss",
    "signatures": "metrics",
    "sequences": "sequences",
    "tokens": "tokens",
    "targets": "targets",
    "scored_as": "scored as",
    "end_token_counts": "end token counts",
    "tokenizer": "tokenizer",
    "vocabulary": "vocabulary",
    "split_sha256": "SHA-256 of the encoded split",
    "texts_sha256": "SHA-256 of the texts",
}
"""Titles of the entries of a card that its table shows. Seeds, steps and machines are in other tables."""


def data_table(chapter: Chapter) -> ReportTable | None:
    """Origin, licence and sizes of the data; None where no run's data could be read."""
    groups = property_groups(
        [(entry, _data_properties(entry.run)) for entry in chapter.entries if entry.run.data]
    )
    if not groups:
        return None
    return property_table(f"data {chapter.title}", f"Training and evaluation data: {chapter.title}.", groups)


def _data_properties(run: RunData) -> dict[str, CellValue]:
    data, card = run.data, run.cards.get("valid", {})
    splits = {split_title(split): _sizes(sizes) for split, sizes in data["splits"].items()}
    return {
        "dataset": data["name"],
        "description": data.get("description"),
        "origin": data.get("origin"),
        "licence": data.get("licence"),
        **splits,
        "labels": ", ".join(data.get("labels") or []) or None,
        "tokenizer": data.get("tokenizer", {}).get("kind"),
        "vocabulary": card.get("vocabulary"),
        "validation texts also in training": card.get("equal_to_training"),
        "SHA-256 of the content": data["content_hash"],
    }


def _sizes(sizes: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sizes.items())


def cards_table(chapter: Chapter) -> ReportTable | None:
    """What the numbers of a chapter were measured on, and how; None where no run has a card."""
    cards = [
        (entry, {title: _format(card.get(key)) for key, title in CARD_ROWS.items()})
        for entry in chapter.entries
        for split, card in sorted(entry.run.cards.items(), key=lambda pair: pair[0] != "valid")
        if split != "oracle"
    ]
    if not cards:
        return None
    caption = (
        "Evaluation cards: what the numbers were measured on, and how. Runs with equal cards share a column. "
        "Numbers on one split are ranked only where everything that matters for them is equal. Seeds, steps "
        "and machines are in the other tables."
    )
    return property_table(f"cards {chapter.title}", caption, property_groups(cards))


def _format(value: Any) -> CellValue:
    match value:
        case None:
            return None
        case Mapping():
            return "; ".join(f"{key}: {inner}" for key, inner in value.items() if inner) or None
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case _:
            return str(value)
