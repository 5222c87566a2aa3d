"""Threads of each run of a study."""

from __future__ import annotations

import pytest

from seqlab.schema.errors import UserError
from seqlab.studies.resources import resources_for


@pytest.mark.parametrize(
    ("processes", "threads", "requested", "expected"),
    [
        (1, None, "2", None),
        (1, 3, "2", 3),
        (2, None, "", 4),
        (3, None, "", 2),
        (2, None, "1", 1),
        (8, None, "1", 1),
        (2, 6, "1", 3),
    ],
)
def test_processes_divide_the_processors(
    processes: int, threads: int | None, requested: str, expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine with 8 processors; OMP_NUM_THREADS limits each process, and `threads` takes its place."""
    monkeypatch.setattr("seqlab.runs.processors._processors", lambda: 8)
    monkeypatch.setattr("seqlab.runs.processors._quotas", lambda _: ())
    monkeypatch.setenv("OMP_NUM_THREADS", requested)
    assert resources_for(processes, None, threads).threads == expected


@pytest.mark.parametrize(("processes", "threads"), [(9, None), (3, 2), (0, None), (1, 0)])
def test_more_processes_than_threads_and_no_positive_numbers_are_refused(
    processes: int, threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqlab.runs.processors._processors", lambda: 8)
    with pytest.raises(UserError, match="must be at"):
        resources_for(processes, None, threads)
