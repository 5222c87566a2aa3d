"""A short storm; `make storm` runs a long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import disks
import kills
import pytest
from scenarios import FURTHER, SCENARIOS

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


def test_killed_at_any_moment_everything_ends_with_the_same_bits(tmp_path: Path) -> None:
    report = kills.storm(20, seed=1, folder=tmp_path / "kills", scenarios=SCENARIOS)
    assert report.kills >= 20, "too few processes were killed"
    assert not report.problems


def test_killed_baselines_and_studies_of_several_processes_end_with_the_same_bits(tmp_path: Path) -> None:
    few = [scenario for scenario in FURTHER if scenario.name in ("n-gram", "processes")]
    report = kills.storm(9, seed=2, folder=tmp_path / "kills", scenarios=few)
    assert report.kills >= 9, "too few processes were killed"
    assert report.rounds >= len(few), "a scenario was not reached"
    assert not report.problems


def test_a_full_disk_is_reported_and_nothing_is_lost(tmp_path: Path) -> None:
    if not disks.mountable(tmp_path / "mountable"):
        pytest.skip("no disk can be mounted here")
    report = disks.storm(tmp_path / "disks", factor=3, scenarios=SCENARIOS)
    assert report.full >= 3, "no disk was too small"
    assert not report.problems


def test_no_damaged_input_is_an_internal_error_or_changes_a_result_silently(tmp_path: Path) -> None:
    # In a process of its own: its memory is limited, and libraries may warn of damaged input.
    options = ["--kills", "0", "--disks", "0", "--inputs", "500", "--folder", str(tmp_path / "storm")]
    done = subprocess.run(
        [sys.executable, str(HERE / "storm.py"), *options],
        env=kills.importable(HERE),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-5000:]}\n{done.stderr[-2000:]}"
    assert done.stdout.splitlines()[-1] == "0 problems"
