"""Tables of the data that runs learned from, and of the cards that describe their evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqlab.report.chapters import Chapter
from seqlab.report.property_table import property_groups, property_table
from seqlab.report.tables import CellValue, ReportTable, split_title
from seqlab.runs.cards import Card
from seqlab.runs.run_shapes import DataSummary, SplitSize

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
    "equal_to_others": "texts also in other splits",
}
"""Titles of the entries of a card that its table shows. Seeds, steps and machines are in other tables."""


def data_table(chapter: Chapter) -> ReportTable | None:
    """Origin, licence and sizes of the data; None where no run's data could be read."""
    groups = property_groups(
        [
            (entry, _data_properties(data, entry.run.cards.get("valid")))
            for entry in chapter.entries
            if (data := entry.run.data)
        ]
    )
    if not groups:
        return None
    return property_table(f"data {chapter.title}", f"Training and evaluation data: {chapter.title}.", groups)


def _data_properties(data: DataSummary, card: Card | None) -> dict[str, CellValue]:
    splits = {split_title(split): _sizes(sizes) for split, sizes in data["splits"].items()}
    return {
        "dataset": data["name"],
        "description": data["description"],
        "origin": data["origin"],
        "licence": data["licence"],
        **splits,
        "labels": ", ".join(data["labels"]) or None,
        "tokenizer": data["tokenizer"].get("kind"),
        "vocabulary": card["vocabulary"] if card else None,
        "validation texts also in training": card["equal_to_training"] if card else None,
        "SHA-256 of the content": data["content_hash"],
    }


def _sizes(sizes: SplitSize) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sizes.items())


def cards_table(chapter: Chapter) -> ReportTable | None:
    """What the numbers of a chapter were measured on, and how; None where no run has a card."""
    cards = [
        (entry, {title: _format(card[key]) for key, title in CARD_ROWS.items()})
        for entry in chapter.entries
        for card in sorted(entry.run.cards.values(), key=lambda card: card["split"] != "valid")
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
