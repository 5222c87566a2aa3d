"""The example notebook runs, and its chart shows itself."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "examples" / "first_look.ipynb"


def _cells() -> list[str]:
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_the_readme_shows_its_lines() -> None:
    lines = [line.strip() for cell in _cells() for line in cell.splitlines() if line.strip()]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(lines) == 5
    shown = [line.strip() for line in re.findall(r"^    (.*)$", readme, flags=re.MULTILINE)]
    assert [line for line in shown if line in lines] == lines


@pytest.mark.slow
def test_it_runs_and_the_chart_shows_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

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
