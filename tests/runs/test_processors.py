"""The default number of threads: OMP_NUM_THREADS, affinity, and the limits of control groups."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqlab.runs.processors import usable_threads


def system(root: Path, groups: str, **files: str) -> Path:
    """A file system with these control groups; "/" is written as "__" in names of files."""
    for name, content in {"proc__self__cgroup": groups, **files}.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    ("value", "threads"),
    [("3", 3), ("1", 1), ("16", 8), ("4,2", 4), ("", 8), ("0", 8), ("-2", 8), ("many", 8), (" 2 ", 2)],
)
def test_the_variable_of_openmp(tmp_path: Path, value: str, threads: int) -> None:
    assert usable_threads({"OMP_NUM_THREADS": value}, processors=8, system=tmp_path) == threads


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert usable_threads({}, processors=8, system=tmp_path) == 8


@pytest.mark.parametrize(
    ("limit", "threads"),
    [
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("50000 100000\n", 1),
        ("max 100000\n", 8),
        ("900000 100000\n", 8),
        ("", 8),
    ],
)
def test_the_limit_of_version_2_is_rounded_up(tmp_path: Path, limit: str, threads: int) -> None:
    root = system(tmp_path, "0::/jobs/one\n", **{"sys__fs__cgroup__jobs__one__cpu.max": limit})
    assert usable_threads({}, processors=8, system=root) == threads


def test_a_group_also_has_the_limits_of_those_that_it_is_in(tmp_path: Path) -> None:
    files = {
        "sys__fs__cgroup__jobs__cpu.max": "300000 100000",
        "sys__fs__cgroup__jobs__one__cpu.max": "max 100000",
    }
    assert usable_threads({}, processors=8, system=system(tmp_path, "0::/jobs/one\n", **files)) == 3


def test_within_a_container_the_root_is_its_own_group(tmp_path: Path) -> None:
    for number, groups in enumerate(("0::/\n", "0::/../other\n", "0::/docker/123\n")):
        root = system(tmp_path / str(number), groups, **{"sys__fs__cgroup__cpu.max": "200000 100000"})
        assert usable_threads({}, processors=8, system=root) == 2


@pytest.mark.parametrize(
    ("controllers", "folder"), [("cpu", "cpu"), ("cpu,cpuacct", "cpu,cpuacct"), ("cpu,cpuacct", "cpu")]
)
@pytest.mark.parametrize(("quota", "threads"), [("250000", 3), ("-1", 8), ("100000", 1)])
def test_the_limit_of_version_1(
    tmp_path: Path, controllers: str, folder: str, quota: str, threads: int
) -> None:
    files = {
        f"sys__fs__cgroup__{folder}__docker__cpu.cfs_quota_us": f"{quota}\n",
        f"sys__fs__cgroup__{folder}__docker__cpu.cfs_period_us": "100000\n",
    }
    groups = f"5:memory:/docker\n4:{controllers}:/docker\n0::/\n"
    root = system(tmp_path, groups, **files)
    assert usable_threads({}, processors=8, system=root) == threads
    assert usable_threads({"OMP_NUM_THREADS": "1"}, processors=8, system=root) == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_affinity_is_heeded() -> None:
    program = """
import os
from seqlab.runs.processors import usable_threads
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(usable_threads({}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
