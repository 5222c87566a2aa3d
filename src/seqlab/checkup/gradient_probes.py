"""Probes of gradients: they reach every parameter, and every layer is registered."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor, nn

from seqlab.checkup.finding import Finding, NotApplicableError, broken, sound
from seqlab.checkup.padding_probes import padded_batch
from seqlab.checkup.subject import Subject
from seqlab.data.batch import Batch
from seqlab.schema.errors import UserError

NAMES = 4
"""The largest number of parameters that a message names."""
DRAWS = 8
"""Batches of which at least one must reach a parameter, such as an expert of a mixture."""
SHRINKAGE = 0.2
"""Least mean factor by which a gradient may shrink from step to step."""
GROWTH = 1e4
"""Largest factor by which a gradient may grow from the last step to the first one."""


def gradients_reach_parameters(subject: Subject) -> Finding:
    """∂L/∂w exists, is finite and not all zero, for every parameter w that is not frozen."""
    module = subject.module
    skipped = getattr(getattr(module, "capabilities", None), "no_gradient", frozenset())
    named = {
        name: parameter
        for name, parameter in module.named_parameters()
        if parameter.requires_grad and name not in skipped
    }
    if not named:
        raise NotApplicableError("it has no parameter that can be trained")
    faults = dict.fromkeys(named, "Not connected to the loss")
    if (broken_by := _not_finite(subject, named)) is not None:
        return broken_by
    for batch in _batches(subject):
        faults = {name: fault for name, fault in _faults(subject, batch, named).items() if name in faults}
        faults = {name: fault for name, fault in faults.items() if fault}
        if not faults:
            return _zero_for_good(subject) or sound(f"All {len(named)} parameters have a gradient.", 0.0, 0.0)
    kinds: dict[str, list[str]] = defaultdict(list)
    for name, fault in faults.items():
        kinds[fault].append(name)
    return broken(
        f"{len(faults)} of {len(named)} parameters have no usable gradient. "
        + " ".join(f"{fault}: {_names(names)}." for fault, names in kinds.items()),
        cause="a layer that is never used or whose output is not read; detach or no_grad in forward; dead or "
        "saturated activations; division by zero or overflow (NaN)",
        fix=f"use {next(iter(faults)).rpartition('.')[0] or next(iter(faults))} in forward, or remove it",
        deviation=float(len(faults)),
        counter_example=next(iter(faults)),
        submodule=next(iter(faults)).rpartition(".")[0] or "forward",
    )


def every_parameter_registered(subject: Subject) -> Finding:
    """Every layer and weight of the module is in `parameters()`, which is what an optimizer and `.to` get."""
    module = subject.original
    known = {id(each) for each in (*module.parameters(), *module.buffers())}
    lost = [
        f"{path}.{name}".lstrip(".")
        for path, layer in module.named_modules()
        for name, value in vars(layer).items()
        if not name.startswith("_") and any(id(weight) not in known for weight in _hidden(value))
    ]
    if not lost:
        return sound(f"All layers are registered, with {len(known)} tensors.")
    return broken(
        f"{lost[0]} holds weights that parameters() does not give.",
        cause="layers in a plain list, tuple or dict: they are never trained, moved or saved",
        fix=f"self.{lost[0].rpartition('.')[2]} = nn.ModuleList(...)  # or nn.ModuleDict, nn.Parameter",
        deviation=float(len(lost)),
        counter_example=lost[0],
        submodule=lost[0].rpartition(".")[0] or "forward",
    )


def _batches(subject: Subject) -> list[Batch]:
    batches = [subject.batch]
    for seed in range(20, 20 + DRAWS):
        batches.append(subject.draw(seed, len(subject.batch), subject.batch.inputs.steps))
    return batches


def _zero_for_good(subject: Subject) -> Finding | None:
    """Whether new weights that are all zero get no gradient, and would not after some steps either."""
    made = subject.copy()
    zero = {
        n: p for n, p in made.module.named_parameters() if p.requires_grad and not bool(p.count_nonzero())
    }
    if not zero or subject.traits.trained:
        return None
    optimizer = torch.optim.SGD([p for p in made.module.parameters() if p.requires_grad], lr=0.01)
    for batch in _batches(subject)[:3]:
        optimizer.zero_grad()
        loss = made.loss(made.read(batch)[0], batch)
        loss.backward()
        optimizer.step()
        zero = {name: p for name, p in zero.items() if p.grad is None or not bool(p.grad.count_nonzero())}
    if not zero:
        return None
    return broken(
        f"{len(zero)} parameters are all zero and get no gradient: {_names([*zero])}.",
        cause="both factors of a product begin at zero",
        fix="nn.init.normal_(weight, std=0.02)  # one of the two",
        deviation=float(len(zero)),
        counter_example=next(iter(zero)),
        submodule=next(iter(zero)).rpartition(".")[0] or "forward",
    )


def _not_finite(subject: Subject, named: dict[str, nn.Parameter]) -> Finding | None:
    """The finding where sequences that end early, or the user's example, give no finite gradient."""
    examples = {"the example": subject.given}
    if subject.traits.padding != "unknown":
        examples = {"sequences that end early": padded_batch(subject), **examples}
    for what, batch in examples.items():
        if batch is None:
            continue
        try:
            outputs, _ = subject.read(batch)
        except UserError:
            continue  # reported by others
        loss = subject.loss(outputs, batch)
        if not loss.requires_grad:
            continue
        gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
        bad = [
            name
            for name, g in zip(named, gradients, strict=True)
            if g is not None and not bool(g.isfinite().all())
        ]
        if bad:
            return broken(
                f"{len(bad)} of {len(named)} parameters have a gradient that is NaN or infinite for {what}: "
                f"{_names(bad)}.",
                cause="a softmax over -inf alone, a root or norm of zero, a division by zero, at padding",
                fix="scores.masked_fill(~mask, -1e9)  # or torch.sqrt(x + 1e-12)",
                deviation=float(len(bad)),
                counter_example=what,
                submodule=bad[-1].rpartition(".")[0] or "forward",
            )
    return None


def _faults(subject: Subject, batch: Batch, named: dict[str, nn.Parameter]) -> dict[str, str]:
    outputs, _ = subject.read(batch)
    loss = subject.loss(outputs, batch)
    gradients: tuple[Tensor | None, ...] = (None,) * len(named)
    if loss.requires_grad:
        gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {name: _fault(gradient) for name, gradient in zip(named, gradients, strict=True)}


def _fault(gradient: Tensor | None) -> str:
    if gradient is None:
        return "Not connected to the loss"
    if gradient.is_sparse:
        gradient = gradient.coalesce().values()
    if not gradient.isfinite().all():
        return "NaN or infinite"
    return "" if gradient.count_nonzero() else "All zero"


def _names(names: list[str]) -> str:
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return ", ".join(names[:NAMES]) + more


def _hidden(value: object) -> list[Tensor]:
    """The weights in a plain list, tuple or dict, and in its modules."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    found: list[Tensor] = []
    for item in items:
        if isinstance(item, nn.Module):
            found += [*item.parameters()]
        elif isinstance(item, nn.Parameter):
            found.append(item)
    return found
