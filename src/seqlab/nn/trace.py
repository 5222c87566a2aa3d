"""Hidden states of layers, and the total gradient of the loss with respect to each of them.

Legend: B batch size, T steps, E features of an input, H features of a state (of both directions where
there are two).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.nn.gates import BoundedActivation
from seqlab.nn.padding import zero_padding


@dataclass
class Trace:
    """The states of a stack of layers in its last forward pass, and their gradients; one tensor per layer.

    The state of a layer at a step is what the same layer reads of it at other steps: the output h_t of a
    recurrence, the input of a layer with attention.

    lengths: steps of each sequence, which are fewer than its tokens after a pooling of steps.
    initial: the output before the first step of each layer and direction of a recurrence, detached.
    inputs: what each layer of a recurrence read, detached from the graph.
    states: of each layer, zero at padding, detached from the graph.
    gradients: dL/dh_t, through the layer's output and through every later step; zero at padding, and all zero
        until the backward pass.
    """

    lengths: Int[Tensor, " B"] = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    initial: Float[Tensor, "B LD H"] = field(default_factory=lambda: torch.empty(0, 0, 0))
    inputs: list[Float[Tensor, "B T E"]] = field(default_factory=list)
    states: list[Float[Tensor, "B T H"]] = field(default_factory=list)
    gradients: list[Float[Tensor, "B T H"]] = field(default_factory=list)

    def begin(self, lengths: Int[Tensor, " B"], initial: Float[Tensor, "B LD H"] | None = None) -> None:
        """Discard the previous forward pass, for one of sequences of these lengths."""
        self.lengths = lengths
        self.initial = torch.empty(0, 0, 0) if initial is None else initial
        self.inputs.clear()
        self.states.clear()
        self.gradients.clear()

    def layer(self, y: Float[Tensor, "B T H"]) -> None:
        """Record a layer's states; its gradients are zeros until the backward pass."""
        self.states.append(y.detach())
        self.gradients.append(torch.zeros_like(y))

    def watch(self, x: Float[Tensor, "B T H"], lengths: Int[Tensor, " B"]) -> None:
        """Record a layer's states, and in the backward pass their gradients."""
        index = len(self.states)
        self.layer(zero_padding(x, lengths))

        def record(gradient: Tensor) -> None:
            self.gradients[index] = zero_padding(gradient, lengths)

        # A hook on the tensor, not on a module: it is called once with the sum over all paths to the loss.
        if x.requires_grad:
            x.register_hook(record)


class Traceable:
    """A module that records the states of its layers in a trace, if it has one."""

    trace: Trace | None = None

    def bounded_activations(self) -> Sequence[tuple[int, BoundedActivation]]:
        """What saturates in the traced forward pass, each with its layer, from 1.

        () where nothing does, or where it is not known.
        """
        return ()


def traceable(module: nn.Module) -> dict[str, Traceable]:
    """Every stack of layers in a module that can be traced, by name."""
    return {name: part for name, part in module.named_modules() if isinstance(part, Traceable)}


@contextmanager
def traced(module: nn.Module) -> Iterator[dict[str, Trace]]:
    """Record every stack of layers in a module while the context is active; keys are the stacks' names.

    >>> from seqlab.nn.recurrent import RecurrentStack
    >>> stack = RecurrentStack("lstm", 3, 5, generator=torch.Generator().manual_seed(0))
    >>> with traced(stack) as traces:
    ...     y, _, _ = stack(torch.ones(2, 4, 3), torch.tensor([4, 3]))
    ...     y[:, 2].sum().backward()
    >>> traces[""].gradients[0].norm(dim=2).gt(0).tolist()
    [[True, True, True, False], [True, True, True, False]]
    """
    stacks = traceable(module)
    traces = {name: Trace() for name in stacks}
    for name, stack in stacks.items():
        stack.trace = traces[name]
    try:
        yield traces
    finally:
        for stack in stacks.values():
            stack.trace = None
