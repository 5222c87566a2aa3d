"""Texts that language models wrote at the end of their runs, and how varied they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seqlab.report.chapters import Chapter, Entry
from seqlab.report.tables import ReportColumn, ReportTable
from seqlab.runs.cards import GeneratedText, GenerationCard

SOURCES = {"model": "the model", "validation": "validation"}


@dataclass(frozen=True)
class RunGenerated:
    """The texts of one run, by the largest number of tokens."""

    entry: Entry
    card: GenerationCard

    @property
    def by_length(self) -> dict[int, Sequence[GeneratedText]]:
        """The texts of each length."""
        lengths = dict.fromkeys(text["length"] for text in self.card["texts"])
        return {
            length: [text for text in self.card["texts"] if text["length"] == length] for length in lengths
        }

    def marked(self, mark: str) -> list[GeneratedText]:
        """The texts with a mark, the most extreme loss first."""
        found = [text for text in self.card["texts"] if text["mark"] == mark]
        return sorted(found, key=lambda text: text["loss"], reverse=mark == "worst")


def run_generated(chapter: Chapter) -> list[RunGenerated]:
    """The texts of each run that has any."""
    return [
        RunGenerated(entry, card) for entry in chapter.entries if (card := entry.run.generated) is not None
    ]


def generated_table(chapter: Chapter) -> ReportTable | None:
    """How varied generated texts are and what they copy, beside validation texts; None without any."""
    found = run_generated(chapter)
    lines = [(each.entry, line) for each in found for line in each.card["measures"]]
    if not lines:
        return None
    distinct, copied = (sorted(lines[0][1][key]) for key in ("distinct", "copied"))
    return ReportTable(
        name=f"generated texts {chapter.title}",
        caption="Texts that the final weights wrote, as long as those of training and twice as long, and as "
        "many validation texts of the same length. distinct-n: different n-grams over all n-grams of these "
        "texts (after Li et al. 2016, who divide by tokens). rep-4: of each text 1 - different 4-grams over "
        "all, averaged (seq-rep-4, Welleck et al. 2020). copied: n-grams that occur in the training text; of "
        "validation text over up to 100,000 tokens of it. A model copies if its texts have clearly more of "
        "them than validation text.",
        columns=(
            ReportColumn("run"),
            ReportColumn("model"),
            ReportColumn("written by"),
            ReportColumn("length", "tokens at most"),
            *(ReportColumn(f"distinct-{size}", "fraction") for size in distinct),
            ReportColumn("rep-4", "fraction"),
            *(ReportColumn(f"copied, n={size}", "fraction") for size in copied),
        ),
        rows=tuple(
            (
                entry.number,
                entry.label,
                SOURCES[line["source"]],
                line["length"],
                *(line["distinct"][size] for size in distinct),
                line["repetition"],
                *(line["copied"][size] for size in copied),
            )
            for entry, line in lines
        ),
        entries=tuple(entry for entry, _ in lines),
    )
