"""Probes of outputs: they are alive, and logits where a loss needs logits."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from seqlab.checkup.finding import Finding, NotApplicableError, NotExaminedError, broken, sound
from seqlab.checkup.subject import Subject
from seqlab.checkup.submodules import Recorded, recorded_outputs

SATURATED = 0.999
"""Share of a layer's outputs that are at a bound, from which it counts as saturated."""
DROPOUTS = frozenset(
    ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
)


def outputs_alive(subject: Subject) -> Finding:
    """Outputs differ between inputs, and take both signs: no dead ReLU, no saturation, no constant answer."""
    batches = [subject.batch, *_more(subject)]
    with recorded_outputs(subject.module) as calls:
        outputs = torch.cat([subject.outputs(batch).flatten(0, -2) for batch in batches])
    if not bool(outputs.isfinite().all()):
        return broken(
            "Outputs are NaN or infinite.",
            cause="division by zero, log of zero, or a softmax over -inf alone",
            fix="x / x.norm().clamp(min=1e-6)  # or log_softmax in place of log(softmax)",
            submodule=next((p for p, _, tensors, _ in calls if _not_finite(tensors)), "forward"),
        )
    spread = (outputs.amax(0) - outputs.amin(0)).max().item()
    scale = max(outputs.abs().max().item(), 1e-30)
    dead = _dead_layer(calls)
    if spread <= subject.tolerance * scale:
        return broken(
            "Every input gets the same outputs.",
            cause="dead or saturated activations, or an input that is ignored",
            fix="remove the ReLU before the output, scale the inputs, lower the initial weights",
            deviation=spread / scale,
            tolerance=subject.tolerance,
            submodule=dead or "forward",
        )
    if dead:
        return broken(
            f"Outputs of {dead} are the same number for every input.",
            cause="its inputs are all negative (ReLU) or too large (sigmoid, tanh)",
            fix="scale what it reads: nn.Embedding for ids, x / sqrt(size), a smaller initialisation",
            submodule=dead,
        )
    return _clipped(subject, outputs) or sound(
        f"Outputs vary by {spread / scale:.1e} of the largest.", spread / scale
    )


def loss_gets_logits(subject: Subject) -> Finding:
    """The loss of a perfect prediction tends to 0: no softmax or sigmoid twice, none left out."""
    traits = subject.traits
    if traits.task == "regress":
        raise NotApplicableError("a regression has no logits")
    kind = getattr(subject, "range", "logits")
    if subject.loss_function is not None and subject.given is not None:
        return _perfect(subject, kind)
    several = getattr(subject, "several", False)
    if kind == "probabilities" and traits.outputs > 1 and not several:
        return broken(
            "Outputs of each row are probabilities: none is negative, and they sum to 1.",
            cause="softmax before a loss that applies it, such as cross-entropy "
            "(if your loss takes probabilities, give it as `loss`)",
            fix="return self.output(x)  # without softmax; F.cross_entropy applies it",
            deviation=math.log1p((traits.outputs - 1) / math.e),
            counter_example="a certain and right prediction",
            submodule="forward",
        )
    return sound(f"Outputs are {kind}.")


def _more(subject: Subject) -> list[Any]:
    return [
        subject.draw(seed, len(subject.batch), subject.batch.inputs.steps)
        for seed in ((11,) if subject.large else (11, 12, 13))
    ]


def _clipped(subject: Subject, outputs: Tensor) -> Finding | None:
    """Whether logits pass a ReLU, or a sigmoid after one: they never fall below 0, or below one half."""
    if subject.traits.task == "regress":
        return None
    outputs = torch.cat([outputs, *_of_negated_head(subject)])
    for bound, what, fix in (
        (0.0, "0: a ReLU is the last layer", "return self.output(x)  # without ReLU"),
        (
            0.5,
            "0.5: a ReLU is before the sigmoid",
            "torch.sigmoid(self.output(x))  # without ReLU between them",
        ),
    ):
        at = (outputs == bound).double().mean().item()
        if outputs.min().item() >= bound and at > 0.02:
            return broken(
                f"No output falls below {what}; {at:.0%} are exactly there, and have no gradient.",
                cause="an activation that cuts off one side before the output",
                fix=fix,
                deviation=at,
                tolerance=0.02,
                submodule="forward",
                counter_example="any input",
            )
    return None


def _of_negated_head(subject: Subject) -> list[Tensor]:
    """Outputs with the last linear layer negated: what was positive by chance is negative there."""
    with recorded_outputs(subject.module) as calls:
        subject.outputs(subject.batch)
    last = next((layer for _, layer, *_ in reversed(calls) if isinstance(layer, nn.Linear)), None)
    if last is None:
        return []
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.neg_()
    return [subject.outputs(subject.batch).flatten(0, -2)]


def _not_finite(tensors: list[Tensor]) -> bool:
    return any(bool(tensor.isnan().any()) for tensor in tensors if tensor.is_floating_point())


def _dead_layer(calls: Recorded) -> str:
    """The path of an activation whose outputs are all the same, "" if there is none."""
    values: dict[str, list[Tensor]] = {}
    names: dict[str, nn.Module] = {}
    for path, layer, tensors, _ in calls:
        if isinstance(layer, nn.ReLU | nn.Sigmoid | nn.Tanh | nn.ReLU6 | nn.LeakyReLU | nn.ELU):
            values.setdefault(path, []).extend(tensor.flatten() for tensor in tensors)
            names[path] = layer
    for path, tensors in values.items():
        whole = torch.cat(tensors)
        if isinstance(names[path], nn.Sigmoid | nn.Tanh):
            low = -1.0 if isinstance(names[path], nn.Tanh) else 0.0
            at_bound = ((whole - 1).abs() < 1e-4) | ((whole - low).abs() < 1e-4)
            if at_bound.double().mean().item() > SATURATED:
                return path
        elif whole.numel() > 1 and bool((whole == 0).all()):
            return path
    return ""


def _perfect(subject: Subject, kind: str) -> Finding:
    """The user's loss of the best outputs that the module can give."""
    assert subject.given is not None, "there are targets"
    targets = subject.given.target_values
    outputs = subject.outputs(subject.given)
    best = _best(outputs, targets, kind)
    if best is None:
        raise NotExaminedError("targets are not classes")
    lowest = _least(subject, best, targets)
    count = _count(subject, outputs, targets)
    if lowest < -1e-6:
        why = "log-probabilities, but gets logits: the loss falls without bound"
        fix = "F.cross_entropy(logits, targets)  # or log_softmax before nll_loss"
    elif lowest > 0.2 * count:
        why = f"logits, but gets {kind}: softmax or sigmoid is applied twice"
        fix = "return self.output(x)  # without softmax or sigmoid, which the loss applies"
    else:
        return sound(f"A perfect prediction has a loss of {lowest:.2g}.", lowest, 0.2)
    return broken(
        f"The best outputs of the module, certain and right, have a loss of {lowest:.3g}, not 0.",
        cause=f"the loss takes {why}",
        fix=fix,
        deviation=abs(lowest),
        tolerance=0.2,
        counter_example="a certain and right prediction",
        submodule="loss",
    )


def _best(outputs: Tensor, targets: Tensor, kind: str) -> Tensor | None:
    V = outputs.shape[-1]
    if targets.is_floating_point() and targets.shape != outputs.shape and V != 1:
        return None
    if V == 1 or targets.shape == outputs.shape:
        wanted = targets.reshape(outputs.shape).to(outputs)
        return {"probabilities": wanted.clamp(1e-7, 1 - 1e-7)}.get(kind, (2 * wanted - 1) * 40)
    hot = nn.functional.one_hot(targets.long().clamp(0, V - 1), V).to(outputs)
    if kind == "probabilities":
        return hot * (1 - 1e-7) + 1e-7 / V
    return torch.where(hot > 0, 0.0, -40.0).to(outputs) if kind == "log-probabilities" else 40 * hot


def _least(subject: Subject, best: Tensor, targets: Tensor) -> float:
    return _user_loss(subject, best, targets)


def _count(subject: Subject, outputs: Tensor, targets: Tensor) -> float:
    """1 for a mean; the number of targets for a sum."""
    usual = abs(_user_loss(subject, outputs, targets))
    return max(1.0, usual / max(1e-6, math.log(max(2, outputs.shape[-1])) + 5))


def _user_loss(subject: Subject, outputs: Tensor, targets: Tensor) -> float:
    assert subject.loss_function is not None, "there is a loss"
    from seqlab.checkup.user_loss import call_loss

    return float(call_loss(subject, outputs, targets))
