"""A study over several datasets: what is drawn with a place for each of them."""

from __future__ import annotations

from pathlib import Path

import folders
import pytest
import study
from html_tree import page

from seqlab import report
from seqlab.compare.study_cells import open_study
from seqlab.report.across import across
from seqlab.report.comparing import chapters
from seqlab.report.run_data import read
from seqlab.report.study_view import StudyView, studies, told
from seqlab.report.study_view import folders as run_folders
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.study_folder import StudyFolder

runs = folders.runs_of_the_test
HORIZON = 1.0
"""Of runs by hand: their gradient falls to a hundredth with every token."""


def on(length: int, run: RunFolder) -> None:
    """Let the run be of data that differ in their length."""
    config = run.path / "config.toml"
    config.write_text(config.read_text().replace("[data]\n", f"[data]\nlength = {length}\n"))
    folders.card(run, split_sha256=f"{length:064}")


def answered(asked: StudyFolder) -> StudyView:
    opened = open_study(asked)
    found = chapters([read(run) for run in run_folders(opened)], told=told(opened))
    (one,) = studies(opened, found)
    return one


@pytest.fixture
def parts() -> list[StudyView]:
    """The same study on two datasets; of the second one the gradients were measured."""
    found = []
    for length in (5, 30):
        asked = study.make(f"known{length}", failed=False, success=0.515, runs=f"of{length}")
        for run in run_folders(open_study(asked)):
            on(length, run)
            if length == 30:
                folders.gradients(run)
        found.append(answered(asked))
    return found


def test_success_steps_and_horizons_by_what_tells_the_datasets_apart(parts: list[StudyView]) -> None:
    medians, success, first, horizons = across(parts)
    assert [row["value"] for row in medians.rows] == pytest.approx([0.52, 0.72] * 2)
    rows = [(row["data"], row["architecture"], row["value"]) for row in success.rows]
    # LSTM's best setting has 0.51, 0.52 and 0.53; GRU's more.
    assert rows == [
        (length, cell, share)
        for length in (5, 30)
        for cell, share in (("lstm", pytest.approx(100 / 3)), ("gru", 0))
    ]
    assert [(row["data"], row["value"]) for row in horizons.rows] == [(5, None)] * 2 + [(30, HORIZON)] * 2
    assert [row["value"] for row in first.rows][2:] == [HORIZON / 2] * 2
    assert success.columns[0].title == "length"
    assert len(horizons.table.rows) == 2


def test_one_dataset_has_no_such_figures(parts: list[StudyView]) -> None:
    assert across(parts[:1]) == []


def test_the_page_begins_with_them(tmp_path: Path) -> None:
    asked = study.make("known", failed=False, success=0.515)
    for place, run in enumerate(run_folders(open_study(asked))):
        on(5 if place % 2 else 30, run)
    written = page(
        report.write([], tmp_path / "r.html", title="Known", studies=[asked], allow_incomparable=True)
    )
    assert [heading.text for heading in written.all("h2")][:2].count("Study known")
    assert "How surely, how soon, how far back" in [heading.text for heading in written.all("h3")]
