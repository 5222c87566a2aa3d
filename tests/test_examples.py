"""The example notebooks run, and their charts show themselves."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
BRACKETS = (
    'settings = {"data": {"train": 60, "valid": 20, "test": 20, "max_length": 20}, "batching.tokens": 60,'
    ' "model.embedding_size": 4, "model.hidden_size": 4, "training": {"epochs": 2, "record_every": 1},'
    ' "samples.checked": 5, "samples.checked_at_end": 5}'
)
SMALL = {
    "adding_digits": 'settings = {"data.train": 100, "data.valid": 50, "model.hidden_size": 4,'
    ' "training.epochs": 2}',
    "comparing_cells": f"{BRACKETS}\nseeds = [1, 2]",
    "formal_languages": BRACKETS,
    "language_model": 'network, baseline = "python-gru", "python-5gram"\ndata = {"data.max_bytes": 60_000}\n'
    'settings = {**data, "model.embedding_size": 8, "model.hidden_size": 8, "training.max_steps": 4}',
    "review_classification": 'recipe = "text-classifier"\nsettings = {"data.path": "reviews.csv",'
    ' "training.epochs": 2}',
}
"""By notebook, what a test executes after its cell of parameters."""
NOTEBOOK = ROOT / "examples" / "first_look.ipynb"


def _cells() -> list[str]:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_no_output_and_ends_with_code(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[-1].cell_type == "code"
    assert len(_parameters(notebook)) == (path.stem in SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_notebook_runs_in_a_folder_of_its_own(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    shutil.copy(ROOT / "examples" / "reviews.csv", tmp_path)
    notebook = nbformat.read(ROOT / "examples" / f"{name}.ipynb", as_version=4)
    (cell,) = _parameters(notebook)
    cell.source += f"\n{SMALL[name]}"
    client = NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    last = notebook.cells[-1].outputs
    assert last, "the last cell shows its result"
    assert not [output for output in last if output.output_type == "error"]


def _parameters(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]


def test_the_readme_shows_its_lines() -> None:
    lines = [line.strip() for cell in _cells() for line in cell.splitlines() if line.strip()]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(lines) == 5
    shown = [line.strip() for line in re.findall(r"^    (.*)$", readme, flags=re.MULTILINE)]
    assert [line for line in shown if line in lines] == lines


@pytest.mark.slow
def test_it_runs_and_the_chart_shows_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    notebook: Any = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
    train, chart, records, sample = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert {(output.output_type, output.name) for output in train} == {("stream", "stdout")}, "lines, no more"
    said = "".join(output.text for output in train)
    assert len(re.findall(r"^epoch \d, step [\d,]+: loss ", said, flags=re.MULTILINE)) == 3
    (shown,) = chart
    assert set(shown.data) == {"image/svg+xml", "text/plain"}, "drawn already: nothing to load later"
    drawing = ET.fromstring(shown.data["image/svg+xml"])
    assert len([e for e in drawing.iter() if e.tag.endswith("path") and len(e.get("d", "")) > 20]) >= 2
    assert "perplexity" not in shown.data["image/svg+xml"], "the loss alone"
    assert "final_loss" in records[0].data["text/plain"]
    assert "((" in sample[0].data["text/html"]
