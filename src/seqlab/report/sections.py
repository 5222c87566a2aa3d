"""The structure of a page: parts, made of sections with notes, tables, figures and samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from seqlab.report.chapters import Entry
from seqlab.report.charts.figure import Figure
from seqlab.report.generated_tables import RunGenerated
from seqlab.report.sample_texts import RunSamples
from seqlab.report.tables import ReportTable
from seqlab.stats.formatting import counted

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Note:
    """A small heading with sentences: a single one is a paragraph, several are a list."""

    title: str
    sentences: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with its content; what is named `more` is folded, and where `folded` all of it."""

    title: str
    folded: bool = True
    notes: Sequence[Note] = ()
    tables: Sequence[ReportTable] = ()
    figures: Sequence[Figure] = ()
    more_figures: Sequence[Figure] = ()
    samples: Sequence[RunSamples] = ()
    more_samples: Sequence[RunSamples] = ()
    generated: Sequence[RunGenerated] = ()
    configs: Sequence[Entry] = ()

    @property
    def contents(self) -> str:
        """How many tables, figures and samples the section has, for the reader who decides to open it."""
        counts = {
            "table": len(self.tables),
            "figure": len(self.figures) + len(self.more_figures),
            "sample": sum(len(each.texts) for each in (*self.samples, *self.more_samples)),
            "text": sum(len(each.card["texts"]) for each in self.generated),
            "file": len(self.configs),
        }
        return ", ".join(counted(count, what) for what, count in counts.items() if count)

    @property
    def empty(self) -> bool:
        """Whether nothing is under the heading."""
        return not (self.notes or self.tables or self.figures or self.samples or self.configs)


@dataclass(frozen=True)
class Part:
    """The sections of a study, of a chapter, or of all runs together."""

    title: str
    sections: Sequence[Section]


def non_empty(sections: Sequence[Section]) -> list[Section]:
    """The sections that have content."""
    return [section for section in sections if not section.empty]


def present(*things: Thing | None) -> list[Thing]:
    """The things that are not None."""
    return [thing for thing in things if thing is not None]
