"""A sequence-modelling lab: train, compare, look inside and check recurrent nets and their rivals.

    import seqlab

    run = seqlab.train("brackets-lstm", {"training.epochs": 1})
    run.chart()

`seqlab.load_run` loads an existing run, `seqlab.list_runs` lists all of them, `seqlab.compare` and
`seqlab.chart` put several side by side, `seqlab.ensemble` combines finished ones, `seqlab.study` trains many
from one description, `seqlab.check` finds silent bugs in a model, `seqlab.check_data` in a data
pipeline, and `seqlab.assert_healthy` makes a test of it.
Importing this loads neither torch nor anything else that takes time; the functions do, when first called.
"""

from __future__ import annotations

import os

# Not imported from `typing`, which takes longer than all of this: a Ctrl-C there would be a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from seqlab.api import (
        Run,
        StudyResult,
        assert_healthy,
        chart,
        check,
        check_data,
        compare,
        ensemble,
        list_runs,
        load_run,
        load_study,
        study,
        train,
    )

__all__ = [
    "Run",
    "StudyResult",
    "assert_healthy",
    "chart",
    "check",
    "check_data",
    "compare",
    "ensemble",
    "list_runs",
    "load_run",
    "load_study",
    "study",
    "train",
]

# Threads that wait for others sleep after some microseconds, so that other programs on the same cores do not
# make two threads slower than one. OpenMP reads this once, when torch is loaded: it must be set before.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & set(os.environ):
    os.environ |= {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "300"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from seqlab import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*(name for name in globals() if name.startswith("__")), *__all__])
