"""Calling a module of any form: token ids in, logits and state out.

Legend: B sequences, T steps, V outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from seqlab.data.sequences import length_mask
from seqlab.models.module_roles import Roles
from seqlab.schema.own_code import OwnCode, OwnCodeError

LOGITS = ("logits", "output", "outputs", "scores", "predictions", "prediction", "out")
"""Keys and attributes of an output that may hold the logits, in this order."""


@dataclass(frozen=True)
class ModuleCall:
    """How a module is called, and how its outputs are read.

    code: the module's own. roles: of forward's arguments. batch_first: whether token ids are (B, T), else
    (T, B).
    output: the number, key or attribute of the logits; None: found by name and shape. per_token: whether
    there are logits for each step, else for each sequence. outputs: V.
    """

    code: OwnCode
    roles: Roles
    batch_first: bool
    output: str | None
    per_token: bool
    outputs: int

    def __call__(
        self, module: nn.Module, tokens: Int[Tensor, "B T"], lengths: Int[Tensor, " B"], state: Any = None
    ) -> tuple[Tensor, Any]:
        """Logits (B, T, V) or (B, V), and everything that the module has returned.

        Sequences are handed over from the longest to the shortest where the module takes lengths, as
        `pack_padded_sequence` requires.

        Raises:
            OwnCodeError: the module fails, or its output has none of the shapes that are understood.
        """
        order = None
        if self.roles.lengths is not None and state is None and not _falls(lengths):
            order = lengths.argsort(descending=True, stable=True)
            tokens, lengths = tokens[order], lengths[order]
        B, T = tokens.shape
        with self.code.errors(f"it read {B} sequences of {T} tokens"), _default_type(module):
            try:
                found = module(**self._arguments(tokens, lengths, state))
            except IndexError as error:
                # An embedding with too few rows says neither how many it needs nor for what.
                error.args = (f"{error}, for token ids up to {int(tokens.max())}",)
                raise
        logits = self._logits(found, B, T)
        if logits.device != tokens.device:
            raise OwnCodeError(
                f"{self.code.label} must return logits on {tokens.device}, as its input is. "
                f"Got {logits.device}."
            )
        return logits if order is None else logits[order.argsort()], found

    def _arguments(self, tokens: Tensor, lengths: Tensor, state: Any) -> dict[str, Any]:
        roles = self.roles
        arguments: dict[str, Any] = {roles.tokens: tokens if self.batch_first else tokens.t()}
        if roles.lengths is not None:
            arguments[roles.lengths] = lengths.clamp(min=1)
        if roles.mask is not None:
            real = length_mask(lengths.clamp(min=1), tokens.shape[1])
            arguments[roles.mask] = ~real if roles.marks_padding else real
        if roles.state is not None and state is not None:
            arguments[roles.state] = state
        return arguments

    def _logits(self, found: Any, B: int, T: int) -> Tensor:
        candidates = self._candidates(found)
        for tensor in candidates:
            arranged = self._arranged(tensor, B, T)
            if arranged is not None:
                return arranged
        got = ", ".join(str(tuple(tensor.shape)) for tensor in candidates) or type(found).__name__
        raise OwnCodeError(
            f"{self.code.label} must return logits of shape {self._expected(B, T)} for {B} sequences of {T} "
            f"tokens. Got {got}."
        )

    def _candidates(self, found: Any) -> list[Tensor]:
        """The tensors that may be the logits, likely ones first."""
        if self.output is not None:
            return _tensors([_part(self.code, found, self.output)])
        match found:
            case Tensor():
                return _tensors([found])
            case Mapping():
                return _tensors([found[key] for key in LOGITS if key in found] or list(found.values()))
            case tuple() | list():
                return _tensors([getattr(found, key) for key in LOGITS if hasattr(found, key)] or list(found))
            case _:
                return _tensors([getattr(found, key) for key in LOGITS if hasattr(found, key)])

    def _expected(self, B: int, T: int) -> str:
        V = self.outputs
        if self.per_token:
            return f"({B}, {T}, {V})" if self.batch_first else f"({T}, {B}, {V})"
        return f"({B}, {V})" + (f", ({B}, 1) or ({B},)" if V == 2 else f" or ({B},)" if V == 1 else "")

    def _arranged(self, tensor: Tensor, B: int, T: int) -> Tensor | None:
        """A tensor as (B, T, V) or (B, V); None where it has another shape."""
        V, shape = self.outputs, tuple(tensor.shape)
        if self.per_token:
            return _per_token(tensor, (B, T, V), batch_first=self.batch_first)
        if shape == (B, V) or (B == 1 and shape == (V,)):
            return tensor.reshape(B, V)
        if V in (1, 2) and (shape in ((B,), (B, 1)) or (B == 1 and shape == ())):
            one = tensor.reshape(B, 1)
            # Of two classes, z is the logit of the second: softmax([0, z]) is the logistic function of z.
            return one if V == 1 else torch.cat([torch.zeros_like(one), one], dim=1)
        return None


def _per_token(tensor: Tensor, sizes: tuple[int, int, int], *, batch_first: bool) -> Tensor | None:
    B, T, V = sizes
    shape = tuple(tensor.shape)
    # Where sizes are equal, several orders fit: the one of the inputs comes first.
    if shape == ((B, T, V) if batch_first else (T, B, V)):
        return tensor if batch_first else tensor.transpose(0, 1)
    if shape == (B * T, V):
        return tensor.view(B, T, V) if batch_first else tensor.view(T, B, V).transpose(0, 1)
    if shape == (B, V, T):
        return tensor.transpose(1, 2)
    return None


def _tensors(values: list[Any]) -> list[Tensor]:
    return [value for value in values if isinstance(value, Tensor) and value.is_floating_point()]


def _part(code: OwnCode, found: Any, name: str) -> Any:
    """One output by its key, attribute or number."""
    if isinstance(found, Mapping) and name in found:
        return found[name]
    if isinstance(found, tuple | list) and name.isdecimal() and int(name) < len(found):
        return found[int(name)]
    if hasattr(found, name):
        return getattr(found, name)
    raise OwnCodeError(
        f"'model.roles.output' must be an output of {code.label}. Got {name!r} for a {type(found).__name__}."
    )


def _falls(lengths: Int[Tensor, " B"]) -> bool:
    return bool((lengths[1:] <= lengths[:-1]).all())


@contextmanager
def _default_type(module: nn.Module) -> Iterator[None]:
    """New tensors have the type of the module's weights inside the block, such as zeros of a first state."""
    weight = next((each for each in module.parameters() if each.is_floating_point()), None)
    before = torch.get_default_dtype()
    if weight is None or weight.dtype == before:
        yield
        return
    torch.set_default_dtype(weight.dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
