"""One sentence that answers which model is best, and how certain that is."""

from __future__ import annotations

from collections.abc import Sequence

from seqlab.comparison.study import Group
from seqlab.comparison.study_pairs import Pairs
from seqlab.report.study.chapter_study import ChapterStudy
from seqlab.report.tables import words
from seqlab.stats.formatting import counted, format_p, percent
from seqlab.stats.over_items import ItemsComparison
from seqlab.stats.over_seeds import SeedsComparison, needed_seeds
from seqlab.stats.paired import Comparison
from seqlab.stats.ties import difference


def verdict(study: ChapterStudy, pairs: Pairs) -> str:
    """Which model is best, by how much, and whether another seed or another text may change that.

    A baseline that is better than every network is named first.
    """
    leaders = [group for group in study.best if group.summary.median is not None]
    rival = next(iter(study.competing_baselines), None)
    if not leaders:
        return "No network has a result yet, so there is no answer."
    best = leaders[0]
    if rival is not None and study.loss(rival.summary.median) <= study.loss(best.summary.median):
        return _baseline_wins(study, best, rival, _pair(pairs, best, rival))
    return " ".join(
        sentence
        for sentence in (
            _network_wins(study, leaders, pairs),
            _beats(study, best, rival, pairs),
            _floor(study, best),
        )
        if sentence
    )


def _network_wins(study: ChapterStudy, leaders: Sequence[Group], pairs: Pairs) -> str:
    best = leaders[0]
    value = _value(study, best)
    if len(leaders) == 1:
        alone = "; one seed, so nothing is known about other seeds" if best.summary.seeds == 1 else ""
        return f"{best.architecture} reaches {value}{_with_seeds(best)}{alone}."
    rounded = [group for group in leaders[1:] if _equal_but_for_rounding(_pair(pairs, best, group))]
    tied = [g for g in leaders[1:] if g in rounded or _equal(study, g, best)]
    if tied:
        *names, last = [group.architecture for group in (best, *tied)]
        equal = "equal but for rounding" if rounded else "equal"
        # Names of several settings have commas themselves.
        comma = "; " if any("," in name for name in (*names, last)) else ", "
        return f"{comma.join(names)} and {last} are {equal}, with {value}{_with_seeds(best)}."
    pair = _pair(pairs, best, leaders[1])
    extreme = "highest" if study.monitor.better == "higher" else "lowest"
    return (
        f"{best.architecture} has the {extreme} {words(study.monitor.name)}, "
        f"{_number(study, best)}{_with_seeds(best)}; it is better than "
        f"{leaders[1].architecture}{_gap(study, best, leaders[1], pair)}{_certainty(best, pair)}."
    )


def _baseline_wins(study: ChapterStudy, best: Group, rival: Group, pair: Comparison | None) -> str:
    what = f"No network beats the baseline {rival.architecture}, with {_value(study, rival)}"
    if _equal(study, rival, best):
        return f"{what}: the best one, {best.architecture}, has the same."
    one_seed = "; one seed, so no claim about the architectures" if len(best.cells) == 1 else ""
    return (
        f"{what}: the best one, {best.architecture}, has {_number(study, best)}{_with_seeds(best)} and is "
        f"worse{_gap(study, rival, best, pair)}{one_seed}."
    )


def _beats(study: ChapterStudy, best: Group, rival: Group | None, pairs: Pairs) -> str:
    if rival is None:
        return ""
    pair = _pair(pairs, best, rival)
    doubt = ""
    if pair is not None and pair.items is not None and not pair.items.significant:
        doubt = ", a difference that may be chance"
    return f"The best baseline, {rival.architecture}, has {_number(study, rival)}{doubt}."


def _floor(study: ChapterStudy, best: Group) -> str:
    """How far the best network is from the loss of the true distribution."""
    floor = next((group.summary.median for group in study.floors), None)
    if floor is None or best.summary.median is None or study.monitor.name != "loss":
        return ""
    above = difference(best.summary.median, floor)
    gap = study.monitor.format_number(above, abs(above))
    return f"The true distribution itself has {_number(study, study.floors[0])}, {gap} less."


def _pair(pairs: Pairs, first: Group, second: Group) -> Comparison | None:
    names = {first.architecture, second.architecture}
    return next((pair for pair in pairs.found if set(pair.names) == names), None)


def _equal(study: ChapterStudy, first: Group, second: Group) -> bool:
    return study.loss(first.summary.median) == study.loss(second.summary.median)


def _equal_but_for_rounding(pair: Comparison | None) -> bool:
    return pair is not None and pair.items is not None and pair.items.equal_but_for_rounding


def _value(study: ChapterStudy, group: Group) -> str:
    return f"{words(study.monitor.name)} {_number(study, group)}"


def _number(study: ChapterStudy, group: Group) -> str:
    values = [each.summary.median for each in study.ranked if each.summary.median is not None]
    return study.monitor.format(group.summary.median, difference(max(values), min(values)) / 10)


def _with_seeds(group: Group) -> str:
    seeds = group.summary.seeds
    return f" (median of {counted(seeds, 'seed')})" if seeds > 1 else ""


def _gap(study: ChapterStudy, better: Group, worse: Group, pair: Comparison | None) -> str:
    """How much better one model is than another one, with the interval over the items of the split.

    Models are ordered by medians, items are averaged over seeds: where these disagree, both are given.
    """
    items = None if pair is None else pair.items
    if items is not None and items.winner == better.architecture:
        # The difference of the means is not that of the medians, which the reader could subtract.
        mean = " on average over the seeds," if max(items.seeds) > 1 else ""
        return f" by {_size(items)}{mean} {_on_items(items)}"
    size = abs(difference(better.summary.median or 0.0, worse.summary.median or 0.0))
    gap = f" by {study.monitor.format_difference(size, size)}"
    if items is None or items.winner is None:
        return gap
    return f"{gap}; averaged over seeds, {worse.architecture} is better by {_size(items)} {_on_items(items)}"


def _on_items(items: ItemsComparison) -> str:
    return f"on the same {items.unit}s ({_interval(items)})"


def _size(items: ItemsComparison) -> str:
    size, width = abs(items.difference), items.interval.width
    points = " points" if items.metric.display_unit == "%" else ""
    return f"{items.metric.format_number(size, width)}{points}"


def _interval(items: ItemsComparison) -> str:
    """The interval of a difference, positive where the winner is better, and whether it may be chance."""
    sign, width = (1 if items.difference >= 0 else -1), items.interval.width
    low, high = (
        items.metric.format_number(end, width) for end in sorted(sign * end for end in items.interval.ends)
    )
    doubt = "" if items.significant else ", which may be chance"
    return f"{percent(items.interval.level)} interval {low} to {high}{doubt}"


def _certainty(best: Group, pair: Comparison | None) -> str:
    """What can be claimed about other seeds; of the other model, where that is the better one in pairs."""
    seeds = None if pair is None else pair.seeds
    if pair is None or seeds is None:
        return ""
    named = (None, best.architecture)
    known = pair.items is not None and pair.items.winner not in named
    other = "" if seeds.winner in named or known else f"; paired by seed, {seeds.winner} is better"
    return f"{other}; {_certainty_over_seeds(seeds)}"


def _certainty_over_seeds(seeds: SeedsComparison) -> str:
    """What can be claimed about other seeds."""
    count = len(seeds.seeds)
    if count == 1:
        return "one seed each, so this ranks the runs and is no claim about the models"
    if not seeds.enough_seeds:
        return (
            f"{counted(count, 'seed')} are too few for a test ({needed_seeds(seeds.level)} are needed), "
            "so other seeds may change the order"
        )
    p = format_p(seeds.p, seeds.adjusted_p)
    if seeds.significant:
        return f"significant over {counted(count, 'seed')} ({p})"
    return f"not significant over {counted(count, 'seed')} ({p}), so the order may be chance"
