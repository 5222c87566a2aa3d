"""Training: one experiment from its configuration to its results; `seqlab.train(...)` does it all."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqlab.train.config import AnyExperimentConfig
    from seqlab.train.notebook import Run


class _Room(ModuleType):
    """A module that can be called: importing a submodule binds `seqlab.train` to it, never to a function."""

    def __call__(
        self,
        recipe: str | Path | AnyExperimentConfig,
        overrides: Sequence[str] = (),
        *,
        device: str | None = None,
        threads: int | None = None,
        quiet: bool = False,
    ) -> Run:
        """Train a model, validate it, keep the best checkpoint; see `seqlab.train.notebook.train`."""
        from seqlab.train.notebook import train

        return train(recipe, overrides, device=device, threads=threads, quiet=quiet)


sys.modules[__name__].__class__ = _Room
