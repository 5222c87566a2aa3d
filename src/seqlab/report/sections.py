"""Sections of a page, and those that answer a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import seqlab.report.study.grid_heat_map as heat
import seqlab.report.study.pairs_table as against
from seqlab.compare.study_importance import importances
from seqlab.compare.study_pairs import pairs as pairs_of
from seqlab.report.chapters import Entry
from seqlab.report.charts.chart_style import Figure
from seqlab.report.samples import Written
from seqlab.report.study import study_figures, study_tables
from seqlab.report.study.across_datasets import across
from seqlab.report.study.chapter_study import StudyView
from seqlab.report.tables import ReportTable

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Note:
    """A small heading with sentences: one is a paragraph, several are a list."""

    title: str
    sentences: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with what stands under it; `more_samples` are folded."""

    title: str
    notes: Sequence[Note] = ()
    tables: Sequence[ReportTable] = ()
    figures: Sequence[Figure] = ()
    samples: Sequence[Written] = ()
    more_samples: Sequence[Written] = ()
    configs: Sequence[Entry] = ()


@dataclass(frozen=True)
class Part:
    """A chapter's sections, or those that all chapters share."""

    title: str
    sections: Sequence[Section]


def of_study(study: StudyView, *, alone: bool) -> Part:
    """What a study asked and found; `alone` says that it stands on one chapter's data."""
    pairs, reliable = pairs_of(study), study.reliability
    important = importances(study)
    found = study_tables.findings(study, pairs, reliable, important)
    sections = [
        Section(title="Question and answer", notes=_notes(study, found)),
        Section(title="Grid", figures=present(heat.grid(study))),
        Section(title="Settings over seeds", figures=present(study_figures.over_seeds(study)),
                tables=[study_tables.by_setting(study)]),
        Section(title="Reliability", tables=present(study_tables.reliability_table(study, reliable)),
                figures=study_figures.spread(study, reliable)),
        Section(title="Architectures against each other", tables=present(against.pairs_table(study, pairs))),
        Section(title="What mattered", tables=study_tables.importance_tables(study, important)),
    ]  # fmt: skip
    kept = [section for section in sections if section.notes or section.tables or section.figures]
    return Part(f"Study {study.name}" + ("" if alone else f", {study.chapter.title}"), kept)


def of_datasets(studies: Sequence[StudyView]) -> list[Part]:
    """What a study over several datasets found on all of them; [] for one dataset."""
    figures = across(studies)
    title = "How surely, how soon, how far back"
    return [Part(f"Study {studies[0].name}", [Section(title=title, figures=figures)])] if figures else []


def _notes(study: StudyView, found: Sequence[str]) -> list[Note]:
    asked, expected = (str(study.about.get(key, "")) for key in ("about", "expectation"))
    notes = [Note("Asked", [asked]), Note("Expected", [expected]), Note("Found", found)]
    return [note for note in notes if any(note.sentences)]


def present(*found: Thing | None) -> list[Thing]:
    """Those that are there."""
    return [one for one in found if one is not None]
