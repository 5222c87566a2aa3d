"""The loss at each position in the report: the last measurement of each run, without what few targets say."""

from __future__ import annotations

from pathlib import Path

import folders
import pytest
from html_tree import page, table

from seqlab import report
from seqlab.report.position_losses import FEW_TARGETS
from seqlab.runs.cards import POSITION_ERROR, POSITION_LOSS, POSITION_TARGETS, CurveTable
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.records import Curve, Moment, to_line

runs = folders.runs_of_the_test
AXIS = "position in windows of 3 tokens, state zero before each, from 1"
TITLE = "Data of the figure: loss per position"
UNITS = {POSITION_LOSS: "nats per token", POSITION_ERROR: "nats per token", POSITION_TARGETS: "tokens"}


def curves(losses: list[float], targets: list[int], axis: str = AXIS) -> dict[str, CurveTable]:
    values = {POSITION_LOSS: losses, POSITION_ERROR: [loss / 8 for loss in losses], POSITION_TARGETS: targets}
    x = [float(position) for position in range(1, len(losses) + 1)]
    return {
        name: CurveTable(x=x, y=[float(value) for value in y], x_unit=axis, y_unit=UNITS[name])
        for name, y in values.items()
    }


def record(run: RunFolder, measured: dict[str, CurveTable]) -> None:
    lines = [
        to_line(
            Curve(
                name=name,
                x=tuple(curve["x"]),
                y=tuple(curve["y"]),
                x_unit=curve["x_unit"],
                y_unit=curve["y_unit"],
                split="valid",
            ),
            Moment(step=40, epoch=2.0, tokens=4000),
        )
        for name, curve in measured.items()
    ]
    folders.append(run, "records.jsonl", *lines)


def test_the_figure_has_the_last_measurement_of_each_run(tmp_path: Path) -> None:
    run, other = folders.make(), folders.make(cell="gru", loss=0.75)
    record(run, curves([9.0, 9.0, 9.0], [40, 40, 40]))
    folders.card(run, curves=curves([2.0, 1.5, 1.0], [40, 40, FEW_TARGETS - 1]))
    record(other, curves([4.0, 3.0], [FEW_TARGETS, FEW_TARGETS]))
    head, *rows = table(page(report.write([run, other], tmp_path / "r.html", title="Two")), TITLE)
    assert [title.split()[0] for title in head[2:]] == ["position", "loss", "standard", "targets"]
    expected = {
        "lstm": [["1", "2.0", "0.25", "40"], ["2", "1.5", "0.1875", "40"]],
        "gru": [["1", "4.0", "0.5", "30"], ["2", "3.0", "0.375", "30"]],
    }
    assert len(rows) == 4
    for cell, lines in expected.items():
        assert [row[2:] for row in rows if cell in row[1]] == lines


@pytest.mark.parametrize("targets", [[FEW_TARGETS - 1] * 2, [40, 40]])
def test_windows_of_other_lengths_are_not_mixed(tmp_path: Path, targets: list[int]) -> None:
    run, other = folders.make(), folders.make(cell="gru", loss=0.75)
    folders.card(run, curves=curves([2.0, 1.5], [40, 40]))
    folders.card(other, curves=curves([3.0, 2.5], targets, "position in the text, from 1"))
    document = page(report.write([run, other], tmp_path / "r.html", title="Two"))
    captions = {
        text for text in (one.text for one in document.all("figcaption")) if "Loss per position" in text
    }
    assert len(captions) == (2 if targets[0] >= FEW_TARGETS else 1)
