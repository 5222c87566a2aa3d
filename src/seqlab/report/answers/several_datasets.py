"""The answer of a study over several datasets: the best model on each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from seqlab.comparison.study_pairs import pairs as compare_pairs
from seqlab.report.answers.answer import Answer
from seqlab.report.answers.question import study_question
from seqlab.report.study.across_datasets import across_datasets
from seqlab.report.study.chapter_study import ChapterStudy
from seqlab.report.tables import CellValue, ReportColumn, ReportTable, words
from seqlab.stats.formatting import counted
from seqlab.stats.paired import Comparison


def several_datasets(studies: Sequence[ChapterStudy]) -> Answer:
    """The best model on each dataset of a study; nothing is ranked over datasets."""
    first = studies[0]
    return Answer(
        question=study_question(str(first.about.get("about", "")), first.name),
        sentence=_sentence(studies),
        table=_table(studies),
        figure=next(iter(across_datasets(studies)), None),
    )


def _winner(study: ChapterStudy) -> str:
    """The best model, or the models that tie for it; "none" without any value."""
    known = [group for group in study.ranked if group not in study.floors]
    least = min((study.loss(group.summary.median) for group in known), default=0.0)
    tied = [group.architecture for group in known if study.loss(group.summary.median) == least]
    return " and ".join(tied) or "none"


def _sentence(studies: Sequence[ChapterStudy]) -> str:
    wins = Counter(_winner(study) for study in studies)
    listed = ", ".join(f"{name} on {count}" for name, count in wins.most_common())
    significant = sum(_significant(study) for study in studies)
    return (
        f"Best of {counted(len(studies), 'dataset')}: {listed}. On {significant} of them the best differs "
        "significantly over seeds from the second."
    )


def _first_pair(study: ChapterStudy) -> Comparison | None:
    leaders = [group.architecture for group in study.best if group.summary.median is not None][:2]
    return next(
        (pair for pair in compare_pairs(study).found if len(leaders) > 1 and set(pair.names) == set(leaders)),
        None,
    )


def _significant(study: ChapterStudy) -> bool:
    pair = _first_pair(study)
    return pair is not None and pair.seeds is not None and pair.seeds.significant


def _table(studies: Sequence[ChapterStudy]) -> ReportTable:
    metric = studies[0].monitor
    name = f"median {words(metric.name)}"
    return ReportTable(
        name=f"answer {studies[0].name}",
        caption=f"The two best networks on each dataset, each at its best setting, by the {name} over seeds.",
        columns=(
            ReportColumn("dataset"),
            ReportColumn("best"),
            ReportColumn(name, metric.unit),
            ReportColumn("second"),
            ReportColumn(name, metric.unit),
            ReportColumn("significant over seeds"),
        ),
        rows=tuple(_row(study) for study in studies),
    )


def _row(study: ChapterStudy) -> tuple[CellValue, ...]:
    leaders = [group for group in study.best if group.summary.median is not None][:2]
    cells: list[CellValue] = [
        cell for group in leaders for cell in (group.architecture, group.summary.median)
    ]
    pair = _first_pair(study)
    enough = pair is not None and pair.seeds is not None and pair.seeds.enough_seeds
    sure = ("yes" if _significant(study) else "no") if enough else "too few seeds"
    return study.chapter.title, *cells, *([None] * (4 - len(cells))), sure if len(leaders) > 1 else None
