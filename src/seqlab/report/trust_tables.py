"""What it takes to trust the classifiers of a chapter: labels, probabilities, wrong texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seqlab.report.chapters import Chapter, Entry
from seqlab.report.sections import Note
from seqlab.report.tables import RUN_COLUMNS, CellValue, ReportColumn, ReportTable, run_cells, split_title
from seqlab.runs.cards import ACCURACY_BY_LENGTH, SURE, Card
from seqlab.stats.formatting import counted, format_decimal, format_value, percent

LABEL_SCORES = "label_scores"
"""The matrix with a row for each label."""
TABLES = (LABEL_SCORES, ACCURACY_BY_LENGTH)
"""Recorded matrices that are shown as tables."""
CALIBRATION_COLUMNS = {
    "brier": ReportColumn("Brier score"),
    "calibration_error": ReportColumn("expected calibration error", "fraction"),
    "calibration_error_by_chance": ReportColumn("by chance", "fraction"),
    "temperature": ReportColumn("temperature"),
    "calibrated_loss": ReportColumn("loss, calibrated", "nats per text"),
    "calibrated_brier": ReportColumn("Brier score, calibrated"),
    "calibrated_calibration_error": ReportColumn("expected calibration error, calibrated", "fraction"),
    "calibrated_calibration_error_by_chance": ReportColumn("by chance, calibrated", "fraction"),
}
"""Columns by the metrics of a card."""

TrustRow = tuple[Entry, tuple[CellValue, ...]]


def trust_notes(chapter: Chapter) -> list[Note]:
    """How far to trust each run that was inspected, a sentence each; no note where none was."""
    sentences = [sentence for entry, card in _cards(chapter) if (sentence := _sentence(entry, card))]
    return [Note("How far to trust the labels", sentences)] if sentences else []


def _sentence(entry: Entry, card: Card) -> str:
    wrong = entry.run.wrong.get(card["split"])
    parts = []
    if wrong is not None:
        parts.append(
            f"{wrong['wrong']:,} of {counted(wrong['texts'], 'text')} of the {split_title(card['split'])} "
            "have another label than predicted"
        )
    if "calibration_error_by_chance" in card["metrics"]:
        error, chance = (card["metrics"][f"calibration_error{end}"] for end in ("", "_by_chance"))
        parts.append(
            f"the expected calibration error is {format_value(error)}, and {format_value(chance)} is what "
            "right probabilities have by chance"
        )
    if "abstention_accuracy" in card["curves"]:
        parts.append(_abstention(card))
    return f"Run {entry.number} ({entry.label}): {'; '.join(parts)}." if parts else ""


def _abstention(card: Card) -> str:
    answered, accuracy = (card["curves"][f"abstention_{name}"] for name in ("answered", "accuracy"))
    points = zip(accuracy["x"], answered["y"], accuracy["y"], strict=True)
    sure = next(((threshold, share) for threshold, share, value in points if value >= SURE), None)
    if sure is None:
        return f"no probability is high enough that {percent(SURE)} of the labels above it are right"
    threshold, share = sure
    return (
        f"at least {percent(SURE)} of the labels are right where the probability is at least "
        f"{format_decimal(threshold)}, which is true of {percent(share)} of the texts"
    )


def label_scores_table(chapter: Chapter) -> ReportTable | None:
    """Precision, recall and F1 of each label; None where no run was scored so."""
    rows: list[TrustRow] = [
        (entry, (card["split"], label, *values[:-1], int(values[-1])))
        for entry, card in _cards(chapter)
        if (scores := card["matrices"].get(LABEL_SCORES)) is not None
        for label, values in zip(scores["rows"], scores["values"], strict=True)
    ]
    columns = ("split", "label", "precision", "recall", "F1", "texts")
    return _table(
        f"labels {chapter.title}",
        "Scores of each label. Precision: the share of its predictions that are right. Recall: the share of "
        "its texts that are found. F1: their harmonic mean. 0 where there is no prediction or no text.",
        [ReportColumn(title) for title in columns],
        rows,
    )


def length_table(chapter: Chapter) -> ReportTable | None:
    """The accuracy of texts of similar length; None where no run was scored so."""
    rows: list[TrustRow] = [
        (entry, (card["split"], tokens, *values[:3], int(values[3])))
        for entry, card in _cards(chapter)
        if (groups := card["matrices"].get(ACCURACY_BY_LENGTH)) is not None
        for tokens, values in zip(groups["rows"], groups["values"], strict=True)
    ]
    columns = ("split", "length", "accuracy", "95 % from", "to", "texts")
    return _table(
        f"accuracy by length {chapter.title}",
        "Accuracy of texts of similar length, in groups of about as many texts. A text that is cut counts "
        "with the tokens that are left. The intervals are exact for texts that are drawn independently "
        "(Clopper and Pearson 1934).",
        [ReportColumn(title, "tokens" * (title == "length")) for title in columns],
        rows,
    )


def calibration_table(chapter: Chapter) -> ReportTable | None:
    """Scores of the probabilities; None where no run was scored so."""
    columns = CALIBRATION_COLUMNS.keys()
    cards = [(entry, card) for entry, card in _cards(chapter) if card["metrics"].keys() & columns]
    known = [key for key in CALIBRATION_COLUMNS if any(key in card["metrics"] for _, card in cards)]
    return _table(
        f"calibration {chapter.title}",
        "Scores of the probabilities. Brier score: the squared error of the probabilities of all labels, "
        "from 0 to 2. Expected calibration error: how far, on average over 15 bins of equal width, the "
        "share of right labels is from their mean probability. Small samples make it too large: by chance "
        "is what a model with right probabilities would have. Calibrated: with all logits divided by the "
        "temperature, which is fitted on the validation split and therefore looks better there than on "
        "new texts.",
        [ReportColumn("split"), *(CALIBRATION_COLUMNS[key] for key in known)],
        [(entry, (card["split"], *(card["metrics"].get(key) for key in known))) for entry, card in cards],
    )


def wrong_texts_table(chapter: Chapter) -> ReportTable | None:
    """The texts that runs label wrongly with the highest probability; None where none was kept."""
    rows: list[TrustRow] = [
        (entry, (split, one["probability"], one["predicted"], one["label"], one["index"] + 1, one["text"]))
        for entry in chapter.entries
        for split, wrong in entry.run.wrong.items()
        for one in wrong["shown"]
    ]
    return _table(
        f"wrong texts {chapter.title}",
        "Texts with another label than predicted, the most confident predictions first: hard texts, and "
        "labels that may be wrong themselves.",
        [
            *(ReportColumn("split"), ReportColumn("probability"), ReportColumn("predicted")),
            *(ReportColumn("label"), ReportColumn("row of the split"), ReportColumn("text")),
        ],
        rows,
    )


def _cards(chapter: Chapter) -> Iterator[tuple[Entry, Card]]:
    for entry in chapter.entries:
        for card in sorted(entry.run.cards.values(), key=lambda card: card["split"] != "valid"):
            yield entry, card


def _table(
    name: str, caption: str, columns: Sequence[ReportColumn], rows: Sequence[TrustRow]
) -> ReportTable | None:
    if not rows:
        return None
    return ReportTable(
        name=name,
        caption=caption,
        columns=(*RUN_COLUMNS, *columns),
        rows=tuple((*run_cells(entry), *cells) for entry, cells in rows),
        entries=tuple(entry for entry, _ in rows),
    )
