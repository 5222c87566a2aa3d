"""Two hundred runs: the page is still small enough to send and to read."""

from __future__ import annotations

import json
from pathlib import Path

import folders
import pytest
from html_tree import page, table

from seqlab import report
from seqlab.report.charts.curve_points import MOST_ROWS
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.records import Moment, Scalar, to_line

runs = folders.runs_of_the_test
CELLS = ("elman", "gru", "lstm", "transformer", "mgu")
pytestmark = pytest.mark.slow


def _long(cell: str, optimizer: str, rate: str, seed: int) -> RunFolder:
    """A run of 150 records and 60 validations."""
    run = folders.make(cell=cell, seed=seed, loss=0.5 + seed / 64, optimizer=optimizer, rate=rate)
    lines = []
    for step in range(50, 1550, 10):
        moment = Moment(step=step, epoch=step / 20, tokens=step * 100)
        splits = ("train", "valid") if step % 25 == 0 else ("train",)
        lines += [
            to_line(Scalar(name="loss", value=seed + 1 / step, unit="nats per token", split=split), moment)
            for split in splits
        ]
    folders.append(run, "records.jsonl", *lines)
    return run


def test_two_hundred_runs_stay_usable(tmp_path: Path) -> None:
    made = [
        _long(cell, optimizer, rate, seed)
        for cell in CELLS
        for optimizer in ("adam", "sgd")
        for rate in ("0.3", "0.1", "0.03", "0.01")
        for seed in range(5)
    ]
    path = report.write(made, tmp_path / "r.html", title="Many")
    assert path.stat().st_size < 15e6
    document = page(path)
    assert len(table(document, "Results on")) == 201
    assert len([e for e in document.all("div") if e.attributes.get("class") == "chart"]) < 30
    drawn = json.loads(next(e for e in document.all("script") if e.attributes.get("id") == "figures").text)
    sizes = [len(one["value"]) for one in drawn["tables"] if "split" in one]
    assert max(sizes) > MOST_ROWS / 2
    kinds = [one["kind"] for one in drawn["tables"] if "split" in one]
    lines = [sum(kind["texts"][index] == "run" for index in kind["indices"]) for kind in kinds]
    assert max(lines) <= MOST_ROWS
    choices = [len(one.all("option")) for one in document.all("select")]
    assert choices == [200]
