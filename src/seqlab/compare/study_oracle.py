"""A study of data whose truth is known: how its best settings stand to that truth."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from seqlab.compare.study import Group, Study
from seqlab.runs.cards import OracleCard


@dataclass(frozen=True, kw_only=True)
class OracleGap:
    """An architecture at its best setting, medians over seeds.

    above_floor: nats per token over what the truth itself pays. valid, wrong, cut: shares of the samples;
    cut ones did not end in time.
    """

    architecture: str
    floor: float
    above_floor: float
    valid: float
    wrong: float
    cut: float


def oracle_gaps(study: Study) -> list[OracleGap]:
    """Of each architecture whose runs were held against the truth, the best by the study's metric first.

    Raises:
        UserError: the folder of a run is damaged.
    """
    known = [(group, cards(group)) for group in study.best]
    return [_standing(group, found) for group, found in known if found]


def cards(group: Group) -> list[OracleCard]:
    """The truth cards of a setting's runs, by seed; of runs that have one."""
    folders = [run.folder for run in group.runs if run.folder is not None]
    return [card for folder in folders if (card := folder.oracle_card()) is not None]


def _standing(group: Group, found: list[OracleCard]) -> OracleGap:
    def median(metric: str) -> float:
        return statistics.median(card["metrics"][metric] for card in found)

    return OracleGap(
        architecture=group.architecture,
        floor=median("floor"),
        above_floor=median("above_floor"),
        valid=median("valid_samples"),
        wrong=median("wrong_samples"),
        cut=median("cut_samples"),
    )
