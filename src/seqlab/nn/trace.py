"""Hidden states of layers, and the loss's whole gradient with respect to each of them.

Legend: B rows, T steps, H features of a state (of both directions where there are two).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqlab.nn.padding import zero_padding


@dataclass
class Trace:
    """What one stack of layers did in its last forward pass, a tensor a layer.

    The state of a layer at a step is what the same layer reads of it at other steps: the output h_t of a
    recurrence, the input of a layer with attention.

    states: of each layer, zeros behind a row's length, cut from the graph.
    gradients: dL/dh_t, through the layer's output and through every later step; zeros behind a row's length.
        There from the backward pass on.
    """

    states: list[Float[Tensor, "B T H"]] = field(default_factory=list)
    gradients: list[Float[Tensor, "B T H"]] = field(default_factory=list)

    def begin(self) -> None:
        """Forget the forward pass before."""
        self.states.clear()
        self.gradients.clear()

    def layer(self, y: Float[Tensor, "B T H"]) -> None:
        """Take a layer's states; its gradients are zeros until the backward pass."""
        self.states.append(y.detach())
        self.gradients.append(torch.zeros_like(y))

    def watch(self, x: Float[Tensor, "B T H"], lengths: Int[Tensor, " B"]) -> None:
        """Take a layer's states, and their gradients from the graph that they are part of."""
        place = len(self.states)
        self.layer(zero_padding(x, lengths))

        def take(gradient: Tensor) -> None:
            self.gradients[place] = zero_padding(gradient, lengths)

        if x.requires_grad:
            x.register_hook(take)


class Traceable:
    """A module that hands the states of its layers to a trace, where there is one."""

    trace: Trace | None = None


@contextmanager
def traced(module: nn.Module) -> Iterator[dict[str, Trace]]:
    """Record every stack of layers in a module while the context lasts; traces go by the stacks' names.

    >>> from seqlab.nn.recurrent import RecurrentStack
    >>> stack = RecurrentStack("lstm", 3, 5, generator=torch.Generator().manual_seed(0))
    >>> with traced(stack) as traces:
    ...     y, _, _ = stack(torch.ones(2, 4, 3), torch.tensor([4, 3]))
    ...     y[:, 2].sum().backward()
    >>> traces[""].gradients[0].norm(dim=2).gt(0).tolist()
    [[True, True, True, False], [True, True, True, False]]
    """
    stacks = {name: part for name, part in module.named_modules() if isinstance(part, Traceable)}
    traces = {name: Trace() for name in stacks}
    for name, stack in stacks.items():
        stack.trace = traces[name]
    try:
        yield traces
    finally:
        for stack in stacks.values():
            stack.trace = None
