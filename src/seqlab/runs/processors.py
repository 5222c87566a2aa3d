"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

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
    for line in _read(system / _GROUPS).splitlines():
        _, controllers, group = line.split(":", 2)
        if not controllers:
            for folder in _folders(system / _MOUNTED, group):
                yield from _limit(*_read(folder / "cpu.max").split())
        elif "cpu" in controllers.split(","):
            for mounted in {"cpu", controllers}:
                for folder in _folders(system / _MOUNTED / mounted, group):
                    yield from _limit(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _folders(mounted: Path, group: str) -> Iterator[Path]:
    """The folders of a group and of those that it is in; within a container only the last of them exist."""
    path = PurePosixPath(group)
    for folder in (path, *path.parents):
        yield mounted.joinpath(*(part for part in folder.parts if part not in {"/", ".."}))


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
