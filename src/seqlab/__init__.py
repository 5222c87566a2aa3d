"""A sequence-modelling lab: train, compare, look inside and check recurrent nets and their rivals.

    import seqlab

    run = seqlab.train("brackets-lstm", ["training.epochs=1"])
    run.chart()

`seqlab.load_run` loads a run that is there. Importing this loads neither torch nor anything else that
takes time; the functions do, when first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqlab.train.notebook import Run, load_run, train

__all__ = ["Run", "load_run", "train"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "train":
        return importlib.import_module("seqlab.train")
    return getattr(importlib.import_module("seqlab.train.notebook"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
