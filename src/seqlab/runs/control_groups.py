"""The control groups of a process, which limit its processors and its memory; see cgroups(7)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def control_groups(text: str) -> Iterator[tuple[str, str]]:
    r"""The controllers and the path of each group, from /proc/self/cgroup; version 2 names no controllers.

    >>> list(control_groups("2:cpu,cpuacct:/jobs\n0::/jobs/one\n"))
    [('cpu,cpuacct', '/jobs'), ('', '/jobs/one')]
    """
    for line in text.splitlines():
        _, controllers, group = line.split(":", 2)
        yield controllers, group


def group_folders(mounted: Path, group: str) -> Iterator[Path]:
    """The folders of a group and of those that it is in; within a container only the last of them exist."""
    path = PurePosixPath(group)
    for folder in (path, *path.parents):
        yield mounted.joinpath(*(part for part in folder.parts if part not in {"/", ".."}))
