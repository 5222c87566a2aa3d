"""Calling a module of any form: token ids in, logits and state out.

Legend: B sequences, T steps, V outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Int, Shaped
from torch import Tensor, nn
from torch.nn import functional

from seqlab.data.sequences import Padded, length_mask
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
    there are logits for each step, else for each sequence. outputs: V. missing: steps at the end for which
    there are no logits. sort: whether sequences are handed over from the longest to the shortest where the
    module takes lengths, as `pack_padded_sequence` requires. mask_type: of masks. initial: makes the state
    that a module must be given with its first tokens; None: there is no such one. left: whether padding is
    put in front of sequences. labels: whether `forward` must be given targets, of each step or of each
    sequence.
    """

    code: OwnCode
    roles: Roles
    batch_first: bool
    output: str | None
    per_token: bool
    outputs: int
    missing: int = 0
    sort: bool = True
    mask_type: torch.dtype = torch.bool
    initial: Callable[[nn.Module, int], Any] | None = None
    left: bool = False
    labels: Literal["", "steps", "rows"] = ""

    def __call__(
        self,
        module: nn.Module,
        tokens: Shaped[Tensor, "B T *E"],
        lengths: Int[Tensor, " B"],
        state: Any = None,
        source: Padded | None = None,
    ) -> tuple[Tensor, Any]:
        """Logits (B, T, V) or (B, V), and everything that the module has returned.

        Raises:
            OwnCodeError: the module fails, or its output has none of the shapes that are understood.
        """
        order = None
        if self.sort and self.roles.lengths is not None and state is None and not _falls(lengths):
            order = lengths.argsort(descending=True, stable=True)
            tokens, lengths = tokens[order], lengths[order]
            source = None if source is None else source.select(order)
        B, T = tokens.shape[:2]
        shifts = T - lengths if self.left else None
        found = self.raw(module, _rolled(tokens, shifts), lengths, state, source)
        logits = self._logits(found, B, T)
        if shifts is not None and self.per_token:
            logits = _rolled(logits, -shifts)
        if logits.device != tokens.device:
            raise OwnCodeError(
                f"{self.code.label} must return logits on {tokens.device}, as its input is. "
                f"Got {logits.device}."
            )
        return logits if order is None else logits[order.argsort()], found

    def raw(
        self,
        module: nn.Module,
        tokens: Tensor,
        lengths: Tensor,
        state: Any = None,
        source: Padded | None = None,
    ) -> Any:
        """Everything that the module returns, as it is.

        Raises:
            OwnCodeError: the module fails.
        """
        B, T = tokens.shape[:2]
        with self.code.errors(f"it read {B} sequences of {T} tokens"), _default_type(module):
            try:
                return module(**self.arguments(module, tokens, lengths, state, source))
            except IndexError as error:
                if tokens.is_floating_point():
                    raise
                # An embedding with too few rows says neither how many it needs nor for what.
                error.args = (f"{error}, for token ids up to {int(tokens.max())}",)
                raise

    def arguments(
        self,
        module: nn.Module,
        tokens: Tensor,
        lengths: Tensor,
        state: Any = None,
        source: Padded | None = None,
    ) -> dict[str, Any]:
        """What `forward` is given, by the names of its arguments."""
        roles = self.roles
        arguments = {name: self._constant(value, tokens) for name, value in roles.constants.items()}
        arguments[roles.tokens] = self.laid_out(tokens)
        if self.labels and roles.labels is not None:
            zeros = torch.zeros(
                tokens.shape[:2] if self.labels == "steps" else tokens.shape[:1], dtype=torch.int64
            )
            arguments.setdefault(roles.labels, self.laid_out(zeros) if self.labels == "steps" else zeros)
        if roles.lengths is not None:
            arguments[roles.lengths] = lengths.clamp(min=1)
        if roles.mask is not None:
            arguments[roles.mask] = self._mask(lengths, tokens.shape[1], padding=roles.marks_padding)
        if roles.state is not None and state is None and self.initial is not None:
            state = self.initial(module, len(tokens))
        if roles.state is not None and state is not None:
            arguments[roles.state] = state
        if source is not None and roles.source is not None:
            arguments[roles.source] = self.laid_out(source.tokens)
            if roles.source_lengths is not None:
                arguments[roles.source_lengths] = source.lengths
            if roles.source_mask is not None:
                steps, padding = source.tokens.shape[1], roles.source_marks_padding
                arguments[roles.source_mask] = self._mask(source.lengths, steps, padding=padding)
        return arguments

    def _constant(self, value: Any, tokens: Tensor) -> Any:
        if not callable(value):
            return value
        made: Any = value(*tokens.shape[:2])
        return self.laid_out(made)

    def laid_out(self, tokens: Tensor) -> Tensor:
        """A tensor (B, T, ...) in the order of axes that the module reads."""
        return tokens if self.batch_first else tokens.transpose(0, 1)

    def _mask(self, lengths: Tensor, steps: int, *, padding: bool) -> Tensor:
        real = length_mask(lengths.clamp(min=1), steps)
        real = real.flip(1) if self.left else real
        return (~real if padding else real).to(self.mask_type)

    def _logits(self, found: Any, B: int, T: int) -> Tensor:
        candidates = self.candidates(found)
        for tensor in candidates:
            arranged = self.arranged(tensor, B, T)
            if arranged is not None:
                return arranged
        got = ", ".join(str(tuple(tensor.shape)) for tensor in candidates) or type(found).__name__
        raise OwnCodeError(
            f"{self.code.label} must return logits of shape {self._expected(B, T)} for {B} sequences of {T} "
            f"tokens. Got {got}."
        )

    def candidates(self, found: Any) -> list[Tensor]:
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

    def arranged(self, tensor: Tensor, B: int, T: int) -> Tensor | None:
        """A tensor as (B, T, V) or (B, V); None where it has another shape."""
        V, shape = self.outputs, tuple(tensor.shape)
        if self.per_token:
            steps = _per_token(tensor, (B, T - self.missing, V), batch_first=self.batch_first)
            return (
                steps if steps is None or not self.missing else functional.pad(steps, (0, 0, 0, self.missing))
            )
        if shape in ((B, V), (B, 1, V)) or (B == 1 and shape == (V,)):
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
    if V == 1 and shape == ((B, T) if batch_first else (T, B)):
        return (tensor if batch_first else tensor.t()).unsqueeze(2)
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


def _rolled(tokens: Tensor, shifts: Tensor | None) -> Tensor:
    """Each row moved to the right by its shift; what leaves at the end comes back at the beginning."""
    if shifts is None:
        return tokens
    rows = zip(tokens, shifts.tolist(), strict=True)
    return torch.stack([row.roll(shift, dims=0) for row, shift in rows])


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
