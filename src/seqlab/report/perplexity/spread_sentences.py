"""Which architecture is most reliable across its settings: the spread of their validation perplexity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from seqlab.report.chapters import Chapter
from seqlab.report.perplexity.runs_over_seeds import RunsOverSeeds, final, shown
from seqlab.stats.formatting import counted
from seqlab.stats.reliability import Setting, near, reliability
from seqlab.stats.ties import order_key


@dataclass(frozen=True)
class ArchitectureSpread:
    """An architecture over its settings; a setting without a value ended without a result."""

    architecture: str
    values: tuple[float, ...]
    failed: tuple[str, ...]
    """How each of those without a value ended, in a word."""

    @property
    def settings(self) -> int:
        """The number of settings."""
        return len(self.values) + len(self.failed)

    @property
    def ratio(self) -> float:
        """The highest divided by the lowest value."""
        return max(self.values) / min(self.values)

    @property
    def rank(self) -> tuple[float, float]:
        """Lower is more reliable: the share of settings without a result, then the ratio."""
        return len(self.failed) / self.settings, order_key(self.ratio)

    @property
    def text(self) -> str:
        """The spread in words."""
        ends = f"{shown(min(self.values))} to {shown(max(self.values))}"
        failed = "".join(
            f"; {count} of {self.settings} {word}" for word, count in Counter(self.failed).items()
        )
        settings = counted(len(self.values), "setting")
        return f"{self.architecture} {self.ratio:.3g} ({ends} over {settings}{failed})"


def spreads(found: Sequence[RunsOverSeeds]) -> list[ArchitectureSpread]:
    """The spread of each architecture with two results or more, the most reliable first."""
    groups: dict[str, list[RunsOverSeeds]] = {}
    for each in found:
        if not each.running:
            groups.setdefault(each.architecture, []).append(each)
    made = [_spread(architecture, group) for architecture, group in groups.items()]
    return sorted((each for each in made if len(each.values) > 1), key=lambda each: each.rank)


def spread_sentences(chapter: Chapter, found: Sequence[RunsOverSeeds]) -> list[str]:
    """The spread of each architecture, how many settings are near the best of all, and what limits this."""
    order = spreads(found)
    if len(order) < 2:
        return []
    sentences = [
        "Two rules: the smallest spread, the highest divided by the lowest validation perplexity of the "
        "settings, where no setting ends without a result; and the most settings near the best of all.",
        f"Spread: {'; '.join(each.text for each in order)}.",
        _least_spread(order),
        f"Near the best: {_nearest(chapter, found)}.",
    ]
    counts = {each.architecture: each.settings for each in order}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{count} of {name}" for name, count in counts.items())
        sentences.append(
            f"The numbers of settings differ ({listed}), and a spread grows with them: this is no claim "
            "about the architectures."
        )
    return sentences


def _least_spread(order: Sequence[ArchitectureSpread]) -> str:
    first = [each.architecture for each in order if each.rank == order[0].rank]
    if len(first) > 1:
        return f"{' and '.join(sorted(first))} have the same spread, which is the smallest."
    return f"{first[0]} has the smallest.{_worse(order)}"


def _nearest(chapter: Chapter, found: Sequence[RunsOverSeeds]) -> str:
    """The architecture with most of its settings near the best, by the metric that ranks the runs."""
    metric = chapter.monitor
    values = [(each, each.median(chapter.value)) for each in found if not each.running]
    best = min((value for _, value in values if value is not None), key=lambda value: -metric.gain(value))
    settings = [
        Setting(architecture=each.architecture, setting=each.name, value=value) for each, value in values
    ]
    return reliability(settings, metric, within=near(metric, best))[0].sentence


def _worse(order: Sequence[ArchitectureSpread]) -> str:
    """A caution where the most reliable architecture is not the best one."""
    own, lowest = min(order[0].values), min(min(each.values) for each in order)
    if own <= lowest:
        return ""
    return f" Its best setting, {shown(own)}, is {100 * (own / lowest - 1):.3g} % above the best of all."


def _spread(architecture: str, group: Sequence[RunsOverSeeds]) -> ArchitectureSpread:
    medians = [each.median(final) for each in group]
    failed = [_ending(each) for each, value in zip(group, medians, strict=True) if value is None]
    return ArchitectureSpread(
        architecture, tuple(value for value in medians if value is not None), tuple(failed)
    )


def _ending(experiment: RunsOverSeeds) -> str:
    """The word with which the reason of the first run without a result begins."""
    reasons = (entry.censored for entry in experiment.entries if entry.censored)
    return next(reasons, "without a perplexity").partition(":")[0]
