"""An example of the user's own, by what its tensors are.

Legend: B sequences, T steps, E features.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded
from seqlab.models.check_roles import CheckRoles, check_roles
from seqlab.models.module_guess import code_of
from seqlab.schema.errors import UserError

INPUTS = ("tokens", "features", "inputs", "input", "x")
TARGETS = ("targets", "target", "labels", "label", "y")
ROLES = ("source", "lengths", "source_lengths", "mask", "source_mask")


@dataclass(frozen=True)
class UserBatch:
    """tensors: by role; tokens or features (B, T) or (B, T, E), targets, lengths and others.

    constants: further arguments of forward. state: that of the example. batch_first: the order of axes that
    the tensors show by their sizes; None without an example.
    """

    tensors: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    constants: Mapping[str, Any] = field(default_factory=dict[str, Any])
    batch_first: bool | None = None
    state: Any = None

    @property
    def left(self) -> bool:
        """Whether padding is in front, by the mask."""
        mask = self.tensors.get("mask")
        if mask is None or mask.dim() != 2 or "tokens" not in self.tensors:
            return False
        real = self._real(mask)
        return bool((~real[:, 0]).any()) and bool(real[:, -1].all())

    def as_batch(self, pad: int | None) -> Batch | None:
        """The example as a batch; None where it has no inputs."""
        tokens = self._sequence("tokens", self.tensors.get("features"))
        if tokens is None:
            return None
        lengths = self._lengths("lengths", "mask", tokens, pad)
        source = self._sequence("source")
        padded = None
        if source is not None:
            padded = Padded(source, self._lengths("source_lengths", "source_mask", source, pad))
        targets = self.tensors.get("targets")
        inputs = Padded(tokens, lengths)
        if targets is not None and targets.dim() > 1 and self.batch_first is False:
            targets = targets.transpose(0, 1)
        if targets is None:
            return Batch(inputs, torch.zeros(len(tokens), dtype=torch.long), padded)
        per_step = targets.dim() >= 2 and targets.shape[1] == tokens.shape[1]
        if per_step:
            return Batch(inputs, Padded(targets, lengths), padded)
        flat = targets.reshape(len(tokens)) if targets.numel() == len(tokens) else targets
        return Batch(inputs, flat, padded)

    def _sequence(self, name: str, other: Tensor | None = None) -> Tensor | None:
        found = self.tensors.get(name, other)
        return found if found is None or self.batch_first is not False else found.transpose(0, 1)

    @staticmethod
    def _real(mask: Tensor) -> Tensor:
        """True at tokens, which at least one row has at its beginning, and one at its end."""
        real = mask.bool()
        return real if bool(real[:, 0].all()) or bool(real[:, -1].all()) else ~real

    def _lengths(self, name: str, mask: str, tokens: Tensor, pad: int | None) -> Tensor:
        B, T = tokens.shape[:2]
        if name in self.tensors:
            return self.tensors[name].long()
        if mask in self.tensors and tuple(self.tensors[mask].shape) == (B, T):
            return self._real(self.tensors[mask]).sum(dim=1)
        if pad is not None and not tokens.is_floating_point():
            last = (tokens != pad).long() * torch.arange(1, T + 1)
            return last.amax(dim=1).clamp(min=1)
        return torch.full((B,), T)


def user_batch(module: nn.Module, batch: Any, roles: CheckRoles) -> UserBatch:
    """What the tensors of an example are.

    Args:
        module: that reads it.
        batch: a tensor; a tuple of arguments of forward; or a mapping by role or by name of an argument.
        roles: what the user has said.

    Raises:
        UserError: a value is of no known form.
    """
    names = [*inspect.signature(module.forward).parameters]
    if batch is None:
        return UserBatch()
    if isinstance(batch, Tensor):
        batch = (batch,)
    if isinstance(batch, Mapping):
        named: dict[str, Any] = {str(key): value for key, value in batch.items()}
    elif isinstance(batch, Sequence):
        named = dict(zip(names, batch, strict=False))
        extra = batch[len(names) :]
        if len(extra) == 1:
            named["targets"] = extra[0]
    else:
        raise UserError(
            "'batch' must be a tensor, a tuple of arguments of forward, or a dict of them. "
            f"Got {type(batch).__name__}."
        )
    return _sorted(module, named, names, roles)


def _sorted(module: nn.Module, named: Mapping[str, Any], names: list[str], settings: CheckRoles) -> UserBatch:
    roles = check_roles(code_of(module), module, settings)
    by_argument = {
        roles.tokens: "tokens",
        roles.source: "source",
        roles.lengths: "lengths",
        roles.source_lengths: "source_lengths",
        roles.mask: "mask",
        roles.source_mask: "source_mask",
        roles.state: "state",
        roles.labels: "targets",
    }
    tensors: dict[str, Tensor] = {}
    constants: dict[str, Any] = {}
    state = None
    for name, value in named.items():
        role = by_argument.get(name) or _role(name)
        if role == "state":
            state = value
            continue
        if role is not None and isinstance(value, Tensor | list):
            tensors[role] = torch.as_tensor(value).detach().cpu()
        elif name in names:
            constants[name] = _repeated(value, tensors)
        else:
            known = ", ".join((*INPUTS[:2], *ROLES, "targets", *names))
            raise UserError(f"A key of 'batch' must be one of {known}. Got {name!r}.")
    if "tokens" in tensors and tensors["tokens"].is_floating_point():
        tensors["features"] = tensors.pop("tokens")
    return UserBatch(tensors, constants, _batch_first(tensors, settings), state)


def _repeated(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """A tensor (B, T, ...) of an example as a function of B and T; any other value as it is.

    Of each step it has another value of the example, the same in every row.
    """
    inputs = tensors.get("tokens", tensors.get("features"))
    if not isinstance(value, Tensor) or inputs is None or value.shape[:2] != inputs.shape[:2]:
        return value
    known = value.unique() if value.dim() == 2 else value[0]

    def repeat(rows: int, steps: int) -> Tensor:
        each = known[torch.arange(steps) % len(known)]
        return each.expand(rows, *each.shape).clone()

    return repeat


def _role(name: str) -> str | None:
    if name in INPUTS:
        return "tokens"
    if name in TARGETS:
        return "targets"
    return name if name in ROLES else None


def _batch_first(tensors: Mapping[str, Tensor], settings: CheckRoles) -> bool | None:
    if settings.axes != "auto":
        return settings.axes == "batch-first"
    inputs = tensors.get("tokens", tensors.get("features"))
    if inputs is None:
        return None
    if inputs.dim() < 2 or inputs.shape[0] == inputs.shape[1]:
        return True
    rows = {
        len(value) for name, value in tensors.items() if name in ("lengths", "targets") and value.dim() == 1
    }
    # An example is (batch, time) unless its sizes show that it is not, or the user says so.
    return len(rows) != 1 or rows.pop() != inputs.shape[1]
