"""README: its commands work, its figures are those of `results/`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from pages import ROOT, commands, run_all, runnable, shown

from seqlab.bench.layer_shapes import SHAPES, TORCH_LAYERS

sys.path.insert(0, str(ROOT / "scripts"))
import publish

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = shown(ROOT / "README.md")


def test_figures_are_those_of_the_cards() -> None:
    assert (ROOT / "RESULTS.md").read_text(encoding="utf-8") == publish.results_page(
        publish.cards(), publish.studies()
    )
    assert publish.readme_page(README) == README


def test_the_table_of_layers_is_that_of_the_measurement() -> None:
    found = json.loads(publish.LAYERS.read_text(encoding="utf-8"))
    measured = {(row["shape"], row["cell"]) for row in found["rows"]}
    assert measured == {(shape, cell) for shape in SHAPES for cell in TORCH_LAYERS}
    shown = publish.layers_table(found)
    for row in found["rows"]:
        assert f"{row['ratio']['median']:.2f} ({round(100 * row['share_of_peak']['median'])} %)" in shown
    assert f"`seqlab bench layers` on {found['processor']}, {found['threads']} threads" in " ".join(
        shown.split()
    )


def test_the_synopsis_names_every_command() -> None:
    assert {line.split()[1] for line in COMMANDS} == set(commands())


@pytest.mark.slow
@pytest.mark.data
def test_every_example_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In order, in one folder, as a reader would; training is cut to a few steps and few scored texts."""
    lines = runnable(COMMANDS)
    assert len(lines) >= 8
    run_all(lines, tmp_path, monkeypatch)
