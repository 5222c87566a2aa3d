"""The submodule in which two runs first differ, by hooks. Legend: B sequences, T steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from seqlab.checkup.subject import Subject
from seqlab.data.batch import Batch

Recorded = list[tuple[str, nn.Module, list[Tensor], list[Tensor]]]
"""Path, module, outputs and inputs of each call of a submodule, in the order in which calls ended."""


@contextmanager
def recorded_outputs(module: nn.Module) -> Iterator[Recorded]:
    """Record what every submodule reads and returns inside the block."""
    calls: Recorded = []

    def hook(path: str) -> Callable[[Any, Any, Any], None]:
        def record(layer: Any, arguments: Any, output: Any) -> None:
            calls.append((path, layer, _tensors(output), _tensors(arguments)))

        return record

    with ExitStack() as stack:
        for path, layer in module.named_modules():
            if path:
                stack.callback(layer.register_forward_hook(hook(path)).remove)
        yield calls


def first_difference(
    subject: Subject,
    one: Batch,
    other: Batch,
    rows: Tensor | None = None,
    steps: int | None = None,
    *,
    pooled: bool = False,
) -> str:
    """The first submodule whose outputs differ in the given rows and first steps of two batches.

    Where its inputs differ already, the mistake is in what `forward` does before it.

    Args:
        subject: reads the batches.
        one: a batch.
        other: the same with a change that must not act.
        rows: of an axis of the size of the batch; None: all.
        steps: number of steps of an axis of their size; None: whatever sizes are equal.
        pooled: whether the outputs of a layer without any axis of steps count as well.
    """
    before, after = _run(subject, one), _run(subject, other)
    sizes = [(len(batch), batch.inputs.steps) for batch in (one, other)]

    def differ(first: list[Tensor], second: list[Tensor]) -> bool:
        # The last state of a recurrent layer may be that after padding, where nothing reads it.
        whole = pooled and all(one.inputs.steps not in tensor.shape for tensor in first)
        for tensors in zip(first, second, strict=False):
            a, b = (
                _selected(tensor, size, rows, steps, pooled=whole)
                for tensor, size in zip(tensors, sizes, strict=True)
            )
            if a is None or b is None or a.shape != b.shape or not a.numel():
                continue
            difference = (a.double() - b.double()).abs().max().item()
            if difference > subject.tolerance * max(1e-30, a.double().abs().max().item()):
                return True
        return False

    for (path, layer, expected, given), (_, _, found, read) in zip(before, after, strict=False):
        if differ(expected, found):
            return f"{'forward, before ' if differ(given, read) else ''}{path} ({type(layer).__name__})"
    return "forward"


def _tensors(values: Any) -> list[Tensor]:
    leaves = tree_leaves(tuple(values) if type(values).__name__ == "PackedSequence" else values)
    return [leaf.detach() for leaf in leaves if isinstance(leaf, Tensor)]


def _run(subject: Subject, batch: Batch) -> Recorded:
    with recorded_outputs(subject.module) as calls:
        subject.outputs(batch)
    return calls


def _selected(
    tensor: Tensor, sizes: tuple[int, int], rows: Tensor | None, steps: int | None, *, pooled: bool
) -> Tensor | None:
    B, T = sizes
    shape = list(tensor.shape)
    if B not in shape:
        return None
    if rows is not None:
        tensor = tensor.index_select(shape.index(B), rows)
    if steps is None or (pooled and T not in shape):
        return tensor
    return tensor.narrow(shape.index(T), 0, steps) if T in shape else None
