"""Averages of the weights of training, of which each kind says how much a step counts.

Legend of the equations: θ the weights after a step, a their average, t the number of steps including this
one. After a step a = a + c (θ - a), with the share c of the kind. Validations, samples, diagnostics and the
result are those of a; training continues with θ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from seqlab.schema.config import Config


class Averaging(ABC):
    """From when on weights are averaged, and the share of each step."""

    @property
    @abstractmethod
    def started(self) -> bool:
        """Whether weights are averaged now; before, the weights themselves are the result."""

    @abstractmethod
    def share(self, step: int) -> float:
        """c, the share of the weights after a step in their average.

        Args:
            step: t, counted from 1.
        """

    @property
    @abstractmethod
    def waiting(self) -> bool:
        """Whether a validation may still start it; patience counts validations only after that."""

    @abstractmethod
    def observe(self, step: int, gain: float) -> None:
        """Called after each validation.

        Args:
            step: after which the weights, or their average, were validated.
            gain: the value of the monitor, with its sign turned so that higher is better.
        """

    @abstractmethod
    def state(self) -> dict[str, list[float]]:
        """Numbers a checkpoint keeps; {} if the step is enough."""

    @abstractmethod
    def restore(self, state: Mapping[str, list[float]], step: int) -> None:
        """Continue from a value that `state` returned after a step.

        Raises:
            ValueError: it is not such a value.
        """


class ByStep(Averaging):
    """Weights are averaged from the first step on, with shares that depend on the step alone.

    Args:
        share: see `Averaging`; None where weights are never averaged.
    """

    def __init__(self, share: Callable[[int], float] | None):
        self._share = share

    @property
    @override
    def started(self) -> bool:
        return self._share is not None

    @override
    def share(self, step: int) -> float:
        assert self._share is not None, "there is an average"
        return self._share(step)

    @property
    @override
    def waiting(self) -> bool:
        return False

    @override
    def observe(self, step: int, gain: float) -> None:
        pass

    @override
    def state(self) -> dict[str, list[float]]:
        return {}

    @override
    def restore(self, state: Mapping[str, list[float]], step: int) -> None:
        if state:
            raise ValueError(f"an average without a state must get none. Got {', '.join(sorted(state))}.")


class Triggered(Averaging):
    """The mean of the weights since validation stopped improving."""

    def __init__(self, interval: int):
        self._interval = interval
        self._gains: list[float] = []
        self._start = 0

    @property
    @override
    def started(self) -> bool:
        return self._start > 0

    @override
    def share(self, step: int) -> float:
        return 1.0 / (step - self._start + 1)

    @property
    @override
    def waiting(self) -> bool:
        return not self.started

    @override
    def observe(self, step: int, gain: float) -> None:
        """Start after the first validation that is no better than one more than `interval` before it."""
        if self.started:
            return
        before = self._gains[: max(0, len(self._gains) - self._interval)]
        if any(gain <= earlier for earlier in before):
            self._start = step
        self._gains.append(gain)

    @override
    def state(self) -> dict[str, list[float]]:
        return {"gains": list(self._gains), "start": [self._start]}

    @override
    def restore(self, state: Mapping[str, list[float]], step: int) -> None:
        whole = state.keys() == self.state().keys() and len(state["start"]) == 1
        if not whole or not 0 <= state["start"][0] <= step:
            raise ValueError(
                f"a triggered average must have gains, and a start up to step {step}. Got {dict(state)}."
            )
        self._gains, self._start = list(state["gains"]), int(state["start"][0])


class AveragingConfig(Config, ABC):
    """Settings of an average of the weights. A subclass is registered by one line in `AVERAGINGS`."""

    kind: str
    """Name of the average."""
    copies: ClassVar[int] = 1
    """Numbers kept of each weight; with none, steps may move single rows of a large embedding."""
    needs_validation: ClassVar[bool] = False
    """Whether validations decide when it starts."""

    @abstractmethod
    def build(self) -> Averaging:
        """The average at the start of training."""


class NoAveragingConfig(AveragingConfig):
    """No average: the weights themselves are validated, and are the result."""

    kind: Literal["none"] = "none"
    """Name of the average."""
    copies: ClassVar[int] = 0

    @override
    def build(self) -> Averaging:
        return ByStep(None)


class EmaConfig(AveragingConfig):
    """Exponential moving average of the weights from the start (after Polyak and Juditsky 1992).

    c = 1 - min(decay, (1 + t) / (10 + t)), from a = θ before the first step: the decay rises, so that the
    weights of the first steps are soon forgotten. This warm-up is that of TensorFlow's
    `ExponentialMovingAverage`, as in EfficientNet (Tan and Le 2019).

    >>> average = EmaConfig(decay=0.99).build()
    >>> [round(1 - average.share(step), 3) for step in (1, 10, 100, 1000)]
    [0.182, 0.55, 0.918, 0.99]
    """

    kind: Literal["ema"] = "ema"
    """Name of the average."""
    decay: float = Field(default=0.999, ge=0.0, lt=1.0)
    """Fraction of the average kept from step to step: it reaches over about 1 / (1 - decay) steps."""

    @override
    def build(self) -> Averaging:
        return ByStep(self._share)

    def _share(self, step: int) -> float:
        return 1.0 - min(self.decay, (1 + step) / (10 + step))


class TriggeredConfig(AveragingConfig):
    """Mean of the weights since validation stopped improving (NT-ASGD, Merity et al. 2018).

    The trigger is the first validation that is no better than the best of those more than `interval`
    validations before it. With T the step of that validation, c = 1 / (t - T + 1), so that a is the mean of
    the weights after the steps T to t. As in the authors' program the last `interval` validations are not
    compared with, so that one lucky validation triggers nothing. `training.patience` counts from T on.

    >>> average = TriggeredConfig(interval=1).build()
    >>> for step, loss in enumerate((3.0, 2.0, 2.5, 2.5), start=1):
    ...     average.observe(step, -loss)
    ...     print(average.started)
    False
    False
    False
    True
    >>> [average.share(step) for step in (5, 6)]
    [0.5, 0.3333333333333333]
    """

    kind: Literal["triggered"] = "triggered"
    """Name of the average."""
    needs_validation: ClassVar[bool] = True
    interval: int = Field(default=5, ge=0)
    """Validations before one that it need not be better than: the non-monotone interval n."""

    @override
    def build(self) -> Averaging:
        return Triggered(self.interval)
