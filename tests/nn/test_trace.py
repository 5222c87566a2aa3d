"""Hidden states and the gradient of each, compared with loops in which every state is a tensor of its own."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from seqlab.nn.cells import CELLS
from seqlab.nn.implementation import Implementation
from seqlab.nn.native import builds
from seqlab.nn.recurrent import RecurrentStack
from seqlab.nn.trace import Trace, traced

B, T, E, H = 5, 7, 4, 6
LENGTHS = torch.tensor([7, 3, 0, 1, 5])
IMPLEMENTATIONS: tuple[Implementation, ...] = get_args(Implementation)


def stack(
    cell: str, implementation: Implementation = "kernels", *, bidirectional: bool = True
) -> RecurrentStack:
    generator = torch.Generator().manual_seed(0)
    settings = {"layers": 2, "bidirectional": bidirectional}
    return RecurrentStack(cell, E, H, generator=generator, implementation=implementation, **settings)


def inputs() -> tuple[Tensor, Tensor]:
    """The input, and the weight of each output in the loss."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(B, T, E, generator=generator), torch.randn(B, T, 2 * H, generator=generator)


def step_by_step(layer: RecurrentStack, x: Tensor, weight: Tensor, final: bool) -> tuple[list, list]:
    """States and their gradients by a loop over steps, directions and layers; one tensor per layer."""
    layer = layer.double()
    mask = (torch.arange(T) < LENGTHS.unsqueeze(1)).unsqueeze(2)
    every: list[Tensor] = []
    x, loss = x.double(), torch.zeros((), dtype=torch.float64)
    for depth in range(layer.layers):
        outputs = []
        for suffix in layer.suffixes:
            step = layer.cell.equations(layer._weights(depth, suffix))
            w_ih, b_ih = (getattr(layer, f"{name}_l{depth}{suffix}") for name in ("weight_ih", "bias_ih"))
            state = tuple(x.new_zeros(B, H) for _ in layer.cell.states)
            hidden = [torch.empty(0)] * T
            for t in reversed(range(T)) if suffix else range(T):
                new = step(x[:, t] @ w_ih.T + b_ih, state)
                state = tuple(torch.where(mask[:, t], n, old) for n, old in zip(new, state, strict=True))
                hidden[t] = state[0]
            every += hidden
            outputs.append(torch.stack(hidden, 1) * mask)
            if final:
                loss = loss + state[-1].square().sum()
        x = torch.cat(outputs, 2)
    loss = loss + (x * weight.double()).sum()
    gradients = torch.autograd.grad(loss, every)

    def by_layer(tensors: list[Tensor]) -> list[Tensor]:
        rows = [torch.stack(tensors[i : i + T], 1) * mask for i in range(0, len(tensors), T)]
        directions = len(layer.suffixes)
        return [torch.cat(rows[i : i + directions], 2).detach() for i in range(0, len(rows), directions)]

    return by_layer(every), by_layer(list(gradients))


def trace_of(layer: RecurrentStack, x: Tensor, weight: Tensor, final: bool) -> Trace:
    with traced(layer) as traces:
        y, _, state = layer(x, LENGTHS)
        assert state is not None
        loss = (y * weight).sum()
        if final:
            loss = loss + state[layer.cell.states[-1]].square().sum()
        loss.backward()
    return traces[""]


IMPLEMENTATIONS_AND_BUILDS: list[tuple[Implementation, str]] = [
    *(("kernels", build) for build in builds.available_builds()),
    ("torch", "reference"),
    ("equations", "reference"),
]


@pytest.mark.parametrize("final", [False, True], ids=["outputs", "outputs and final states"])
@pytest.mark.parametrize(("implementation", "kernels"), IMPLEMENTATIONS_AND_BUILDS)
@pytest.mark.parametrize("cell", list(CELLS))
def test_states_and_gradients_of_every_step(
    cell: str, implementation: Implementation, kernels: str, final: bool
) -> None:
    x, weight = inputs()
    bidirectional = not final or cell == "lstm"
    weight = weight if bidirectional else weight[..., :H]
    with builds.use_build(kernels):
        trace = trace_of(stack(cell, implementation, bidirectional=bidirectional), x, weight, final)
    states, gradients = step_by_step(stack(cell, bidirectional=bidirectional), x, weight, final)
    for actual, expected in ((trace.states, states), (trace.gradients, gradients)):
        torch.testing.assert_close([tensor.double() for tensor in actual], expected, rtol=2e-5, atol=2e-6)
    padding = torch.arange(T) >= LENGTHS.unsqueeze(1)
    assert not any(tensor[padding].any() for tensor in (*trace.states, *trace.gradients))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("cell", list(CELLS))
def test_a_trace_changes_no_result(cell: str, implementation: Implementation) -> None:
    x, weight = inputs()
    plain, watched = stack(cell, implementation), stack(cell, implementation)
    y, _, _ = plain(x, LENGTHS)
    (y * weight).sum().backward()
    trace = trace_of(watched, x, weight, False)
    torch.testing.assert_close(trace.states[-1], y.detach(), rtol=1e-6, atol=1e-6)
    for plain_weight, watched_weight in zip(plain.parameters(), watched.parameters(), strict=True):
        torch.testing.assert_close(plain_weight.grad, watched_weight.grad, rtol=1e-4, atol=1e-5)


def test_a_trace_contains_only_the_last_forward_pass_and_gradients_after_the_backward_pass() -> None:
    layer, (x, _) = stack("lstm"), inputs()
    with traced(layer) as traces:
        layer(2 * x, LENGTHS)
        y, _, _ = layer(x, LENGTHS)
        trace = traces[""]
        assert len(trace.states) == len(trace.gradients) == layer.layers
        assert torch.equal(trace.states[-1], y)
        assert not any(gradient.any() for gradient in trace.gradients)
        y.sum().backward()
        assert all(gradient.any() for gradient in trace.gradients)
    assert layer.trace is None


def test_traces_are_keyed_by_the_stacks_names_and_end_when_an_error_is_raised() -> None:
    model = nn.ModuleDict({"encoder": stack("elman"), "decoder": stack("lstm")})

    def broken() -> None:
        with traced(model) as traces:
            assert set(traces) == {"encoder", "decoder"}
            raise KeyError("anything")

    with pytest.raises(KeyError, match="anything"):
        broken()
    assert all(part.trace is None for part in model.values() if isinstance(part, RecurrentStack))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_states_without_gradients(implementation: Implementation) -> None:
    layer, (x, _) = stack("gru-reset-before", implementation), inputs()
    with torch.no_grad(), traced(layer) as traces:
        y, _, _ = layer(x, LENGTHS)
    assert torch.equal(traces[""].states[-1], y)
