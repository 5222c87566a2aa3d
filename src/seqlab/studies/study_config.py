"""The settings of a study, as its file gives them; free of torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from seqlab.comparison.oracle_metrics import ORACLE_METRICS
from seqlab.runs.study_records import Chosen, FitOn
from seqlab.schema.config import Config
from seqlab.schema.errors import unknown
from seqlab.schema.registry import ByKind
from seqlab.schema.settings import flat
from seqlab.stats.summary import MOST_SEEDS
from seqlab.studies.grid_search import GridConfig
from seqlab.studies.search_config import SearchConfig
from seqlab.studies.search_kinds import SEARCHES


class BudgetConfig(Config):
    """What is equal for all architectures."""

    equal: Literal["parameters", "tokens", "seconds"]
    """What every model gets the same amount of: parameters, to within 1 %, by choosing its width; tokens read
    in training; seconds of training on this machine, as measured before the first run."""
    amount: int = Field(ge=1)
    """The amount."""


class FinalConfig(Config):
    """What `--final` scores on the test split, once."""

    of: Chosen = "best-of-each"
    """The best setting of all, or of each architecture, by the median over seeds on validation."""
    fit_on: FitOn = "train"
    """Splits the scored model is trained on; with both, it is trained again on all of their data."""


class StudyConfig(Config):
    """Many runs that answer one question."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=150)
    """Name of the study and of its folder; the file's name if left out."""
    about: str = ""
    """The question, in one line."""
    expectation: str = ""
    """What you expect, written before the first run; it is printed beside the result."""
    base: str | None = None
    """Recipe that every run extends; left out where `base` is an axis."""
    baselines: tuple[str, ...] = ()
    """Recipes of baselines, each run once on the same data."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of every run; they override those of its recipe. "none": not given, where that is possible."""
    axes: dict[str, Any] = Field(default_factory=dict)
    """Settings that vary: a list of values each or, where settings are drawn, `{low, high, log}`."""
    seeds: tuple[int, ...] = Field(default=(1, 2, 3), min_length=1)
    """Seeds that every setting is run with; at most 1,000."""
    search: Annotated[SearchConfig, ByKind(SEARCHES)] = GridConfig()
    """How settings are picked."""
    budget: BudgetConfig | None = None
    """What is equal for all architectures; left out: their recipes decide."""
    monitor: str = ""
    """Metric that runs are compared by: one of the comparison with the true distribution, where that is
    known; empty: the metric of their task."""
    success: float | None = None
    """Value of the monitored metric from which a run counts as a success; left out: successes are not
    counted."""
    loss_limit: float | None = Field(default=None, gt=0)
    """Validation loss, in nats, above which a run counts as diverged and is stopped; left out: only where it
    is not finite."""
    final: FinalConfig = FinalConfig()
    """What is scored on the test split."""

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(seeds) > MOST_SEEDS:
            raise ValueError(f"'seeds' must be at most {MOST_SEEDS:,} numbers. Got {len(seeds):,}.")
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"'seeds' must differ from each other. Got {list(seeds)}.")
        return seeds

    @field_validator("settings")
    @classmethod
    def _no_seed(cls, settings: dict[str, Any]) -> dict[str, Any]:
        if "seed" in settings:
            seed = settings["seed"]
            raise ValueError(
                "'seed' must not be a setting of a study, which runs every setting with each of its 'seeds'. "
                f"Got seed={seed}. Nearest: seeds={seed}."
            )
        return settings

    @field_validator("monitor")
    @classmethod
    def _known_metric(cls, monitor: str) -> str:
        if monitor and monitor not in ORACLE_METRICS:
            raise unknown("metric to monitor", monitor, ORACLE_METRICS)
        return monitor

    @model_validator(mode="after")
    def _monitored_at_the_end(self) -> StudyConfig:
        if self.monitor and (
            not self.search.exhaustive or "training.epochs" in flat(self.axes, within_lists=False)
        ):
            raise ValueError(
                "'monitor' needs a grid without an axis of epochs, because runs are compared with the true "
                f"distribution at their end only. Got {self.monitor!r}."
            )
        return self

    @model_validator(mode="after")
    def _one_base(self) -> StudyConfig:
        if (self.base is None) == ("base" not in self.axes):
            got = "none" if self.base is None else f"both, base = {self.base!r} among them"
            raise ValueError(f"'base' must be given once: as a recipe, or as an axis of recipes. Got {got}.")
        return self
