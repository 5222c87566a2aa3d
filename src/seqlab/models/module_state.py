"""The state of a module: where it is in an output, and how its tensors are stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from seqlab.models.module_roles import STATES


@dataclass(frozen=True)
class StateForm:
    """How the state of a module is found in its output, and how it is stored.

    find: the state of an output. structure: a state with None for each tensor. axes: the axis of the
    sequences in each of its tensors.
    shapes: of each tensor for one sequence, without that axis.
    """

    find: Callable[[Any], Any]
    structure: Any
    axes: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]

    def flat(self, state: Any) -> list[Tensor]:
        """The tensors of a state, the axis of the sequences first."""
        return [leaf.movedim(axis, 0) for leaf, axis in zip(_leaves(state), self.axes, strict=True)]

    def nested(self, tensors: Sequence[Tensor]) -> Any:
        """The inverse of `flat`."""
        return _filled(
            self.structure,
            (tensor.movedim(0, axis).contiguous() for tensor, axis in zip(tensors, self.axes, strict=True)),
        )


def finders(output: Any, name: str) -> Iterator[Callable[[Any], Any]]:
    """The parts of an output that may be the state."""
    if isinstance(output, tuple | list) and not hasattr(output, "_fields"):
        yield lambda found: found[1]
        if len(output) > 2:
            yield lambda found: tuple(found[1:])
        return
    for key in dict.fromkeys((name, *STATES)):
        if isinstance(output, Mapping) and key in output:
            yield lambda found, key=key: found[key]
        elif not isinstance(output, Mapping) and getattr(output, key, None) is not None:
            yield lambda found, key=key: getattr(found, key)


def form_of(find: Callable[[Any], Any], output: Any, smaller: Any, rows: int) -> StateForm | None:
    """How a state is stored, from the states of two numbers of sequences; None where it is no such thing."""
    try:
        state = find(output)
        leaves, others = _leaves(state), _leaves(find(smaller))
    except (IndexError, KeyError, AttributeError):
        return None
    if not leaves or len(leaves) != len(others):
        return None
    axes, shapes = [], []
    for leaf, other in zip(leaves, others, strict=True):
        if not isinstance(leaf, Tensor) or not isinstance(other, Tensor) or leaf.dim() != other.dim():
            return None
        differing = [axis for axis in range(leaf.dim()) if leaf.shape[axis] != other.shape[axis]]
        if len(differing) != 1 or leaf.shape[differing[0]] != rows:
            return None
        axes.append(differing[0])
        shapes.append(tuple(size for axis, size in enumerate(leaf.shape) if axis != differing[0]))
    structure = _filled(state, iter([None] * len(leaves)))
    return StateForm(find, structure, tuple(axes), tuple(shapes))


def _leaves(state: Any) -> list[Any]:
    """Everything in nested tuples, lists and dictionaries, in order."""
    match state:
        case tuple() | list():
            return [leaf for part in state for leaf in _leaves(part)]
        case dict():
            return [leaf for part in state.values() for leaf in _leaves(part)]
        case _:
            return [state]


def _filled(structure: Any, leaves: Iterator[Any]) -> Any:
    """A nested structure with other leaves, in order."""
    match structure:
        case tuple():
            return tuple(_filled(part, leaves) for part in structure)
        case list():
            return [_filled(part, leaves) for part in structure]
        case dict():
            return {key: _filled(part, leaves) for key, part in structure.items()}
        case _:
            return next(leaves)
