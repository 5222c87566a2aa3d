"""SGD on an embedding table that reads and writes only the rows a batch used.

Legend: V rows of the table, H their width, U rows a batch used, M = 2 (a row's values and their momentum).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from seqlab.experiment.state_check import check_state
from seqlab.nn.embedding import Embedding

WINDOW = 64
"""Steps after which every row is brought up to date: a bound on how far a row can lag."""
_CHUNK = 1 << 22
"""Numbers brought up to date at once: bounds the memory needed besides the table."""


class RowWiseSgd:
    """Equal to dense SGD up to rounding, at a cost proportional to the rows used.

    A step of learning rate η maps a row θ with momentum b whose gradient is zero to

        b' = μ b + λ θ,    θ' = θ - η b'    (with Nesterov θ' = θ - η (λ θ + μ b')),

    a linear map of (θ, b). The products of these maps since each of the last steps are kept, 2 x 2 numbers in
    float64 per step, so a row that was not used for k steps catches up when it is used again: one product
    for all its entries, for any k and any change of the rate. All rows catch up every `WINDOW` steps and
    whenever `flush` is called; in between, `weight` is out of date.

    Args:
        table: the embedding; from now on it reads its rows through this object.
        momentum: μ. nesterov: whether the momentum is Nesterov's. weight_decay: λ.
    """

    def __init__(self, table: Embedding, *, momentum: float, nesterov: bool, weight_decay: float):
        self.weight = table.weight
        self._momentum, self._nesterov, self._decay = momentum, nesterov, weight_decay
        self._velocity = torch.zeros_like(self.weight) if momentum else None
        # The index in `_maps` of the step up to which each row is updated.
        self._seen = torch.zeros(self.weight.shape[0], dtype=torch.int64)
        self._maps = torch.eye(2, dtype=torch.float64).unsqueeze(0)
        self._used: tuple[Tensor, Tensor, Tensor | None] | None = None
        table.reader = self

    def __call__(self, tokens: Int[Tensor, "*N"]) -> Float[Tensor, "*N H"]:
        """Up-to-date vectors of a batch's tokens; nothing is written until `step`."""
        # `rows` is a leaf of the graph, so the gradient has U rows, never V.
        ids, inverse = torch.unique(tokens, return_inverse=True)
        rows, velocity = self._caught_up(ids)
        self._used = (ids, rows.requires_grad_(), velocity)
        return functional.embedding(inverse, rows)

    @property
    def gradient(self) -> Float[Tensor, "U H"] | None:
        """The gradient of the rows that the last batch used; all others have none."""
        return None if self._used is None else self._used[1].grad

    @torch.no_grad()
    def step(self, learning_rate: float, factor: float) -> None:
        """One step; none where the table is frozen.

        Args:
            learning_rate: η.
            factor: multiplies the gradients before anything else.
        """
        if not self.weight.requires_grad:
            return
        if self._used is not None and self._used[1].grad is not None:
            self._move(*self._used, learning_rate, factor)
        # maps[k] is the product of the maps of all steps after step k; the newest is the identity.
        identity = torch.eye(2, dtype=torch.float64).unsqueeze(0)
        self._maps = torch.cat([self._map(learning_rate) @ self._maps, identity])
        if self._used is not None:
            self._seen[self._used[0]] = len(self._maps) - 1
        self._used = None
        if len(self._maps) > WINDOW:
            self.flush()

    @torch.no_grad()
    def flush(self) -> None:
        """Bring every row up to date, so that `weight` is what dense steps would have made it."""
        if self._lags:
            stale = (self._seen < len(self._maps) - 1).nonzero().squeeze(1)
            for ids in stale.split(max(1, _CHUNK // self.weight.shape[1])):
                self._write(ids, *self._caught_up(ids))
        self._seen.zero_()
        self._maps = self._maps[-1:]

    def state(self) -> dict[str, Tensor]:
        """The raw state by name, out-of-date rows included: a run continues from it bit for bit."""
        kept = {"weight": self.weight.detach(), "seen": self._seen, "maps": self._maps}
        kept |= {} if self._velocity is None else {"velocity": self._velocity}
        return {name: tensor.clone() for name, tensor in kept.items()}

    @torch.no_grad()
    def restore(self, state: dict[str, Tensor]) -> None:
        """Restore a state.

        Raises:
            ValueError: it is not the state of such a table.
        """
        live = {"weight": self.weight.detach(), "seen": self._seen}
        live |= {} if self._velocity is None else {"velocity": self._velocity}
        check_state(live, state, "rows")
        # There is one map for each of the last steps.
        check_state(self._maps[:1], state["maps"][:1], "rows.maps")
        if not 0 <= int(state["seen"].min()) <= int(state["seen"].max()) < len(state["maps"]):
            raise ValueError(f"'rows.seen' must be indices of the {len(state['maps'])} maps.")
        self.weight.copy_(state["weight"])
        self._seen, self._maps = state["seen"].clone(), state["maps"].clone()
        if self._velocity is not None:
            self._velocity.copy_(state["velocity"])

    @property
    def _lags(self) -> bool:
        """Whether rows without a gradient change at all."""
        return self._velocity is not None or self._decay > 0

    def _map(self, learning_rate: float) -> Float[Tensor, "M M"]:
        """The map that a step without a gradient applies to (θ, b)."""
        momentum, decay = self._momentum, self._decay
        if self._nesterov:
            values = (1 - learning_rate * decay * (1 + momentum), -learning_rate * momentum**2)
        else:
            values = (1 - learning_rate * decay, -learning_rate * momentum)
        return torch.tensor([values, (decay, momentum)], dtype=torch.float64)

    def _caught_up(self, ids: Int[Tensor, " U"]) -> tuple[Tensor, Tensor | None]:
        """Up-to-date values and momentum of some rows."""
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
        """Update the used rows by their gradients."""
        assert rows.grad is not None, "checked by the caller"
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
