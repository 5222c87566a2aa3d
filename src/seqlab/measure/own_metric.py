"""Metrics of the user's own: a function of some targets, or a class that counts them.

Legend: N targets, V outputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from seqlab.measure.metric import Mean, Scored, TargetMetric, nothing_scored
from seqlab.models.input_spec import Output
from seqlab.schema import own_code
from seqlab.schema.errors import unknown
from seqlab.schema.metric_spec import MetricSpec
from seqlab.schema.own_arguments import call_arguments, read_parameters
from seqlab.schema.own_code import OwnCode, OwnCodeError
from seqlab.schema.records import Record, Scalar
from seqlab.tasks.own_metric_spec import own_metric_spec

_GIVEN: dict[str, Callable[[Scored], Tensor]] = {
    "targets": lambda scored: scored.targets.clone(),
    "probabilities": lambda scored: scored.logits.double().softmax(dim=1),
    "logits": lambda scored: scored.logits.clone(),
    "predictions": lambda scored: (
        scored.logits[:, 0].clone() if scored.targets.is_floating_point() else scored.logits.argmax(dim=1)
    ),
}
"""What a metric may ask for, by the names of its arguments; each is its own, so that it may be changed."""
_OF_OUTPUTS = frozenset({"probabilities", "logits"})
_TRIED = (2, 1, 3)
"""Sizes of the pieces in which targets are counted to try a metric."""


class OwnMetric(TargetMetric):
    """A metric of the user's own, which is one number; see `metric_class`."""

    outputs: ClassVar[tuple[Output, ...]] = ("class", "text", "number")
    code: ClassVar[OwnCode]
    spec: ClassVar[MetricSpec]

    def __init__(self, unit: str, labels: tuple[str, ...] = ()):
        super().__init__(unit, labels)
        self._mean, self._counted = Mean(), 0
        self._counter = None
        function = self.code.value
        if isinstance(function, type):
            arguments = call_arguments(self.code, {}, key=self.code.name)
            with self.code.errors("it was made"):
                self._counter = function(**arguments)
            function = _method(self.code, self._counter, "update")
            _method(self.code, self._counter, "value")
        self._function = function
        self._arguments = _arguments(self.code, function)

    @override
    def update(self, scored: Scored) -> None:
        given = {name: _GIVEN[name](scored) for name in self._arguments}
        with self.code.errors("it counted targets"):
            result = self._function(**given)
        self._counted += len(scored.targets)
        if self._counter is None:
            self._mean.add(_per_target(self.code, result, len(scored.targets)))

    @override
    def records(self, split: str) -> list[Record]:
        if self._counted == 0:
            raise nothing_scored(split)
        value = self._mean.value(split) if self._counter is None else self._value(self._counter)
        if not math.isfinite(value):
            raise OwnCodeError(f"{self.code.label} must be finite. Got {value} in split {split!r}.")
        return [Scalar(name=self.spec.name, value=value, unit=self.spec.unit, split=split)]

    def _value(self, counter: Any) -> float:
        with self.code.errors("it gave its value"):
            value = counter.value()
        if (number := _number(value)) is None:
            raise OwnCodeError(
                f"value of {self.code.label} must return one number. Got {type(value).__name__}."
            )
        return number

    @classmethod
    @override
    def check(cls, output: Output, outputs: int) -> None:
        """Try the metric on a few targets, all at once and in pieces; see `Metric.check`."""
        metric = cls("target")
        if output == "number" and (asked := sorted(_OF_OUTPUTS & set(metric._arguments))):
            raise OwnCodeError(
                f"{cls.code.label} must not ask for {asked[0]!r} where numbers are predicted. "
                "Nearest: 'predictions'."
            )
        draws = torch.Generator().manual_seed(0)
        logits = torch.randn((sum(_TRIED), outputs), generator=draws)
        targets = torch.randint(outputs, (sum(_TRIED),), generator=draws)
        if output == "number":
            targets = targets + torch.rand(sum(_TRIED), generator=draws)
        whole = Scored(torch.ones(len(logits)), logits, targets, torch.zeros_like(targets))
        metric.update(whole)
        pieces = cls("target")
        for part in torch.arange(len(logits)).split(list(_TRIED)):
            pieces.update(Scored(whole.nats[part], logits[part], targets[part], whole.positions[part]))
        (one,), (other,) = (_values(each) for each in (metric, pieces))
        if not math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9):
            raise OwnCodeError(
                f"{cls.code.label} must not depend on the pieces in which targets are counted. "
                f"Got {one:.6g} for {len(logits)} targets at once, {other:.6g} in {len(_TRIED)} pieces."
            )


def _values(metric: OwnMetric) -> list[float]:
    return [record.value for record in metric.records("valid") if isinstance(record, Scalar)]


def metric_class(key: str) -> type[TargetMetric]:
    """The metric that `FILE.py:NAME` names.

    A function returns one number for each target, whose mean is the metric. Its arguments are any of
    `targets` (N,), `probabilities` (N, V), `logits` (N, V) and `predictions` (N,), which are the likeliest
    outputs or the predicted numbers. A class counts targets by `update`, with the same arguments, and
    `value()` is the metric. Either has an attribute `better`, "lower" or "higher", and may have a `unit`.

    Raises:
        UserError: there is no such function or class.
        OwnCodeError: it does not say which values are better.
    """
    own = own_code.load(key)

    class Named(OwnMetric):
        code = own
        spec = own_metric_spec(own)

    return Named


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, str | bytes) else float(value)
    except Exception:  # the user's class of numbers may raise anything
        return None


def _method(code: OwnCode, counter: Any, name: str) -> Any:
    method = getattr(counter, name, None)
    if not callable(method):
        raise OwnCodeError(f"{code.label} must have the methods update and value. Got none of name {name!r}.")
    return method


def _arguments(code: OwnCode, function: Any) -> list[str]:
    names = list(read_parameters(code, function))
    for name in names:
        if name not in _GIVEN:
            raise OwnCodeError(str(unknown("argument", name, _GIVEN, where=f"for {code.label} to have")))
    return names


def _per_target(code: OwnCode, result: Any, count: int) -> Tensor:
    try:
        values = torch.as_tensor(result)
    except Exception:  # the user's class of sequences may raise anything
        values = None
    if values is None or values.shape != (count,) or values.is_complex() or values.is_meta:
        kind = "" if values is None else f", {str(values.dtype).removeprefix('torch.')} on {values.device}"
        got = type(result).__name__ if values is None else f"shape {tuple(values.shape)}{kind}"
        raise OwnCodeError(
            f"{code.label} must return one number for each of {count} targets, shape ({count},). Got {got}."
        )
    return values.detach()
