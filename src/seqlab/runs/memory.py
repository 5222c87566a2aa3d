"""How much memory this process may use, and the refusal of what needs more."""

from __future__ import annotations

import functools
import os
from contextlib import suppress
from pathlib import Path

from seqlab.runs.control_groups import control_groups, group_folders
from seqlab.schema.errors import UserError

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_CONTROL_GROUPS = Path("/sys/fs/cgroup")


@functools.cache
def memory_limit() -> int:
    """Bytes: the smaller of the machine's memory and the limits of this process's control groups."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    groups = Path("/proc/self/cgroup")
    text = groups.read_text(encoding="utf-8") if groups.exists() else ""
    return min([physical, *group_limits(text, _CONTROL_GROUPS)])


def group_limits(groups: str, root: Path) -> list[int]:
    """The memory limits of control groups and of all groups above them, versions 1 and 2, in bytes.

    Args:
        groups: a line `number:controllers:path` for each hierarchy, as in /proc/self/cgroup.
        root: where control groups are mounted.
    """
    found = []
    for controllers, path in control_groups(groups):
        if controllers in ("", "memory"):
            file = "memory.limit_in_bytes" if controllers else "memory.max"
            for folder in group_folders(root / controllers, path):
                with suppress(OSError, ValueError):  # "max" is no limit
                    found.append(int((folder / file).read_text(encoding="utf-8")))
    return found


def require_memory(needed: int, what: str, remedy: str = "") -> None:
    """Refuse what cannot fit into memory, before any of it exists.

    Args:
        needed: bytes, at least; an estimate from below, so that nothing is refused that would fit.
        what: the settings that ask for it, and how much that is.
        remedy: a sentence on what to change.

    Raises:
        UserError: it is more than this process may use.
    """
    limit = memory_limit()
    if needed > limit:
        raise UserError(
            f"A run must fit into the {format_bytes(limit)} of memory that it may use here. "
            f"Got {what}: at least {format_bytes(needed)}.{f' {remedy}' if remedy else ''}"
        )


def format_bytes(count: int) -> str:
    """A number of bytes in its largest unit, at most 1,000 EiB.

    >>> format_bytes(2000), format_bytes(3 * 2**40), format_bytes(10**400)
    ('2.0 KiB', '3.0 TiB', '1000.0 EiB')
    """
    count = min(count, 1_000 << 60)
    power = (count.bit_length() - 1) // 10 if count else 0
    return f"{count / (1 << 10 * power):.{1 if power else 0}f} {_UNITS[power]}"
