"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from seqlab.runs.control_groups import control_groups, group_folders

_GROUPS = Path("proc/self/cgroup")
"""The control groups of this process; see cgroups(7)."""
_MOUNTED = Path("sys/fs/cgroup")


def usable_threads(
    environment: Mapping[str, str] = os.environ, processors: int | None = None, system: Path = Path("/")
) -> int:
    """Threads that this process may keep busy: the default of everything that computes.

    The smallest of OMP_NUM_THREADS, if it is set, the processors that the process may run on, and the time of
    processors that its control groups allow, rounded up.

    Args:
        environment: of the process.
        processors: that the process may run on; None asks the system.
        system: the root of the file system.

    >>> usable_threads({"OMP_NUM_THREADS": "3"}, processors=8, system=Path("/nowhere"))
    3
    """
    allowed = _processors() if processors is None else processors
    return max(1, min([allowed, *_requested(environment), *_quotas(system)]))


def _processors() -> int:
    with suppress(AttributeError):  # macOS has no affinity
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _requested(environment: Mapping[str, str]) -> Iterator[int]:
    """OMP_NUM_THREADS, the first of a list; what is no number is ignored, as OpenMP does."""
    first = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if first.isdecimal() and int(first):
        yield int(first)


def _quotas(system: Path) -> Iterator[int]:
    """The limits of this process's control groups (versions 1 and 2) and of those that they are in."""
    for controllers, group in control_groups(_read(system / _GROUPS)):
        if not controllers:
            for folder in group_folders(system / _MOUNTED, group):
                yield from _limit(*_read(folder / "cpu.max").split())
        elif "cpu" in controllers.split(","):
            for mounted in {"cpu", controllers}:
                for folder in group_folders(system / _MOUNTED / mounted, group):
                    yield from _limit(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _limit(quota: str = "", period: str = "") -> Iterator[int]:
    """Microseconds of processors per period, as a number of processors; without a limit nothing."""
    with suppress(ValueError, ZeroDivisionError):
        limit = int(quota) / int(period)
        if limit > 0:
            yield math.ceil(limit)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
