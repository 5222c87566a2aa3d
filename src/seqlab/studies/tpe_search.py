"""TPE search by Optuna (Bergstra et al. 2011), with early stopping.

Optuna proposes only: its study is built in memory from the history of trials and dropped after each draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field
from typing_extensions import override

from seqlab.schema.extras import require
from seqlab.schema.metric_spec import MetricSpec
from seqlab.studies.axis import Axis
from seqlab.studies.drawn_search import DrawnSearchConfig, Pruner
from seqlab.studies.search_trial import SearchTrial

if TYPE_CHECKING:
    import optuna

_STEPS_PER_EPOCH = 100
"""Number of steps per epoch in Optuna, which counts steps in integers."""
_GUIDED = 5
"""Guided draws of a setting that was not tried yet; the draws after them are random."""


class TpeConfig(DrawnSearchConfig):
    """Draws where the better of the settings so far are dense: TPE (Bergstra et al. 2011), by Optuna."""

    kind: Literal["tpe"] = "tpe"
    """Name of the search."""
    startup: int = Field(default=5, ge=1)
    """Settings of each architecture drawn at random before earlier results guide the draws."""
    pruning: Literal["none", "median", "hyperband"] = "none"
    """Which runs are stopped early: those worse than the median of the others at the same epoch, or those
    that Hyperband's brackets drop (Li et al. 2018); both by Optuna."""

    @override
    def draw(
        self,
        axes: Sequence[Axis],
        monitor: MetricSpec,
        history: Sequence[SearchTrial],
        *,
        random: np.random.Generator,
        attempt: int,
    ) -> dict[str, Any]:
        # Once it has converged, TPE proposes the same settings again and again.
        if attempt >= _GUIDED:
            return {axis.key: axis.draw(random) for axis in axes}
        study = self._study(monitor, history, seed=int(random.integers(2**31)), epochs=1, axes=axes)
        drawn = study.ask({axis.key: axis.distribution() for axis in axes}).params
        return {axis.key: axis.decode(drawn[axis.key]) for axis in axes}

    @override
    def pruner(self) -> Pruner | None:
        require("search", "search.kind='tpe'")
        return None if self.pruning == "none" else self._should_stop

    def _should_stop(
        self, monitor: MetricSpec, earlier: Sequence[SearchTrial], running: SearchTrial, epochs: int
    ) -> bool:
        if not running.curve:
            return False
        # Without axes: a pruner compares curves and ignores settings, and so the sampler's seed.
        trial = self._study(monitor, earlier, seed=0, epochs=epochs, axes=()).ask({})
        for epoch, value in running.curve:
            trial.report(value, round(epoch * _STEPS_PER_EPOCH))
        return trial.should_prune()

    def _study(
        self,
        monitor: MetricSpec,
        history: Sequence[SearchTrial],
        *,
        seed: int,
        epochs: int,
        axes: Sequence[Axis],
    ) -> optuna.Study:
        """An Optuna study in memory with the history of trials."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            study_name="study",  # Hyperband's brackets depend on it
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=self.startup),
            pruner=self._optuna_pruner(epochs),
            direction="maximize" if monitor.better == "higher" else "minimize",
        )
        for trial in history:
            study.add_trial(_frozen_trial(trial, axes))
        return study

    def _optuna_pruner(self, epochs: int) -> optuna.pruners.BasePruner:
        from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

        match self.pruning:
            case "none":
                return NopPruner()
            case "median":
                return MedianPruner(n_startup_trials=self.startup)
            case "hyperband":
                return HyperbandPruner(_STEPS_PER_EPOCH, max(2, epochs) * _STEPS_PER_EPOCH)


def _frozen_trial(trial: SearchTrial, axes: Sequence[Axis]) -> optuna.trial.FrozenTrial:
    from optuna.trial import TrialState, create_trial

    states = {
        "open": TrialState.RUNNING,
        "finished": TrialState.COMPLETE,
        "failed": TrialState.FAIL,
        "diverged": TrialState.FAIL,
        "pruned": TrialState.PRUNED,
    }
    return create_trial(
        state=states[trial.state],
        value=trial.value if trial.state == "finished" else None,
        params={axis.key: axis.encode(trial.setting[axis.key]) for axis in axes},
        distributions={axis.key: axis.distribution() for axis in axes},
        intermediate_values={round(epoch * _STEPS_PER_EPOCH): value for epoch, value in trial.curve},
    )
