"""Learning-rate schedules: factors that multiply the base learning rate before each step.

A factor depends on the clock alone, so a resumed run continues exactly; only `plateau`, which observes
validations, has a state to keep in checkpoints. `progress` is 0 at the first step and 1 at the last.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.schema.config import Config


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The progress of training before a step.

    step: optimizer steps done. epoch: finished epochs. steps_per_epoch, total_steps: optimizer steps of
    one epoch and of the whole training.

    >>> Clock(step=5, epoch=1, steps_per_epoch=4, total_steps=11).progress
    0.5
    """

    step: int
    epoch: int
    steps_per_epoch: int
    total_steps: int

    @property
    def progress(self) -> float:
        """The fraction of training between the first step (0) and the last (1)."""
        return min(1.0, self.step / max(1, self.total_steps - 1))


class Schedule(ABC):
    """A factor for each step, and the state it depends on besides the clock."""

    @abstractmethod
    def factor(self, clock: Clock) -> float:
        """The factor of the base learning rate in the next step."""

    @abstractmethod
    def observe(self, improved: bool) -> None:
        """Called after each validation: whether it was better than the best one so far."""

    @abstractmethod
    def state(self) -> dict[str, float]:
        """Numbers a checkpoint keeps; {} if the clock is enough."""

    @abstractmethod
    def restore(self, state: dict[str, float]) -> None:
        """Continue from a value that `state` returned.

        Raises:
            ValueError: it is not such a value.
        """


class ByClock(Schedule):
    """A schedule that is a function of the clock."""

    def __init__(self, function: Callable[[Clock], float]):
        self._function = function

    @override
    def factor(self, clock: Clock) -> float:
        return self._function(clock)

    @override
    def observe(self, improved: bool) -> None:
        pass

    @override
    def state(self) -> dict[str, float]:
        return {}

    @override
    def restore(self, state: dict[str, float]) -> None:
        if state:
            raise ValueError(f"a schedule without a state must get none. Got {', '.join(sorted(state))}.")


class Plateau(Schedule):
    """Multiplies the rate by a constant whenever validation has not improved for too long."""

    def __init__(self, *, cut: float, patience: int, minimum: float):
        self._cut, self._patience, self._minimum = cut, patience, minimum
        self._factor, self._waited = 1.0, 0

    @override
    def factor(self, clock: Clock) -> float:
        return self._factor

    @override
    def observe(self, improved: bool) -> None:
        """Count validations without an improvement; above the patience, cut and start counting again."""
        self._waited = 0 if improved else self._waited + 1
        if self._waited > self._patience:
            self._factor = max(self._minimum, self._factor * self._cut)
            self._waited = 0

    @override
    def state(self) -> dict[str, float]:
        return {"factor": self._factor, "waited": float(self._waited)}

    @override
    def restore(self, state: dict[str, float]) -> None:
        if state.keys() != self.state().keys() or not (0 <= state["factor"] <= 1 and state["waited"] >= 0):
            raise ValueError(f"a plateau must have waited and have a factor up to 1. Got {state}.")
        self._factor, self._waited = state["factor"], int(state["waited"])


class ScheduleConfig(Config, ABC):
    """Settings of a schedule. A subclass is registered by one line in `SCHEDULES`."""

    kind: str
    """Name of the schedule."""
    depends_on_length: ClassVar[bool] = False
    """Whether a factor depends on the planned length of training, not only on the steps done so far."""

    @abstractmethod
    def build(self) -> Schedule:
        """The schedule at the start of training."""


class ConstantConfig(ScheduleConfig):
    """factor = 1."""

    kind: Literal["constant"] = "constant"
    """Name of the schedule."""

    @override
    def build(self) -> Schedule:
        return ByClock(lambda clock: 1.0)


class EpochDecayConfig(ScheduleConfig):
    """factor = divisor^-e after e finished epochs.

    >>> schedule = EpochDecayConfig(divisor=2.0).build()
    >>> [schedule.factor(Clock(step=e, epoch=e, steps_per_epoch=1, total_steps=4)) for e in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """

    kind: Literal["epoch-decay"] = "epoch-decay"
    """Name of the schedule."""
    divisor: float = Field(default=1.15, ge=1.0)
    """Divides the learning rate after each epoch."""

    @override
    def build(self) -> Schedule:
        return ByClock(lambda clock: self.divisor**-clock.epoch)


class FlatThenCompoundConfig(ScheduleConfig):
    """factor = divisor^-(k(k+1)/2), k = max(0, e - flat_epochs + 1), after e finished epochs.

    The rate is constant for `flat_epochs` epochs. Then, after e finished epochs, the rate
    of the previous epoch is divided by divisor^(e - flat_epochs + 1): each epoch adds one to the power.

    >>> schedule = FlatThenCompoundConfig(flat_epochs=2, divisor=2.0).build()
    >>> [schedule.factor(Clock(step=e, epoch=e, steps_per_epoch=1, total_steps=5)) for e in range(5)]
    [1.0, 1.0, 0.5, 0.125, 0.015625]
    """

    kind: Literal["flat-then-compound"] = "flat-then-compound"
    """Name of the schedule."""
    flat_epochs: int = Field(default=15, ge=0)
    """Epochs at the base learning rate."""
    divisor: float = Field(default=1.15, ge=1.0)
    """Divides the learning rate in the first epoch after the flat ones."""

    @override
    def build(self) -> Schedule:
        return ByClock(self._factor)

    def _factor(self, clock: Clock) -> float:
        k = max(0, clock.epoch - self.flat_epochs + 1)
        return self.divisor ** -(k * (k + 1) / 2)


class LinearConfig(ScheduleConfig):
    """factor = 1 up to progress = hold, then linear decay to `final` at the last step."""

    kind: Literal["linear"] = "linear"
    """Name of the schedule."""
    depends_on_length: ClassVar[bool] = True
    hold: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of all steps at the full rate; 1 never decays."""
    final: float = Field(default=0.0, ge=0.0, le=1.0)
    """Fraction of the base learning rate at the last step."""

    @override
    def build(self) -> Schedule:
        return ByClock(self._factor)

    def _factor(self, clock: Clock) -> float:
        if clock.progress <= self.hold:
            return 1.0
        decayed = (clock.progress - self.hold) / (1.0 - self.hold)
        return (1.0 - decayed) + self.final * decayed


class CosineConfig(ScheduleConfig):
    """Linear warm-up, then half a cosine down (Loshchilov and Hutter 2017, without restarts).

    With W = warmup * total_steps, rounded: factor = (step + 1) / (W + 1) in the first W steps, 1 in the
    next, then final + (1 - final) (1 + cos πp) / 2 with p from 0 there to 1 at the last step.
    """

    kind: Literal["cosine"] = "cosine"
    """Name of the schedule."""
    depends_on_length: ClassVar[bool] = True
    warmup: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of all steps in which the rate rises."""
    final: float = Field(default=0.0, ge=0.0, le=1.0)
    """Fraction of the base learning rate at the last step."""

    @override
    def build(self) -> Schedule:
        return ByClock(self._factor)

    def _factor(self, clock: Clock) -> float:
        rising = round(self.warmup * clock.total_steps)
        if clock.step < rising:
            return (clock.step + 1) / (rising + 1)
        falling = max(1, clock.total_steps - 1 - rising)
        return _ease(1.0, self.final, min(1.0, (clock.step - rising) / falling))


class OneCycleConfig(ScheduleConfig):
    """One rise and one longer fall, both half a cosine (Smith 2018).

    The factor goes from `start` at progress 0 to 1 at progress = rise and to `final` at progress 1.
    """

    kind: Literal["one-cycle"] = "one-cycle"
    """Name of the schedule."""
    depends_on_length: ClassVar[bool] = True
    rise: float = Field(default=0.3, gt=0.0, lt=1.0)
    """Share of all steps before the peak."""
    start: float = Field(default=0.04, gt=0.0, le=1.0)
    """Fraction of the base learning rate at the first step."""
    final: float = Field(default=4e-6, ge=0.0, le=1.0)
    """Fraction of the base learning rate at the last step."""

    @override
    def build(self) -> Schedule:
        return ByClock(self._factor)

    def _factor(self, clock: Clock) -> float:
        if clock.progress <= self.rise:
            return _ease(self.start, 1.0, clock.progress / self.rise)
        return _ease(1.0, self.final, (clock.progress - self.rise) / (1.0 - self.rise))


class PlateauConfig(ScheduleConfig):
    """Multiply the rate by `factor` whenever validation stops improving.

    After more than `patience` validations in a row without a new best the rate is cut, and counting starts
    again.

    >>> schedule = PlateauConfig(factor=0.5, patience=1).build()
    >>> clock = Clock(step=0, epoch=0, steps_per_epoch=1, total_steps=9)
    >>> for improved in (True, False, False, False):
    ...     schedule.observe(improved)
    ...     print(schedule.factor(clock))
    1.0
    1.0
    0.5
    0.5
    """

    kind: Literal["plateau"] = "plateau"
    """Name of the schedule."""
    factor: float = Field(default=0.1, gt=0.0, lt=1.0)
    """Multiplies the learning rate at each cut."""
    patience: int = Field(default=10, ge=0)
    """Validations in a row without a new best that are tolerated before a cut."""
    minimum: float = Field(default=0.0, ge=0.0, le=1.0)
    """Lower bound of the rate, as a fraction of the base learning rate."""

    @override
    def build(self) -> Schedule:
        return Plateau(cut=self.factor, patience=self.patience, minimum=self.minimum)


def _ease(begin: float, end: float, share: float) -> float:
    """Half a cosine from `begin` (share 0) to `end` (share 1)."""
    weight = (1.0 + math.cos(math.pi * share)) / 2.0
    return weight * begin + (1.0 - weight) * end
