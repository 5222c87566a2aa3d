"""`seqlab demo`, much reduced, end to end."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from seqlab.cli import demo
from seqlab.train.demo import Row

ROW = Row(
    model="GRU",
    parameters=4746,
    seeds=3,
    loss=0.53124,
    lowest=0.53,
    highest=0.5325,
    above_floor=0.0191,
    valid=0.995,
    cut=0.0,
    seconds=5.61,
    tokens_per_second=265_374.4,
)


def test_refuses_what_cannot_be(refused, tmp_path: Path) -> None:
    assert "'output' must be a file. Got the folder" in refused("demo", "--output", str(tmp_path))
    assert "'seeds' must be at least 1. Got 0." in refused("demo", "--seeds", "0")
    assert "'threads' must be at least 1. Got 0." in refused("demo", "--threads", "0")


def test_cells_of_a_row() -> None:
    shown = ["GRU", 4746, "0.5312", "0.0025", "0.0191", "99.5 %", "0.0 %", "    5.6", 265_374]
    assert demo._cells(ROW) == shown


def test_a_long_sample_is_shortened_and_a_short_one_is_not() -> None:
    assert demo._shortened("(())") == "(())"
    assert demo._shortened("(" * 100) == "(" * 44 + " ... 100 characters"


def seqlab(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    environment = {"SEQLAB_RUNS": str(folder / "runs"), "OMP_NUM_THREADS": "1", "COLUMNS": "80"}
    return subprocess.Popen(
        [sys.executable, "-m", "seqlab", "demo", "--quick", "--seeds", "2", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(*arguments: str, folder: Path) -> tuple[str, str]:
    out, err = (process := seqlab(*arguments, folder=folder)).communicate(timeout=300)
    assert process.returncode == 0, err
    return out, err


def _timeless(tables: dict[str, Any]) -> dict[str, Any]:
    rows = [row for table in tables["tables"].values() for row in table["rows"]]
    for row in rows:
        del row["seconds"], row["tokens_per_second"]
    return tables["tables"]


@pytest.mark.slow
def test_from_nothing_to_a_report_and_once_more(tmp_path: Path) -> None:
    out, err = finished(folder=tmp_path)
    assert len(re.findall(r"^ *\d+/12  .* nats per token +\d+\.\d s$", err, re.MULTILINE)) == 12
    assert len(list((tmp_path / "runs").glob("demo-*"))) == 12
    for word in ("Elman", "GRU", "LSTM", "Transformer", "truth", "valid", "Python source"):
        assert word in out
    report = tmp_path / "report.html"
    assert report.resolve().as_uri() in out
    page = report.read_text(encoding="utf-8")
    assert "demonstration at a small budget" in page
    assert "Quick mode" in page

    report.unlink()
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.jsonl")}
    again, err = finished(folder=tmp_path)
    assert again == out
    assert err.count("done before") == 12
    assert report.read_text(encoding="utf-8") == page
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.jsonl")}


@pytest.mark.slow
def test_killed_and_started_again_it_ends_the_same(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    expected = json.loads(finished("--json", folder=tmp_path / "whole")[0])
    runs = tmp_path / "killed" / "runs"
    for done in (1, 4, 10):
        process = seqlab("--json", folder=tmp_path / "killed")
        while len(list(runs.glob("demo-*/checkpoints"))) < done:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.kill()
        process.communicate()
    found = json.loads(finished("--json", folder=tmp_path / "killed")[0])
    assert len(list(runs.glob("demo-*"))) == 12
    assert _timeless(found) == _timeless(expected)


@pytest.mark.slow
def test_interrupted_it_says_that_nothing_is_lost(tmp_path: Path) -> None:
    process = seqlab(folder=tmp_path)
    while not list((tmp_path / "runs").glob("demo-*/records.jsonl")):
        time.sleep(0.01)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"Stopped; \d+ of 12 runs are done and nothing is lost\.", err)
    assert "Traceback" not in err
