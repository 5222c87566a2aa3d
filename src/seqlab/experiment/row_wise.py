"""SGD on an embedding table that reads and writes only the rows a batch used.

Legend: V rows of the table, H their width, U rows a batch used, M = 2 (a row's values and their momentum).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from seqlab.nn.embedding import Embedding

if TYPE_CHECKING:
    from seqlab.experiment.optimizers import SgdConfig

WINDOW = 64
"""Steps after which every row is brought up to date, so that no row lags behind by more."""
_CHUNK = 1 << 22
"""Numbers brought up to date at once, so that little memory is needed besides the table."""


class RowWiseSgd:
    """The same steps as dense SGD, to rounding, at the cost of the rows used.

    A row θ with momentum b whose gradient is zero goes, in a step of learning rate η, to

        b' = μ b + λ θ,    θ' = θ - η b'    (with Nesterov θ' = θ - η (λ θ + μ b')),

    a linear map of (θ, b). The products of these maps since each of the last steps are kept, 2 x 2 numbers in
    float64 a step, so a row that was not used for k steps is caught up at once when it is used again: one
    product for all its entries, whatever k and however the rate changed. All rows are caught up every
    `WINDOW` steps, and whenever `flush` is called; between, `weight` lags behind.

    Args:
        table: the embedding; it reads through this object from now on.
        config: momentum μ, weight decay λ, and whether the momentum is Nesterov's.
    """

    def __init__(self, table: Embedding, config: SgdConfig):
        self.weight = table.weight
        self._momentum, self._nesterov, self._decay = config.momentum, config.nesterov, config.weight_decay
        self._velocity = torch.zeros_like(self.weight) if config.momentum else None
        self._seen = torch.zeros(self.weight.shape[0], dtype=torch.int64)
        self._maps = torch.eye(2, dtype=torch.float64).unsqueeze(0)
        self._used: tuple[Tensor, Tensor, Tensor | None] | None = None
        table.reader = self

    def __call__(self, tokens: Int[Tensor, "*N"]) -> Float[Tensor, "*N H"]:
        """Vectors of a batch's tokens, caught up; nothing is written until `step`."""
        ids, places = torch.unique(tokens, return_inverse=True)
        rows, velocity = self._caught_up(ids)
        self._used = (ids, rows.requires_grad_(), velocity)
        return functional.embedding(places, rows)

    @property
    def gradient(self) -> Float[Tensor, "U H"] | None:
        """That of the rows the last batch used; all others have none."""
        return None if self._used is None else self._used[1].grad

    @torch.no_grad()
    def step(self, learning_rate: float, factor: float) -> None:
        """One step.

        Args:
            learning_rate: η.
            factor: what the gradients are multiplied by before anything else.
        """
        if self._used is not None and self._used[1].grad is not None:
            self._move(*self._used, learning_rate, factor)
        still = torch.eye(2, dtype=torch.float64).unsqueeze(0)
        self._maps = torch.cat([self._map(learning_rate) @ self._maps, still])
        if self._used is not None:
            self._seen[self._used[0]] = len(self._maps) - 1
        self._used = None
        if len(self._maps) > WINDOW:
            self.flush()

    @torch.no_grad()
    def flush(self) -> None:
        """Bring every row up to date, so that `weight` is what dense steps would have made of it."""
        if self._lags:
            stale = (self._seen < len(self._maps) - 1).nonzero().squeeze(1)
            for ids in stale.split(max(1, _CHUNK // self.weight.shape[1])):
                self._write(ids, *self._caught_up(ids))
        self._seen.zero_()
        self._maps = self._maps[-1:]

    def state(self) -> dict[str, Tensor]:
        """Everything that is kept, raw, by name: a run goes on from it to the bit."""
        kept = {"weight": self.weight.detach(), "seen": self._seen, "maps": self._maps}
        kept |= {} if self._velocity is None else {"velocity": self._velocity}
        return {name: tensor.clone() for name, tensor in kept.items()}

    @torch.no_grad()
    def restore(self, state: dict[str, Tensor]) -> None:
        """Go back to a state."""
        self.weight.copy_(state["weight"])
        self._seen, self._maps = state["seen"].clone(), state["maps"].clone()
        if self._velocity is not None:
            self._velocity.copy_(state["velocity"])

    @property
    def _lags(self) -> bool:
        """Whether rows without a gradient move at all."""
        return self._velocity is not None or self._decay > 0

    def _map(self, learning_rate: float) -> Float[Tensor, "M M"]:
        """What a step without a gradient does to (θ, b)."""
        momentum, decay = self._momentum, self._decay
        if self._nesterov:
            values = (1 - learning_rate * decay * (1 + momentum), -learning_rate * momentum**2)
        else:
            values = (1 - learning_rate * decay, -learning_rate * momentum)
        return torch.tensor([values, (decay, momentum)], dtype=torch.float64)

    def _caught_up(self, ids: Int[Tensor, " U"]) -> tuple[Tensor, Tensor | None]:
        """Values and momentum of some rows as of now."""
        rows = self.weight.detach().index_select(0, ids)
        velocity = None if self._velocity is None else self._velocity.index_select(0, ids)
        if not self._lags:
            return rows, velocity
        maps = self._maps[self._seen[ids]].to(rows.dtype)
        if velocity is None:
            return rows.mul_(maps[:, 0, :1]), None
        moved = (maps[:, 0, :1] * rows).addcmul_(maps[:, 0, 1:], velocity)
        return moved, velocity.mul_(maps[:, 1, 1:]).addcmul_(maps[:, 1, :1], rows)

    def _move(
        self, ids: Tensor, rows: Tensor, velocity: Tensor | None, learning_rate: float, factor: float
    ) -> None:
        """Move used rows along their gradients."""
        assert rows.grad is not None, "seen by the caller"
        direction = (rows.grad * factor).add_(rows, alpha=self._decay)
        rows = rows.detach()
        if velocity is None:
            self._write(ids, rows.sub_(direction, alpha=learning_rate), None)
            return
        velocity.mul_(self._momentum).add_(direction)
        along = direction.add_(velocity, alpha=self._momentum) if self._nesterov else velocity
        self._write(ids, rows.sub_(along, alpha=learning_rate), velocity)

    def _write(self, ids: Tensor, rows: Tensor, velocity: Tensor | None) -> None:
        self.weight.index_copy_(0, ids, rows)
        if self._velocity is not None and velocity is not None:
            self._velocity.index_copy_(0, ids, velocity)
