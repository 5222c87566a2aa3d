"""The loss at each position, read from the curves of a card or of records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seqlab.runs.cards import FEW_TARGETS, POSITION_ERROR, POSITION_LOSS, POSITION_TARGETS, CurveTable


@dataclass(frozen=True)
class PositionGroup:
    """Neighbouring positions: the mean loss of all their targets."""

    first: int
    last: int
    loss: float
    targets: int

    @property
    def title(self) -> str:
        """The positions, e.g. 3-4."""
        return f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"

    @property
    def few(self) -> bool:
        """Whether there are too few targets to say much."""
        return self.targets < FEW_TARGETS


@dataclass(frozen=True)
class PositionLosses:
    """Mean losses by position, from 1. errors: standard errors. targets: how many each mean is of.

    axis: what the positions are in. unit: of a loss and its error.
    """

    losses: Mapping[int, float]
    errors: Mapping[int, float]
    targets: Mapping[int, int]
    axis: str
    unit: str

    def groups(self) -> list[PositionGroup]:
        """Positions 1, 2, 3-4, 5-8 and so on, as far as there are any.

        >>> losses = PositionLosses({1: 4.0, 2: 3.0, 3: 2.0, 4: 1.0}, {}, {1: 9, 2: 9, 3: 3, 4: 1}, "", "")
        >>> [(group.title, group.loss, group.targets) for group in losses.groups()]
        [('1', 4.0, 9), ('2', 3.0, 9), ('3-4', 1.75, 4)]
        """
        by_doubling: dict[int, list[int]] = {}
        for position in sorted(self.losses):
            by_doubling.setdefault((position - 1).bit_length(), []).append(position)
        return [self._group(positions) for positions in by_doubling.values()]

    def _group(self, positions: Sequence[int]) -> PositionGroup:
        targets = sum(self.targets[position] for position in positions)
        total = sum(self.losses[position] * self.targets[position] for position in positions)
        return PositionGroup(positions[0], positions[-1], total / targets, targets)


def position_losses(curves: Mapping[str, CurveTable], prefix: str = "") -> PositionLosses | None:
    """What curves by name say about positions; None where they do not give loss and number of targets.

    Args:
        curves: of one split and one kind of window.
        prefix: of their names.
    """
    named = (curves.get(prefix + name) for name in (POSITION_LOSS, POSITION_ERROR, POSITION_TARGETS))
    loss, errors, targets = named
    if loss is None or targets is None:
        return None
    return PositionLosses(
        losses=_by_position(loss),
        errors={} if errors is None else _by_position(errors),
        targets={position: int(count) for position, count in _by_position(targets).items()},
        axis=loss["x_unit"],
        unit=loss["y_unit"],
    )


def _by_position(curve: CurveTable) -> dict[int, float]:
    return {int(x): y for x, y in zip(curve["x"], curve["y"], strict=True)}
