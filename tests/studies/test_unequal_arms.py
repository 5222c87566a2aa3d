"""What makes the arms of a study unequal is reported when it begins, with its result, and on its page."""

from __future__ import annotations

import html
from pathlib import Path

from small_studies import SMALL, StudyRecorder, run_small, small_design

from seqlab import report
from seqlab.cli import study_result
from seqlab.comparison.fair_arms import unequal_arms
from seqlab.comparison.study import read

TRANSFORMER = {"kind": "transformer-lm", "heads": 2, "layers": 1, "feed_forward_size": 64}


def test_every_reader_is_told_once(tmp_path: Path, capsys) -> None:
    settings = {key: value for key, value in SMALL.items() if key != "model"}
    design = small_design(
        axes={"model": [{"cell": "lstm"}, TRANSFORMER]},
        settings={**settings, "training": {**SMALL["training"], "max_steps": 2}},
    )
    recorder = StudyRecorder()
    folder = run_small(design, recorder=recorder)
    parts = read(folder)
    lost, sizes = unequal_arms(parts[0])
    parameters = {
        cell.architecture: cell.run.summary["parameters"] for cell in parts[0].networks if cell.run.summary
    }
    small, large = sorted(parameters.values())
    assert "model.hidden_size=512 instead of 16" in lost
    assert f"({large:,} and {small:,})" in sizes
    assert {lost, sizes} <= set(recorder.messages), "with the same numbers before anything is trained"
    study_result.show(parts, allow_incomparable=False)
    printed = " ".join(capsys.readouterr().out.split())
    page = report.write([], tmp_path / "page.html", title="Study", studies=[folder]).read_text("utf-8")
    for sentence in (lost, sizes):
        assert printed.count(f"Unequal arms: {sentence}") == 1
        assert html.unescape(page).count(sentence) == 1
