"""Analyses of several runs in one chart, and generated texts, on pages, in files and from Python."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny

import seqlab
from seqlab.evaluate.evaluation import diagnose_run
from seqlab.report import page_content, write
from seqlab.report.charts.drawings import drawings
from seqlab.report.charts.figure import Figure
from seqlab.report.page_template import PageContent
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError

NETS = {"elman": ["model.cell=elman", "model.layers=2"], "gru": ["model.cell=gru"]}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunFolder]:
    root = tmp_path_factory.mktemp("analysed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_RUNS", str(root / "runs"))
        patch.setenv("SEQLAB_CACHE", str(root / "cache"))
        made = [
            tiny.fit(tiny.BRACKETS, *settings, "data.valid=50", f"name={name}")
            for name, settings in NETS.items()
        ]
        for run in made:
            diagnose_run(run, [], split="valid", rows=None)
    return made


def figure(content: PageContent, name: str) -> Figure:
    (found,) = (each for each in content.figures if each.name.startswith(name))
    return found


def test_all_layers_of_all_runs_rescaled_in_one_chart(runs: list[RunFolder]) -> None:
    found = figure(page_content(runs, []), "rescaled gradient through time")
    assert [panel.value for panel in found.panels] == ["mean of norms", "norm of mean"]
    lines: dict[tuple[object, ...], list[float]] = {}
    for row in found.rows:
        assert isinstance(row["value"], float)
        lines.setdefault((row["label"], row["layer"], row["measure"]), []).append(row["value"])
    assert len(lines) == 2 * (2 + 1)
    assert all(max(values) == 1.0 and min(values) >= 0 for values in lines.values())
    raw = figure(page_content(runs, []), "gradient through time")
    of_elman = [r["norm_of_mean"] for r in raw.rows if (r["label"], r["layer"]) == ("elman", 2)]
    top = max(value for value in of_elman if isinstance(value, float))
    assert lines["elman", 2, "norm of mean"] == pytest.approx([float(v or 0) / top for v in of_elman])


def test_files_of_panels_have_legends(runs: list[RunFolder]) -> None:
    for drawing in drawings(figure(page_content(runs, []), "rescaled gradient through time")):
        colours = [layer["encoding"]["color"] for layer in drawing.chart["layer"]]
        assert all(colour["legend"]["orient"] == "top" for colour in colours)


def test_teacher_forced_and_free_running_lines(runs: list[RunFolder]) -> None:
    found = figure(page_content(runs, []), "free-running loss")
    assert {(row["label"], row["mode"]) for row in found.rows} == {
        (label, mode) for label in NETS for mode in ("teacher-forced", "free-running")
    }


def test_saturation_adds_up(runs: list[RunFolder]) -> None:
    found = figure(page_content(runs, []), "saturation")
    assert len(found.panels) == 2
    bars: dict[tuple[object, object], list[float]] = {}
    for row in found.rows:
        assert isinstance(row["begin"], float)
        assert isinstance(row["stop"], float)
        bars.setdefault((row["run"], row["activation"]), []).append(row["stop"] - row["begin"])
    assert [name for _, name in bars] == [
        *("layer 1, state", "layer 2, state"),
        *("layer 1, reset gate", "layer 1, update gate"),
    ]
    assert all(sum(shares) == pytest.approx(1) and len(shares) == 3 for shares in bars.values())
    assert {row[3] for row in found.table.rows} == {"low end", "high end"}


def test_generated_texts_on_the_page(runs: list[RunFolder], tmp_path: Path) -> None:
    page = write(runs, tmp_path / "page.html", title="Analyses").read_text(encoding="utf-8")
    assert page.count("All 20 texts of run") == 2
    assert page.count("<strong>best</strong>") == page.count("<strong>worst</strong>") == 2 * (3 + 3)
    table = next(t for t in page_content(runs, []).tables if t.name.startswith("generated texts"))
    assert [row[2] for row in table.rows] == ["the model", "validation"] * 4
    hidden = write(runs, tmp_path / "hidden.html", title="Analyses", samples=False).read_text(
        encoding="utf-8"
    )
    assert "All 20 texts" not in hidden
    assert "distinct-2" in hidden


@pytest.mark.parametrize(
    "name", ["loss_per_position", "free_running_loss", "rescaled_gradient_through_time", "saturation"]
)
def test_charts_from_python(runs: list[RunFolder], name: str) -> None:
    paths = [run.path for run in runs]
    (image,) = seqlab.chart(paths, name)._repr_mimebundle_()  # type: ignore[call-overload]
    assert image == "image/svg+xml"


def test_what_was_not_measured_is_not_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    run = tiny.fit(tiny.BRACKETS)
    with pytest.raises(
        UserError, match=r"'saturation' must be measured before it is drawn. Nearest: `seqlab d"
    ):
        seqlab.chart([run.path], "saturation")
    generated = seqlab.load_run(run.path).generated
    assert generated.columns == ["length", "text", "complete", "tokens", "loss", "mark"]
    assert generated["mark"].to_list().count("best") == 3
