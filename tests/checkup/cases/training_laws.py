"""Laws of losses, gradients and weights that a case keeps or breaks; see `laws.py`."""

from __future__ import annotations

import math
from typing import Any

import torch
from cases.calling import (
    ROUNDING,
    Law,
    as_double,
    call,
    fixed,
    is_padding,
    output_of,
    outputs,
    prepared,
    sequence_name,
    training_loss,
    without_dropout,
)
from cases.case import Case, copied
from cases.laws import padding_amount
from cases.parts import token_loss
from torch import Tensor, nn


def finite(case: Case) -> bool:
    """Outputs and gradients are finite."""
    loss, module = training_loss(case)
    loss.backward()
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    return bool(loss.isfinite()) and all(bool(g.isfinite().all()) for g in gradients)


def parameters_used(case: Case) -> bool:
    """Every trainable parameter gets a gradient that is not all zero."""
    loss, module = training_loss(case)
    loss.backward()
    return all(
        parameter.grad is not None and bool(parameter.grad.count_nonzero())
        for parameter in module.parameters()
        if parameter.requires_grad
    )


def parameters_learn(case: Case) -> bool:
    """A few steps of Adam change every parameter, also one that has no gradient at the very start."""
    module = case.build().eval()
    arguments, targets = case.example()
    assert targets is not None
    before = [parameter.detach().clone() for parameter in module.parameters()]
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        (case.loss or token_loss)(output_of(module(**copied(arguments))), targets).backward()
        optimizer.step()
    return not any(torch.equal(old, new) for old, new in zip(before, module.parameters(), strict=True))


def weights_are_state(case: Case) -> bool:
    """A module that loads the weights of another one gives the same outputs: all weights are registered."""
    module, arguments, _ = prepared(case)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        other = case.module().double().eval()
    other.load_state_dict(module.state_dict())
    return torch.allclose(outputs(case, module, arguments), outputs(case, other, arguments), atol=ROUNDING)


def stays_tied(case: Case) -> bool:
    """Tensors that are equal at the start are one tensor, also after loading a saved module."""
    module = case.build()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        other = case.module()
    other.load_state_dict(module.state_dict())
    weights = module.get_parameter("head.weight"), module.get_parameter("embedding.weight")
    loaded = other.get_parameter("head.weight"), other.get_parameter("embedding.weight")
    one = weights[0].data_ptr() == weights[1].data_ptr()
    return one and loaded[0].data_ptr() == loaded[1].data_ptr() and torch.equal(weights[0], loaded[0])


def step_gradients(case: Case) -> Tensor:
    """Norms (T,) of the gradient of the last output with respect to the inputs of each step."""
    module, arguments, _ = prepared(case)
    seen: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        seen.append(output.detach().requires_grad_())
        return seen[-1]

    embedding = next((part for part in module.modules() if isinstance(part, nn.Embedding)), None)
    name = sequence_name(arguments)
    if embedding is None:
        seen.append(arguments[name].clone().requires_grad_())
        arguments = arguments | {name: seen[-1]}
        with fixed():
            output = output_of(module(**arguments))
    else:
        embedding.register_forward_hook(keep)
        output = output_of(call(module, arguments))
    last = output[:, -1] if output.dim() == 3 else output
    (gradient,) = torch.autograd.grad(last.square().sum(), seen[0], allow_unused=True)
    return torch.zeros(seen[0].shape[1]) if gradient is None else gradient.norm(dim=2).mean(dim=0)


def gradients_reach_back(case: Case) -> bool:
    """The gradient at the first step is neither vanishing nor exploding, compared with the last one."""
    norms = step_gradients(case)
    return bool(1e-7 < norms[0] / norms[-1] < 1e4)


def padding_row_is_fixed(case: Case) -> bool:
    """The padding's embedding is zero, or masked: training does not change it."""
    loss, module = training_loss(case)
    loss.backward()
    embedding = next(part for part in module.modules() if isinstance(part, nn.Embedding))
    arguments, _ = case.example()
    name = sequence_name(arguments)
    (row,) = arguments[name][is_padding(case, arguments, name)].unique()
    gradient = embedding.weight.grad
    assert gradient is not None
    if gradient[row].count_nonzero():
        return False
    return not embedding.weight[row].count_nonzero() or padding_amount(case)


def overfits(case: Case, *, steps: int = 150) -> bool:
    """The example can be memorised."""
    module = without_dropout(case.build().train())
    arguments, targets = case.example()
    optimizer, losses = torch.optim.Adam(module.parameters(), lr=0.02), []
    for _ in range(steps):
        result = module(**copied(arguments))
        if targets is None:
            loss = result["loss"] if isinstance(result, dict) else result.loss
        else:
            loss = (case.loss or token_loss)(output_of(result), targets)
        losses.append(loss.item())
        if not loss.requires_grad:
            return False
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses[-1] < 0.2 * losses[0]


def starts_at_chance(case: Case) -> bool:
    """The initial loss of a classifier over C classes is about log C nats."""
    module = case.build().eval()
    arguments, targets = case.example()
    assert targets is not None
    with torch.no_grad():
        found = output_of(call(module, arguments))
    loss = (case.loss or token_loss)(found, targets)
    return bool(loss < 2 * math.log(found.shape[-1]))


def every_submodule_called(case: Case) -> bool:
    """No part without parts of its own is left out of the forward pass."""
    module, arguments, _ = prepared(case)
    left = {part for part in module.modules() if not list(part.children())}
    for part in list(left):
        part.register_forward_hook(lambda part, *_: left.discard(part))
    call(module, arguments)
    return not left


def setting_acts(**values: Any) -> Law:
    """Another value of a setting gives another module, by its parameters, structure or outputs."""

    def law(case: Case) -> bool:
        arguments = {name: as_double(value) for name, value in case.example()[0].items()}
        found = []
        for settings in ({}, values):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                module = type(case.build())(**settings).double().train()
            with torch.no_grad():
                found.append((shapes(module), output_of(call(module, arguments))))
        (first, before), (second, after) = found
        return first != second or not torch.equal(before, after)

    return law


def shapes(module: nn.Module) -> list[tuple[str, torch.Size]]:
    return [(name, parameter.shape) for name, parameter in module.named_parameters()]
