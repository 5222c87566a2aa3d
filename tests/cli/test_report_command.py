"""`seqlab report` on real runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny

from seqlab.runs import study_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.study_records import Trial


@pytest.mark.slow
def test_a_page_on_a_finished_and_an_unfinished_run(seqlab, language: RunFolder, tmp_path: Path) -> None:
    broken = tiny.broken_off(tiny.BRACKETS, "seed=2", step=8)
    output, static = tmp_path / "new" / "page.html", tmp_path / "files"
    asked = ["report", language.path.name, str(broken.path), "-o", str(output), "--title", "Brackets & more"]
    result = seqlab(*asked, "--static", str(static), "--json")
    assert json.loads(result.out) == {"report": str(output), "static": str(static)}
    text = output.read_text(encoding="utf-8")
    assert "<h1>Brackets &amp; more</h1>" in text
    assert f"({broken.path.name}) is unfinished" in text
    assert f'<data value="{tiny.summary(language)["metrics"]["loss"]}">' in text
    assert {path.suffix for path in static.iterdir()} == {".svg", ".png", ".csv", ".md", ".tex"}


def test_without_samples(seqlab, language: RunFolder, tmp_path: Path) -> None:
    output = tmp_path / "page.html"
    result = seqlab("report", "brackets", "-o", str(output), "--no-samples")
    assert result.status == 0
    assert str(output) in result.out
    text = output.read_text(encoding="utf-8")
    assert "<h1>brackets-lstm</h1>" in text
    assert ">Samples</h3>" not in text


def test_a_folder_without_a_run_is_refused(refused, tmp_path: Path) -> None:
    assert "There is no run" in refused("report", str(tmp_path))
    assert "needs at least one run (`seqlab list runs`) or study. Got none." in refused("report")


def test_a_study_by_its_name_and_one_part_of_its_page(
    seqlab, refused, language: RunFolder, tmp_path: Path
) -> None:
    study = study_folder.begin("both", {"about": "which is best", "expectation": ""}, {}, "0.1.0")
    known = {"setting": {}, "seed": 1, "epochs": (), "config": {}, "baseline": False}
    study.add_trial(Trial(number=1, architecture="lstm", run=language.path.name, **known))
    page, table, chart = (tmp_path / name for name in ("page.html", "answer.tex", "loss.svg"))
    for name in ("both", str(study.path)):
        assert seqlab("report", name, "-o", str(page)).status == 0
        assert '<h2 id="answer-1">Which is best?</h2>' in page.read_text(encoding="utf-8")
    assert json.loads(seqlab("report", "both", "-o", str(table), "--json").out) == {"table": str(table)}
    assert "\\toprule" in table.read_text(encoding="utf-8")
    seqlab("report", "both", "--figure", "loss-on", "-o", str(chart), "--title", "Loss & more")
    assert "Loss &amp; more" in chart.read_text(encoding="utf-8")
    assert "There is no figure 'nix'." in refused("report", "both", "--figure", "nix")
    assert "There is no run or study 'bot'. Nearest: 'both'." in refused("report", "bot")
    assert "must be from 4 to 72. Got 99. Nearest: 72." in refused("report", "both", "--font-size", "99")
