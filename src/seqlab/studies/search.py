"""Settings drawn from the axes: at random, or by Optuna, which proposes and never decides what is true.

Every function here is one of what has been tried, so that a study goes on from its folder alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from seqlab.schema.metric_spec import MetricSpec
from seqlab.studies.axes import Axis, Choices, Range
from seqlab.studies.study_config import SomeConfig, TpeConfig

if TYPE_CHECKING:
    import optuna

DIGITS = 4
"""Significant digits of a number that is drawn: as many as one would type."""
_PARTS = 100
"""Parts of an epoch that Optuna's whole steps count."""
_GUIDED, _REDRAWS = 5, 1000
"""Draws of a setting that was not tried yet: first guided ones, then random ones."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A setting that was tried. value: of the monitor; None while it is open, or where it failed.

    course: (epoch, value) of each validation so far.
    """

    setting: Mapping[str, Any]
    state: Literal["open", "finished", "failed", "pruned"]
    value: float | None
    course: tuple[tuple[float, float], ...] = ()


def propose(
    config: SomeConfig, axes: Sequence[Axis], monitor: MetricSpec, tried: Sequence[Tried], place: int
) -> dict[str, Any] | None:
    """The next setting of an architecture; None where all there are were tried.

    Args:
        config: which search, and its seed.
        axes: what settings consist of.
        monitor: the metric to improve.
        tried: all settings of the architecture so far, in their order.
        place: of the architecture among the others.
    """
    known = [dict(one.setting) for one in tried]
    if all(isinstance(axis, Choices) for axis in axes) and len(known) >= _size(axes):
        return None
    for attempt in range(_REDRAWS):
        random = np.random.default_rng([config.seed, place, len(tried), attempt])
        if isinstance(config, TpeConfig) and attempt < _GUIDED:
            setting = _guided(config, axes, monitor, tried, random)
        else:
            setting = _at_random(axes, random)
        if setting not in known:
            return setting
    return None


def should_stop(
    config: TpeConfig, monitor: MetricSpec, others: Sequence[Tried], running: Tried, epochs: int
) -> bool:
    """Whether the pruner would stop a run behind its last validation.

    Args:
        config: names the pruner.
        monitor: the metric to improve.
        others: what was tried before.
        running: the run, with its course so far.
        epochs: that the run will have at the most.
    """
    if config.pruning == "none" or not running.course:
        return False
    study = _study(config, monitor, others, seed=0, epochs=epochs)
    trial = study.ask({})
    for epoch, value in running.course:
        trial.report(value, round(epoch * _PARTS))
    return trial.should_prune()


def _at_random(axes: Sequence[Axis], random: np.random.Generator) -> dict[str, Any]:
    return {axis.key: _random(axis, random) for axis in axes}


def _guided(
    config: TpeConfig,
    axes: Sequence[Axis],
    monitor: MetricSpec,
    tried: Sequence[Tried],
    random: np.random.Generator,
) -> dict[str, Any]:
    study = _study(config, monitor, tried, seed=int(random.integers(2**31)), epochs=1, axes=axes)
    found = study.ask(_distributions(axes)).params
    return {axis.key: _value(axis, found[axis.key]) for axis in axes}


def _random(axis: Axis, random: np.random.Generator) -> Any:
    if isinstance(axis, Choices):
        return axis.values[int(random.integers(len(axis.values)))]
    if isinstance(axis.low, int) and isinstance(axis.high, int) and not axis.log:
        return int(random.integers(axis.low, axis.high, endpoint=True))
    low, high = (np.log(axis.low), np.log(axis.high)) if axis.log else (axis.low, axis.high)
    drawn = random.uniform(low, high)
    return _value(axis, float(np.exp(drawn) if axis.log else drawn))


def _value(axis: Axis, drawn: Any) -> Any:
    """What is drawn for an axis as one would type it."""
    if isinstance(axis, Choices):
        return axis.values[drawn]
    if isinstance(axis.low, int) and isinstance(axis.high, int):
        return min(axis.high, max(axis.low, round(drawn)))
    return float(f"{drawn:.{DIGITS}g}")


def _size(axes: Sequence[Axis]) -> int:
    size = 1
    for axis in axes:
        size *= len(axis.values)
    return size


def _study(
    config: TpeConfig,
    monitor: MetricSpec,
    tried: Sequence[Tried],
    *,
    seed: int,
    epochs: int,
    axes: Sequence[Axis] = (),
) -> optuna.Study:
    """An Optuna study in memory that knows what was tried."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruners = {
        "none": optuna.pruners.NopPruner,
        "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=config.startup),
        "hyperband": lambda: optuna.pruners.HyperbandPruner(_PARTS, max(2, epochs) * _PARTS),
    }
    study = optuna.create_study(
        study_name="study",  # Hyperband's brackets depend on it
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=config.startup),
        pruner=pruners[config.pruning](),
        direction="maximize" if monitor.better == "higher" else "minimize",
    )
    for one in tried:
        study.add_trial(_trial(one, axes))
    return study


def _trial(one: Tried, axes: Sequence[Axis]) -> optuna.trial.FrozenTrial:
    import optuna

    states = {
        "open": optuna.trial.TrialState.RUNNING,
        "finished": optuna.trial.TrialState.COMPLETE,
        "failed": optuna.trial.TrialState.FAIL,
        "pruned": optuna.trial.TrialState.PRUNED,
    }
    return optuna.trial.create_trial(
        state=states[one.state],
        value=one.value if one.state == "finished" else None,
        params={axis.key: _drawn(axis, one.setting[axis.key]) for axis in axes},
        distributions=_distributions(axes),
        intermediate_values={round(epoch * _PARTS): value for epoch, value in one.course},
    )


def _drawn(axis: Axis, value: Any) -> Any:
    return axis.values.index(value) if isinstance(axis, Choices) else value


def _distributions(axes: Sequence[Axis]) -> dict[str, optuna.distributions.BaseDistribution]:
    return {axis.key: _distribution(axis) for axis in axes}


def _distribution(axis: Axis) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match axis:
        case Choices(values=values):
            return CategoricalDistribution(range(len(values)))
        case Range(low=int(low), high=int(high), log=log):
            return IntDistribution(low, high, log=log)
        case Range(low=low, high=high, log=log):
            return FloatDistribution(low, high, log=log)
