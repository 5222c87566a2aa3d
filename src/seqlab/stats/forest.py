"""Importance of hyper-parameters in a search: the functional ANOVA of a random forest fitted to its draws."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.grid import Level, SettingCell, format_levels, needs_ranks, scaled
from seqlab.stats.importance import Effect, Importance
from seqlab.stats.ties import equal

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FEWEST = 10
"""The least number of settings to fit a forest to."""
_SEED = 1


@dataclass(frozen=True, kw_only=True)
class Span:
    """The range from which numbers were drawn; log: uniformly in their logarithm."""

    low: float
    high: float
    log: bool = False

    def scale(self, value: float) -> float:
        """A value on the scale on which it was drawn uniformly, which the forest's shares assume."""
        return math.log(value) if self.log else float(value)


def forest_importance(
    cells: Sequence[SettingCell], metric: MetricSpec, *, spans: Mapping[str, Span] | None = None
) -> Importance:
    """Divide the variance over drawn settings among their axes, by a random forest.

    The functional ANOVA of Hutter, Hoos and Leyton-Brown (2014), by Optuna: the forest predicts the settings
    that were not tried, so that shares are estimates. Pairs are not separated: they are part of `rest`.

    Args:
        cells: at least 10, each with one value or more, of which the mean counts. Where one is censored,
            or so large that no float holds their variance, all are replaced by ranks, censored ones last.
        metric: of the values.
        spans: ends of the axes whose values were drawn from a range; other axes are choices.

    Raises:
        UserError: too few cells, or no axis with two values.
    """
    if len(cells) < FEWEST:
        raise UserError(f"A forest must have at least {FEWEST} settings. Got {len(cells)}.")
    # Sorted, so that the shares do not depend on the order of the settings.
    cells = sorted(cells, key=lambda cell: format_levels(cell.settings))
    axes = _axes(cells, spans or {})
    if not axes:
        raise UserError("At least one setting must have two values. Got none.")
    ranks = needs_ranks(cells)
    values = [float(runs.mean()) for runs in scaled(cells, metric, "rank" if ranks else "value")]
    mean = math.fsum(values) / len(values)
    # Rounding alone must not be divided among the axes.
    same = equal(min(values), max(values))
    variance = 0.0 if same else math.fsum((value - mean) ** 2 for value in values) / len(values)
    shares = {} if same else _shares(cells, axes, values, spans or {})
    effects = [Effect(axes=(name,), share=share, noise=None, p=None) for name, share in shares.items()]
    return Importance(
        metric=metric,
        effects=tuple(sorted(effects, key=lambda effect: (-effect.share, effect.axes))),
        rest=max(0.0, 1 - math.fsum(shares.values())) if shares else 0.0,
        cells=len(cells),
        variance=variance,
        seed_variance=None,
        seed_share=None,
        ranks=ranks,
        estimated=True,
    )


def _axes(cells: Sequence[SettingCell], spans: Mapping[str, Span]) -> dict[str, BaseDistribution]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    axes: dict[str, BaseDistribution] = {}
    for name in cells[0].settings:
        span = spans.get(name)
        values = list(dict.fromkeys(cell.settings[name] for cell in cells))
        if span is not None:
            axes[name] = FloatDistribution(span.scale(span.low), span.scale(span.high))
        elif len(values) > 1:
            axes[name] = CategoricalDistribution(values)
    return axes


def _shares(
    cells: Sequence[SettingCell],
    axes: Mapping[str, BaseDistribution],
    values: Sequence[float],
    spans: Mapping[str, Span],
) -> dict[str, float]:
    import optuna
    from optuna.importance import FanovaImportanceEvaluator

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="minimize")
    # From 0 to about 1, because a forest takes a variance below 1e-16 for none.
    low, size = min(values), 2.0 ** math.frexp(max(values) - min(values))[1]
    for cell, value in zip(cells, [(value - low) / size for value in values], strict=True):
        params = {name: _scaled_level(cell.settings[name], spans.get(name)) for name in axes}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=dict(axes), value=value))
    shares = FanovaImportanceEvaluator(seed=_SEED).evaluate(study)
    return {name: float(share) for name, share in shares.items()}


def _scaled_level(level: Level, span: Span | None) -> Level:
    if span is None:
        return level
    assert isinstance(level, int | float), "values of a range are numbers"
    return span.scale(level)
