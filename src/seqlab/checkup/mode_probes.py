"""Probes of modes: evaluation is repeatable, and training runs the same path."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from seqlab.checkup.finding import Finding, NotApplicableError, NotExaminedError, broken, sound
from seqlab.checkup.subject import Subject
from seqlab.checkup.submodules import recorded_outputs

DROPOUTS = frozenset(
    ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
)
"""Names of torch's functions that drop values at random."""


def repeatable(subject: Subject) -> Finding:
    """In evaluation f(x) = f(x): no dropout, no draws, nothing that is kept from call to call."""
    batch = subject.batch
    modes = [path for path, layer in subject.module.named_modules() if layer.training]
    with _ActiveDropout() as dropout:
        first = subject.outputs(batch)
    same = subject.outputs(batch)
    subject.seed = 1
    other = subject.outputs(batch)
    kept, drawn = _distance(first, same), _distance(same, other)
    size = max(kept, drawn)
    if size <= subject.tolerance:
        return sound("Two evaluations of the same input agree.", size, subject.tolerance)
    if dropout.active or modes:
        cause, fix = "dropout is active in evaluation", "F.dropout(x, p, training=self.training)"
    elif drawn > subject.tolerance and kept <= subject.tolerance:
        cause, fix = "outputs depend on random draws", "h = x.new_zeros(B, size)  # not torch.randn"
    else:
        cause, fix = "a state is kept from call to call", "self.hidden = None  # at the begin of forward"
    return broken(
        f"Two evaluations of the same input differ by {size:.1e} of the largest output.",
        cause=cause,
        fix=fix,
        deviation=size,
        tolerance=subject.tolerance,
        counter_example="the same input twice",
        submodule=modes[0] if modes else _first_random(subject),
    )


def training_equals_evaluation(subject: Subject) -> Finding:
    """Without dropout, f in training mode equals f in evaluation: both run the same path."""
    module = subject.module
    if any(_keeps_statistics(layer) for layer in module.modules()):
        raise NotApplicableError("batch normalisation differs in training by design")
    expected = subject.outputs(subject.batch)
    module.train()
    for layer in module.modules():
        if isinstance(layer, nn.modules.dropout._DropoutNd):
            layer.p = 0.0
        if isinstance(layer, nn.RNNBase):
            layer.dropout = 0.0
        if isinstance(layer, nn.MultiheadAttention):
            layer.dropout = 0.0
        if "dropout" in type(layer).__name__.lower():
            layer.eval()
    with _WithoutDropout():
        found = subject.outputs(subject.batch)
        subject.seed = 1
        again = subject.outputs(subject.batch)
    if found.shape != expected.shape:
        raise NotExaminedError("outputs have another shape in training")
    if _distance(found, again) > subject.tolerance:
        raise NotExaminedError("training draws at random even without dropout")
    # Some modules return probabilities only in evaluation.
    views = [
        found,
        found.softmax(-1),
        found.log_softmax(-1),
        found.sigmoid(),
        found.argmax(-1, keepdim=True).to(found),
    ]
    distance = min(_distance(expected, view) for view in views if view.shape == expected.shape)
    if distance <= subject.tolerance:
        return sound("Training without dropout equals evaluation.", distance, subject.tolerance)
    return broken(
        f"Without dropout, outputs in training differ from those in evaluation by {distance:.1e} of "
        "the largest.",
        cause="code that runs in one mode only, such as a scale, a layer or teacher forcing",
        fix="keep `if self.training` for dropout alone",
        deviation=distance,
        tolerance=subject.tolerance,
        counter_example="the same input in both modes",
        submodule=_first_between_modes(subject),
    )


def _first_random(subject: Subject) -> str:
    with recorded_outputs(subject.module) as first:
        subject.outputs(subject.batch)
    subject.seed += 1
    with recorded_outputs(subject.module) as second:
        subject.outputs(subject.batch)
    return _first_unequal(first, second, subject.tolerance)


def _first_between_modes(subject: Subject) -> str:
    module = subject.module
    with _WithoutDropout(), recorded_outputs(module) as first:
        subject.outputs(subject.batch)
    module.eval()
    with recorded_outputs(module) as second:
        subject.outputs(subject.batch)
    return _first_unequal(first, second, subject.tolerance)


def _first_unequal(first: Any, second: Any, tolerance: float) -> str:
    for (path, layer, expected, _), (_, _, found, _) in zip(first, second, strict=False):
        pairs = zip(expected, found, strict=False)
        if any(
            a.shape == b.shape and a.is_floating_point() and a.numel() and _distance(a, b) > tolerance
            for a, b in pairs
        ):
            return f"{path} ({type(layer).__name__})"
    return "forward"


def _keeps_statistics(layer: nn.Module) -> bool:
    return getattr(layer, "running_mean", None) is not None or "batchnorm" in type(layer).__name__.lower()


class _ActiveDropout(TorchFunctionMode):
    """Notes whether dropout drops anything."""

    def __init__(self) -> None:
        super().__init__()
        self.active = False

    @override
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in DROPOUTS:
            p = kwargs.get("p", args[1] if len(args) > 1 else 0.5)
            training = kwargs.get("training", args[2] if len(args) > 2 else True)
            self.active |= bool(training) and p > 0
        return func(*args, **kwargs)


class _WithoutDropout(TorchFunctionMode):
    """Makes every dropout function the identity."""

    @override
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in DROPOUTS:
            return args[0] if args else kwargs["input"]
        if name == "scaled_dot_product_attention":
            kwargs.pop("dropout_p", None)
            args = (*args[:4], 0.0, *args[5:]) if len(args) > 4 else args
        return func(*args, **kwargs)


@contextmanager
def training_mode(module: nn.Module) -> Iterator[None]:
    """The module is in training mode inside the block."""
    module.train()
    try:
        yield
    finally:
        module.eval()


def _distance(first: Tensor, second: Tensor) -> float:
    scale = first.abs().max().item()
    difference = (first - second).abs().where(first != second, 0.0).nan_to_num(nan=math.inf).max().item()
    return difference / scale if scale > 0 else difference
