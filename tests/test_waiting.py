"""How threads of OpenMP wait: passively after some microseconds, unless the user has chosen otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

PASSIVE = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "300"}
PROGRAM = f"""
import os, seqlab
print({{name: os.environ.get(name) for name in {list(PASSIVE)}}})
"""


def environment(**variables: str) -> dict[str, str]:
    """Of this process, without what an import of seqlab has put there."""
    return {name: value for name, value in os.environ.items() if name not in PASSIVE} | variables


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({}, PASSIVE),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": None}),
        ({"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": None, "GOMP_SPINCOUNT": "7"}),
        ({"KMP_BLOCKTIME": "0"}, {"OMP_WAIT_POLICY": None, "GOMP_SPINCOUNT": None}),
    ],
)
def test_the_environment_of_the_user_takes_precedence(
    chosen: dict[str, str], found: dict[str, str | None]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment(**chosen),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{found}\n"


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or not torch.backends.openmp.is_available(),
    reason="only GNU's runtime of OpenMP reports the number",
)
def test_openmp_reads_it_when_torch_is_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import seqlab, torch"],
        env=environment(OMP_DISPLAY_ENV="verbose"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "GOMP_SPINCOUNT = '300'" in done.stderr
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr
