"""The parts of a page that answer a study."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab.comparison.fair_arms import unequal_arms
from seqlab.comparison.study_choice import chosen, on_test
from seqlab.comparison.study_importance import importances
from seqlab.comparison.study_pairs import pairs as compare_pairs
from seqlab.report.sections import Note, Part, Section, non_empty, present
from seqlab.report.study.across_datasets import across_datasets
from seqlab.report.study.chapter_study import ChapterStudy
from seqlab.report.study.findings import findings
from seqlab.report.study.grid_heat_map import grid_heat_map
from seqlab.report.study.importance_tables import importance_tables
from seqlab.report.study.pairs_table import pairs_table
from seqlab.report.study.reliability_view import reliability_figures, reliability_table
from seqlab.report.study.seeds_figure import seeds_figure
from seqlab.report.study.study_table import study_table


def study_parts(studies: Sequence[ChapterStudy]) -> list[Part]:
    """The parts of one study, given its cells on each chapter."""
    return [*_comparison_of_datasets(studies), *(_part(study, single=len(studies) == 1) for study in studies)]


def _part(study: ChapterStudy, *, single: bool) -> Part:
    """Findings of a study on one chapter; `single`: the study has only this one."""
    pairs, reliability, shares = compare_pairs(study), study.reliability, importances(study)
    sections = [
        Section(
            title="Findings",
            folded=False,
            notes=_notes(study, findings(study, pairs, reliability, shares)),
        ),
        Section(title="Grid", figures=present(grid_heat_map(study))),
        Section(
            title="Settings over seeds", figures=present(seeds_figure(study)), tables=[study_table(study)]
        ),
        Section(
            title="Reliability",
            tables=present(reliability_table(study, reliability)),
            figures=reliability_figures(study, reliability),
        ),
        Section(title="Architectures compared in pairs", tables=present(pairs_table(study, pairs))),
        Section(title="Importance of settings", tables=importance_tables(study, shares)),
    ]
    title = f"Study {study.name}"
    return Part(title if single else f"{title}, {study.chapter.title}", non_empty(sections))


def _comparison_of_datasets(studies: Sequence[ChapterStudy]) -> list[Part]:
    """The results of a study over several datasets, side by side; [] for one dataset."""
    figures = across_datasets(studies)
    if not figures:
        return []
    return [Part(f"Study {studies[0].name}", [Section(title="Comparison of datasets", figures=figures)])]


def _notes(study: ChapterStudy, sentences: Sequence[str]) -> list[Note]:
    notes = [
        Note("Expected before the runs", [str(study.about.get("expectation", ""))]),
        Note("Unequal arms", unequal_arms(study)),
        Note("Found", sentences),
        Note("Chosen by validation", [f"{sentence}." for sentence in chosen(study)]),
        Note("On the test split", [f"{sentence}." for sentence in on_test(study.tested, study)]),
    ]
    return [note for note in notes if any(note.sentences)]
