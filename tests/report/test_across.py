"""A study over several datasets: figures with a position for each dataset."""

from __future__ import annotations

from pathlib import Path

import folders
import pytest
import rewritten
import study
from html_tree import page

from seqlab import report
from seqlab.comparison.study_cells import open_study
from seqlab.report.chapters import chapters
from seqlab.report.run_data import read_run
from seqlab.report.study.across_datasets import across_datasets
from seqlab.report.study.chapter_study import (
    ChapterStudy,
    chapter_studies,
    study_run_labels,
    study_runs,
)
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.study_folder import StudyFolder

runs = folders.runs_of_the_test
HORIZON = 1.0
"""In runs written by hand the gradient falls to a hundredth with every token."""


def set_length(length: int, run: RunFolder) -> None:
    """Give the run data of this length."""
    rewritten.config(run, run.config_text().replace("[data]\n", f"[data]\nlength = {length}\n"))
    folders.card(run, split_sha256=f"{length:064}")


def on_its_chapter(folder: StudyFolder) -> ChapterStudy:
    opened = open_study(folder)
    runs = [read_run(run) for run in study_runs(opened)]
    (only,) = chapter_studies(opened, chapters(runs, run_labels=study_run_labels(opened)))
    return only


@pytest.fixture
def parts() -> list[ChapterStudy]:
    """The same study on two datasets; gradients were measured on the second one."""
    studies = []
    for length in (5, 30):
        folder = study.make(f"known{length}", failed=False, success=0.515, runs=f"of{length}")
        for run in study_runs(open_study(folder)):
            set_length(length, run)
            if length == 30:
                folders.gradients(run)
        studies.append(on_its_chapter(folder))
    return studies


def test_success_steps_and_horizons_by_what_distinguishes_the_datasets(parts: list[ChapterStudy]) -> None:
    medians, success, first, horizons = across_datasets(parts)
    assert [row["value"] for row in medians.rows] == pytest.approx([0.52, 0.72] * 2)
    rows = [(row["data"], row["architecture"], row["value"]) for row in success.rows]
    # The losses of LSTM's best setting are 0.51, 0.52 and 0.53; GRU's are higher.
    assert rows == [
        (length, cell, share)
        for length in (5, 30)
        for cell, share in (("lstm", pytest.approx(100 / 3)), ("gru", 0))
    ]
    assert [(row["data"], row["value"]) for row in horizons.rows] == [(5, None)] * 2 + [(30, HORIZON)] * 2
    assert [row["value"] for row in first.rows][2:] == [HORIZON / 2] * 2
    assert success.columns[0].title == "length"
    assert len(horizons.table.rows) == 2


def test_one_dataset_has_no_such_figures(parts: list[ChapterStudy]) -> None:
    assert across_datasets(parts[:1]) == []


def test_the_page_begins_with_the_comparison_of_datasets(tmp_path: Path) -> None:
    folder = study.make("known", failed=False, success=0.515)
    for index, run in enumerate(study_runs(open_study(folder))):
        set_length(5 if index % 2 else 30, run)
    written = page(
        report.write([], tmp_path / "r.html", title="Known", studies=[folder], allow_incomparable=True)
    )
    assert [heading.text for heading in written.all("h2")][:2].count("Study known")
    assert "Comparison of datasets" in [heading.text for heading in written.all("h3")]
