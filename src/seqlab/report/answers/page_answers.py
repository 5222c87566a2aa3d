"""The answers of a page: one for each study, and one for the runs of each chapter that belong to none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from seqlab.comparison.study_pairs import pairs as compare_pairs
from seqlab.report.answers.answer import Answer
from seqlab.report.answers.best_models import best_figure, best_table
from seqlab.report.answers.chapter_as_study import chapter_as_study
from seqlab.report.answers.lone_model import lone_model
from seqlab.report.answers.question import chapter_question, study_question
from seqlab.report.answers.several_datasets import several_datasets
from seqlab.report.answers.verdict import verdict
from seqlab.report.chapters import Chapter
from seqlab.report.study.chapter_study import ChapterStudy

MOST_COMPARED = 6
"""Models of no study that are compared in pairs: the best ones."""


def page_answers(chapters: Sequence[Chapter], studies: Sequence[Sequence[ChapterStudy]]) -> list[Answer]:
    """What the first screen shows.

    Args:
        chapters: all runs of the page.
        studies: each study by its chapters.
    """
    answers = [answer for parts in studies if parts for answer in [_study_answer(parts)]]
    of_studies = {cell.run.name for parts in studies for study in parts for cell in study.cells}
    for chapter in chapters:
        if any(entry.run.folder.path.name not in of_studies for entry in chapter.entries):
            answers.append(_chapter_answer(chapter))
    return answers


def _study_answer(parts: Sequence[ChapterStudy]) -> Answer:
    if len(parts) > 1:
        return several_datasets(parts)
    (study,) = parts
    return _compared(study, study, study_question(str(study.about.get("about", "")), study.name))


def _chapter_answer(chapter: Chapter) -> Answer:
    study = chapter_as_study(chapter)
    names = [group.architecture for group in study.best]
    if len(names) + len(study.baselines) < 2:
        return lone_model(chapter)
    # Pairs of all would take long and be corrected for many comparisons that nobody asks for.
    kept = set(names[:MOST_COMPARED])
    few = replace(study, cells=tuple(c for c in study.cells if c.baseline or c.architecture in kept))
    return _compared(study, few, chapter_question(chapter, names or [chapter.entries[0].label]))


def _compared(study: ChapterStudy, few: ChapterStudy, question: str) -> Answer:
    pairs = compare_pairs(few)
    return Answer(
        question=question,
        sentence=verdict(study, pairs),
        table=best_table(study, pairs),
        figure=best_figure(study),
    )
