"""A study of data whose truth is known: how its best settings stand to that truth."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from seqlab.compare.study import Group, Study
from seqlab.runs import folder

CARD = "cards/oracle.json"


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


def cards(group: Group) -> list[dict[str, Any]]:
    """The truth cards of a setting's runs, by seed; of runs that have one."""
    runs = [folder.open_run(folder.root() / cell.run) for cell in group.cells if cell.value is not None]
    wanted = ("metrics", "longest_valid", "first_wrong")
    return [run.read_json(CARD, *wanted) for run in runs if (run.path / CARD).exists()]


def _standing(group: Group, found: list[dict[str, Any]]) -> OracleGap:
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
