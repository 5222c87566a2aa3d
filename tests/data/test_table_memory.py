"""A table of a million rows needs memory for its rows' numbers and its distinct words, not for its texts."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

ROWS, WORDS = 1_000_000, 50
MIB = 1 << 20
# Anonymous memory is limited, so that the bound holds or the program fails. What is mapped from files does
# not count: the system may drop it at any time.
PROGRAM = """
import resource, sys
from seqlab.data.sources.table import TableConfig
from seqlab.data import cache
before = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) << 10
limit = before + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
dataset = TableConfig(path=sys.argv[1]).build()
print(sum(len(split) for split in dataset.splits.values()), dataset.splits["train"].text.offsets[-1])
"""


def write_rows(path: Path) -> None:
    """Every word is in the first 1,000 rows, which are repeated with their number before them."""
    letters = random.Random(0)
    lines = [
        " ".join("".join(letters.choices("abcdefghij", k=5)) for _ in range(WORDS)) for _ in range(1_000)
    ]
    with path.open("w") as file:
        file.write("text,label\n")
        for index in range(ROWS):
            file.write(f"{index // 1_000} {lines[index % 1_000]},{index % 2}\n")


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_DATA limits mappings on Linux only")
def test_a_million_rows(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.csv")
    size = (tmp_path / "a.csv").stat().st_size
    bound = 256 * MIB
    assert size > 1.1 * bound
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "a.csv"), str(bound)],
        env={**os.environ, "SEQLAB_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(ROWS), str(ROWS * 8 // 10 * (WORDS + 1))]
