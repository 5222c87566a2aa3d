"""How reliable an architecture is: its spread over settings, not only its best setting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.stats.censored import check_value, finite, ordered, quantile
from seqlab.stats.formatting import counted
from seqlab.stats.magnitude import check_range
from seqlab.stats.ties import order_key


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting of an architecture.

    value: the median over its seeds, in the metric's unit; None where that is censored.
    """

    architecture: str
    setting: str
    value: float | None

    def __post_init__(self) -> None:
        check_value(self.value, f"The value of {self.architecture}, {self.setting},")


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """An architecture over its settings; values in the metric's unit, None where censored.

    best_setting: the one with the best value, the first where several have it.
    within: the distance that counts as near, in the metric's unit.
    near_own_best: share of the settings within that distance of this architecture's best, a fraction.
    near_overall_best: share of the settings within that distance of the best of all architectures.
    expected_best: of k settings chosen at random, k = 1 .. settings; see `expected_best`.
    """

    architecture: str
    metric: MetricSpec
    settings: int
    censored: int
    best: float | None
    best_setting: str
    median: float | None
    lower_quartile: float | None
    upper_quartile: float | None
    within: float
    near_own_best: float
    near_overall_best: float
    expected_best: tuple[float | None, ...]

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""
        write, spread = self.metric.format, self.within
        near = round(self.near_overall_best * self.settings)
        failed = f"; {self.censored} failed" if self.censored else ""
        return (
            f"{self.architecture}: {near} of {counted(self.settings, 'setting')} within "
            f"{self.metric.format_difference(self.within, self.within)} of the best of all, "
            f"median {write(self.median, spread)}, "
            f"best {write(self.best, spread)} ({self.best_setting}){failed}"
        )


def near(metric: MetricSpec, best: float) -> float:
    """The distance from the best that counts as near, in the metric's unit.

    Of a fraction it is 0.01, a point; of anything else 2 % of the best.

    >>> near(MetricSpec(name="accuracy", unit="fraction of texts", better="higher"), 0.9)
    0.01
    """
    return 0.01 if metric.unit.startswith("fraction") else 0.02 * abs(best)


def reliability(settings: Sequence[Setting], metric: MetricSpec, *, within: float) -> list[Reliability]:
    """Spread over settings of each architecture, the most reliable first.

    The most reliable architecture is the one with the largest share of settings near the best of all;
    ties are broken by the better median, then by name. The result holds for the settings that were tried:
    architectures are comparable where each was tried with as many settings of the same ranges.

    Args:
        settings: of at least one architecture.
        metric: of the values.
        within: the distance that counts as near, in the metric's unit.

    Raises:
        UserError: no settings, one of them twice, or a distance that is negative or not finite.
    """
    _check(settings, within)
    groups: dict[str, list[Setting]] = {}
    for setting in settings:
        groups.setdefault(setting.architecture, []).append(setting)
    overall = _best([setting.value for setting in settings], metric)
    found = [_of_one(group, metric, within, overall) for group in groups.values()]

    def rank(one: Reliability) -> tuple[float, float, str]:
        return -order_key(one.near_overall_best), order_key(_loss(one.median, metric)), one.architecture

    # The name breaks ties, so that the order does not depend on that of the settings.
    return sorted(found, key=rank)


def expected_best(values: Sequence[float | None], metric: MetricSpec) -> list[float | None]:
    """The mean of the best of k different settings chosen at random, for k = 1 .. n.

    Exact: of the C(n, k) choices, C(i - 1, k - 1) have the i-th value, counted from the worst, as their best.
    The choice is without replacement, so it is what a smaller search among these settings would have found,
    and for values drawn at random it is unbiased (Tang et al. 2020). The curve of Dodge et al. 2019,
    "Show Your Work", is with replacement: the sum of x_i ((i / n)^k - ((i - 1) / n)^k). It is never better
    than this one, and does not reach the best value at k = n.

    None for k up to the number of censored values: all k might have failed, so there is no mean.

    >>> loss = MetricSpec(name="loss", unit="nats per token", better="lower")
    >>> expected_best([1.0, 2.0, 2.0, 3.0], loss), expected_best([1.0, None], loss)
    ([2.0, 1.5, 1.25, 1.0], [None, 1.0])
    """
    ascending = ordered(values, metric.better)
    from_worst = ascending if metric.better == "higher" else ascending[::-1]
    n = len(from_worst)
    found = []
    for k in range(1, n + 1):
        ranked = list(enumerate(from_worst[k - 1 :], start=k - 1))
        mean = sum(math.comb(below, k - 1) / math.comb(n, k) * value for below, value in ranked)
        # A mean of the largest floats may be rounded to infinity.
        known = math.isinf(mean) and not math.isinf(from_worst[k - 1])
        found.append(from_worst[-1] if known else finite(mean))
    return found


def _of_one(
    group: Sequence[Setting], metric: MetricSpec, within: float, overall: float | None
) -> Reliability:
    values = [setting.value for setting in group]
    ascending, best = ordered(values, metric.better), _best(values, metric)
    return Reliability(
        architecture=group[0].architecture,
        metric=metric,
        settings=len(group),
        censored=values.count(None),
        best=best,
        best_setting=next(setting.setting for setting in group if setting.value == best),
        median=finite(quantile(ascending, 0.5)),
        lower_quartile=finite(quantile(ascending, 0.25)),
        upper_quartile=finite(quantile(ascending, 0.75)),
        within=within,
        near_own_best=_near(values, best, metric, within),
        near_overall_best=_near(values, overall, metric, within),
        expected_best=tuple(expected_best(values, metric)),
    )


def _best(values: Sequence[float | None], metric: MetricSpec) -> float | None:
    return min(values, key=lambda value: order_key(_loss(value, metric)))


def _loss(value: float | None, metric: MetricSpec) -> float:
    """A value with its sign turned so that lower is better; infinite where it is censored."""
    return math.inf if value is None else -metric.gain(value)


def _near(values: Sequence[float | None], best: float | None, metric: MetricSpec, within: float) -> float:
    """Share of the values within a distance of the best; a censored value is never near."""
    if best is None:
        return 0.0
    # A value exactly at the distance must count in spite of rounding.
    slack = 1e-9 * max(abs(best), within)
    known = [value for value in values if value is not None]
    return sum(metric.gain(best - value) <= within + slack for value in known) / len(values)


def _check(settings: Sequence[Setting], within: float) -> None:
    if not settings:
        raise UserError("There must be at least one setting. Got none.")
    check_range([setting.value for setting in settings], "The values of settings")
    if not (math.isfinite(within) and within >= 0):
        raise UserError(f"'within' must be a finite distance of at least 0. Got {within!r}. Nearest: 0.0.")
    seen: set[tuple[str, str]] = set()
    for setting in settings:
        key = (setting.architecture, setting.setting)
        if key in seen:
            raise UserError(f"Every setting must come once. Got {key[1]!r} of {key[0]} more than once.")
        seen.add(key)
