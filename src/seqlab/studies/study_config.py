"""What one study file says; free of torch."""

from __future__ import annotations

from abc import ABC
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from seqlab.compare.oracle_metrics import ORACLE_METRICS
from seqlab.schema.config import Config
from seqlab.schema.errors import unknown
from seqlab.schema.registry import ByKind
from seqlab.schema.settings import flat
from seqlab.studies.search_kinds import SEARCHES


class SearchConfig(Config, ABC):
    """How settings are picked from the axes. Subclasses stand in this file, with one line in `kinds.py`."""

    kind: str
    """Name of the search."""


class GridConfig(SearchConfig):
    """Every combination of the axes' values, with every seed."""

    kind: Literal["grid"] = "grid"
    """Name of the search."""


class SomeConfig(SearchConfig, ABC):
    """What searches share that try some settings only: each with the first seed, the best with all."""

    trials: int = Field(default=20, ge=1)
    """Settings tried of each architecture, with the first seed."""
    confirm: int = Field(default=1, ge=0)
    """Best settings of each architecture that are then run with the other seeds, too."""
    seed: int = Field(default=1, ge=0)
    """Fixes what is drawn."""


class RandomConfig(SomeConfig):
    """Independent draws from the axes (Bergstra and Bengio 2012)."""

    kind: Literal["random"] = "random"
    """Name of the search."""


class TpeConfig(SomeConfig):
    """Draws where the better of the settings so far are dense: TPE (Bergstra et al. 2011), by Optuna."""

    kind: Literal["tpe"] = "tpe"
    """Name of the search."""
    startup: int = Field(default=5, ge=1)
    """Settings of each architecture drawn at random before the others guide."""
    pruning: Literal["none", "median", "hyperband"] = "none"
    """Which runs are stopped early: those worse than the median of the others at the same epoch, or those
    that Hyperband's brackets drop (Li et al. 2018); both by Optuna."""


class BudgetConfig(Config):
    """What all architectures get alike."""

    equal: Literal["parameters", "tokens", "seconds"]
    """Of what each model gets the same: parameters, by its width, to within 1 %; tokens read in training;
    seconds of training on this machine, by a measurement before the first run."""
    amount: int = Field(ge=1)
    """How much of it."""


class FinalConfig(Config):
    """What is scored on the test split, once, by `--final`."""

    of: Literal["winner", "best-of-each"] = "best-of-each"
    """The best setting of all, or of each architecture, by the median over seeds on validation."""
    fit_on: Literal["train", "train+valid"] = "train"
    """What the scored model was trained on: with both, it is trained again on all of it."""


class StudyConfig(Config):
    """Many runs that answer one question."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name of the study and of its folder; the file's name if left out."""
    about: str = ""
    """One line: what is asked."""
    expectation: str = ""
    """What you expect, written before the first run; it is printed beside the result."""
    base: str | None = None
    """Recipe that every run stands on; left out where `base` is an axis."""
    baselines: tuple[str, ...] = ()
    """Recipes that are run once beside the others, on the same data."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of every run, over those of its recipe."""
    axes: dict[str, Any] = Field(default_factory=dict)
    """Settings that vary: a list of values each or, where settings are drawn, `{low, high, log}`."""
    seeds: tuple[int, ...] = Field(default=(1, 2, 3), min_length=1)
    """Seeds that every setting is run with."""
    search: Annotated[SearchConfig, ByKind(SEARCHES)] = GridConfig()
    """How settings are picked."""
    budget: BudgetConfig | None = None
    """What all architectures get alike; left out: what their recipes say."""
    monitor: str = ""
    """What runs are compared by: a metric of their truth cards, where the truth of the data is known; empty:
    their task's metric."""
    success: float | None = None
    """Value of the metric a task is judged by from which a run counts as a success; left out: there is no
    such thing."""
    final: FinalConfig = FinalConfig()
    """What is scored on the test split."""

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"'seeds' must differ from each other. Got {list(seeds)}.")
        return seeds

    @field_validator("monitor")
    @classmethod
    def _known_metric(cls, monitor: str) -> str:
        if monitor and monitor not in ORACLE_METRICS:
            raise unknown("metric to be judged by", monitor, ORACLE_METRICS)
        return monitor

    @model_validator(mode="after")
    def _judged_at_the_end(self) -> StudyConfig:
        if self.monitor and (self.search.kind != "grid" or "training.epochs" in flat(self.axes)):
            raise ValueError(
                "'monitor' needs a grid without an axis of epochs, because the truth is asked at a run's "
                f"end. Got {self.monitor!r}."
            )
        return self

    @model_validator(mode="after")
    def _one_base(self) -> StudyConfig:
        if (self.base is None) == ("base" not in self.axes):
            got = "none" if self.base is None else f"both, base = {self.base!r} among them"
            raise ValueError(f"'base' must be given once: as a recipe, or as an axis of recipes. Got {got}.")
        return self
