"""What a better result costs: the architectures than which none is both cheaper and better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seqlab.comparison.study import Group, Study
from seqlab.comparison.study_cost import Cost, cost
from seqlab.stats.ties import difference


@dataclass(frozen=True)
class _CostKind:
    """A kind of cost; `measured`: whether it depends on the machine."""

    name: str
    measured: bool
    amount: Callable[[Cost], float]
    text: Callable[[float], str]


_COST_KINDS = (
    _CostKind("training time", True, lambda cost: cost.seconds, lambda seconds: f"{seconds:,.0f} s"),
    _CostKind("peak memory", True, lambda cost: cost.memory_mib, lambda memory: f"{memory:,.0f} MiB"),
    _CostKind("parameters", False, lambda cost: cost.parameters, lambda count: f"{count:,.0f} parameters"),
)


def trade_offs(study: Study) -> list[str]:
    """A sentence for each kind of cost in which the best settings of the architectures differ.

    Only networks are compared. Seconds and memory of different machines are left out.

    Raises:
        UserError: the folder of a run is damaged.
    """
    known = [(group, spent) for group in study.best if (spent := cost(group)) is not None]
    known = [(group, spent) for group, spent in known if group.summary.median is not None]
    if len(known) < 2:
        return []
    one_machine = _same_machine([group for group, _ in known])
    kinds = [kind for kind in _COST_KINDS if one_machine or not kind.measured]
    return [
        _sentence(study, kind, known) for kind in kinds if len({kind.amount(spent) for _, spent in known}) > 1
    ]


def efficient(losses: Sequence[float], costs: Sequence[float]) -> list[int]:
    """Indices of those than which no other one is cheaper and at least as good; the cheapest first.

    >>> efficient([0.3, 0.2, 0.25, 0.2], [1, 5, 9, 7])
    [0, 1]
    """
    order = sorted(range(len(costs)), key=lambda i: (costs[i], losses[i]))
    kept: list[int] = []
    for i in order:
        if not kept or losses[i] < losses[kept[-1]]:
            kept.append(i)
    return kept


def _sentence(study: Study, kind: _CostKind, known: Sequence[tuple[Group, Cost]]) -> str:
    groups = [group for group, _ in known]
    amounts = [kind.amount(spent) for _, spent in known]
    kept = efficient([study.loss(group.summary.median) for group in groups], amounts)
    values = [group.summary.median for group in groups if group.summary.median is not None]
    spread = difference(max(values), min(values)) / 10
    named = [
        f"{groups[i].architecture} ({study.monitor.format(groups[i].summary.median, spread)}, "
        f"{kind.text(amounts[i])})"
        for i in kept
    ]
    others = [group.architecture for i, group in enumerate(groups) if i not in kept]
    what = f"{study.monitor.name.replace('_', ' ').capitalize()} against {kind.name}"
    if len(kept) == 1:
        return f"{what}: {named[0]} is the best and the cheapest"
    rest = f"; more expensive and no better: {', '.join(others)}" if others else ""
    return f"{what}: from {', then '.join(named)}{rest}"


def _same_machine(groups: Sequence[Group]) -> bool:
    """Whether all runs had the same processor; each run chose its number of threads itself."""
    folders = [run.folder for group in groups for run in group.runs if run.folder is not None]
    cards = [card for folder in folders if (card := folder.card("valid")) is not None]
    machines = [card["environment"] for card in cards]
    return len({(one["device"], one["processor"], one["cores"]) for one in machines}) <= 1
