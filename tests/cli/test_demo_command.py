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

STUDIES = ("demo-brackets-quick-2-seeds", "demo-names-quick")
RUNS = 14
"""Four models with two seeds and one, and a baseline of each study."""


def test_invalid_options_are_refused(refused, tmp_path: Path) -> None:
    assert "'output' must be a file. Got the folder" in refused("demo", "--output", str(tmp_path))
    assert "'seeds' must be at least 1. Got 0." in refused("demo", "--seeds", "0")
    assert "'threads' must be at least 1. Got 0." in refused("demo", "--threads", "0")


def seqlab(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    environment = {"SEQLAB_RUNS": str(folder / "runs"), "OMP_NUM_THREADS": "1", "COLUMNS": "80"}
    return subprocess.Popen(
        [sys.executable, "-m", "seqlab", "demo", "--quick", "--seeds", "2", "--threads", "1", *arguments],
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


def _timeless(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: value for key, value in study.items() if key != "folder"} for study in result["studies"]]


@pytest.mark.slow
def test_the_demo_writes_a_report_and_writes_it_again(tmp_path: Path) -> None:
    out, err = finished(folder=tmp_path)
    assert len(re.findall(r"^ *\d+/(?:9|5)  .*, seed \d  \d\.\d{4}$", err, re.MULTILINE)) == RUNS
    assert len(list((tmp_path / "runs").glob("*/finished.json"))) == RUNS
    assert {path.name for path in (tmp_path / "runs" / "studies").iterdir()} == set(STUDIES)
    for word in (
        "elman",
        "gru",
        "lstm",
        "transformer-lm",
        "Compared with the true distribution",
        "names-5gram",
    ):
        assert word in out
    report = tmp_path / "report.html"
    assert report.resolve().as_uri() in out
    page = report.read_text(encoding="utf-8")
    assert "This is a demonstration at a small budget" in page
    assert "Quick mode" in page
    for name in STUDIES:
        assert f"Study {name}" in page

    report.unlink()
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.jsonl")}
    again, err = finished(folder=tmp_path)
    assert again == out
    assert not re.search(r"\d+/(?:9|5) ", err)
    assert report.read_text(encoding="utf-8") == page
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.jsonl")}


@pytest.mark.slow
def test_killed_and_started_again_it_has_the_same_result(tmp_path: Path) -> None:
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
    assert len(list(runs.glob("*/finished.json"))) == RUNS
    assert _timeless(found) == _timeless(expected)


@pytest.mark.slow
def test_after_an_interruption_it_reports_that_nothing_is_lost(tmp_path: Path) -> None:
    process = seqlab(folder=tmp_path)
    while not list((tmp_path / "runs").glob("demo-*/records.jsonl")):
        time.sleep(0.01)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"Stopped; \d+ of 9 runs have ended and nothing is lost\.", err)
    assert "Traceback" not in err
