"""A study of data whose true distribution is known: how its best settings compare with that."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from seqlab.comparison.study import Group, Study
from seqlab.runs.cards import OracleCard


@dataclass(frozen=True, kw_only=True)
class OracleGap:
    """An architecture at its best setting, medians over seeds.

    floor: loss of the true distribution, in nats per token; above_floor: the model's loss above that. valid,
    wrong, cut: shares of the samples, None where none were checked; cut ones did not end in time.
    """

    architecture: str
    floor: float
    above_floor: float
    valid: float | None
    wrong: float | None
    cut: float | None


def oracle_gaps(study: Study) -> list[OracleGap]:
    """One for each architecture whose runs have oracle cards, the best by the study's monitor first.

    Raises:
        UserError: the folder of a run is damaged.
    """
    known = [(group, cards(group)) for group in study.best]
    return [_gap(group, cards) for group, cards in known if cards]


def cards(group: Group) -> list[OracleCard]:
    """The oracle cards of a setting's runs that have one, by seed."""
    folders = [run.folder for run in group.runs if run.folder is not None]
    return [card for folder in folders if (card := folder.oracle_card()) is not None]


def _gap(group: Group, cards: list[OracleCard]) -> OracleGap:
    def median(metric: str) -> float:
        return statistics.median(card["metrics"][metric] for card in cards)

    def share(metric: str) -> float | None:
        known = [card["metrics"][metric] for card in cards if metric in card["metrics"]]
        return statistics.median(known) if known else None

    return OracleGap(
        architecture=group.architecture,
        floor=median("floor"),
        above_floor=median("above_floor"),
        valid=share("valid_samples"),
        wrong=share("wrong_samples"),
        cut=share("cut_samples"),
    )
