"""The memory a process may use, and the refusal of what needs more."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqlab.runs import memory
from seqlab.schema.errors import UserError


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_limits_of_control_groups_of_both_versions(tmp_path: Path) -> None:
    write(tmp_path / "memory.max", "max\n")
    write(tmp_path / "a" / "memory.max", "5000\n")
    write(tmp_path / "a" / "b" / "memory.max", "9000\n")
    write(tmp_path / "memory" / "memory.limit_in_bytes", "9223372036854771712\n")
    write(tmp_path / "memory" / "c" / "memory.limit_in_bytes", "7000\n")
    assert sorted(memory.group_limits("0::/a/b\n", tmp_path)) == [5000, 9000]
    assert memory.group_limits("4:memory:/c\n3:cpuset:/\n", tmp_path) == [7000, 9223372036854771712]
    # In a container the path is that of the host, and only the top is mounted.
    assert memory.group_limits("4:memory:/host/path\n", tmp_path) == [9223372036854771712]
    assert memory.group_limits("", tmp_path) == []


def test_the_limit_is_at_most_the_machines_memory() -> None:
    total = next(line for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line)
    assert 0 < memory.memory_limit() <= int(total.split()[1]) * 1024


def test_refused_above_the_limit_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory_limit", lambda: 2**30)
    memory.require_memory(2**30, "model.hidden_size=9")
    words = r"the 1\.0 GiB of memory .* Got model\.hidden_size=9: at least 2\.0 GiB\. Take less\.$"
    with pytest.raises(UserError, match=words):
        memory.require_memory(2**31, "model.hidden_size=9", "Take less.")
