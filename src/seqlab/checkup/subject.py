"""What probes examine: a model of any kind, with an example that it reads.

Legend: B sequences, T steps, E features, V outputs.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from seqlab.checkup.arithmetic import narrowest_type, perturb_zeros, rounding_noise
from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded
from seqlab.models.model import State
from seqlab.schema.seeded_generators import seeded_generators

TaskName = Literal["classify", "language-model", "translate", "regress"]
LossFunction = Callable[[Tensor, Tensor], Tensor]
"""Of outputs and targets, as the user's training loop calls it."""
LARGE, MANY, FEW = 2_000_000, 16, 3
"""Number of weights of a large module; changes of one kind that are tried of a small and of a large one."""
EXACT, LARGEST = 1e-9, 1e-3
"""Largest difference of outputs, as a fraction of the largest one, that counts as equal: in float64, where
rounding stays below 1e-12, and in any arithmetic."""


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What a subject is, by which probes decide whether they apply.

    task: what it predicts. per_step: whether it has outputs for each step, else for each sequence. causal:
    whether an output may depend on steps up to its own alone. tokens: whether it reads token ids, else
    features. vocabulary: their number, or that of the features. outputs: V. padding: how it can know padding:
    by lengths or a mask, by a token, or not at all. pad: that token. has_state: whether it returns a state
    that can be given back. fixed_length: whether it is built for one number of steps. layers: kinds of
    layers that connect steps. window: the last steps that are read, where that is a fixed number. trained:
    whether its weights come from training.
    """

    task: TaskName
    per_step: bool
    causal: bool
    tokens: bool
    vocabulary: int
    outputs: int
    padding: Literal["lengths", "token", "unknown"]
    pad: int | None = None
    has_state: bool = False
    fixed_length: bool = False
    source: bool = False
    layers: frozenset[str] = frozenset()
    window: int | None = None
    trained: bool = False


class Subject(ABC):
    """A model that is examined; each probe gets a copy of its own, which it may change.

    module: what is examined. batch: sequences of full length that it reads, with targets. given: the user's
    own example, where there is one. loss_function: the user's own; None is that of the task. tolerance:
    largest difference of outputs, as a fraction of the largest one, that counts as equal. seed: of the global
    generators whenever outputs are computed without gradients.
    """

    def __init__(
        self,
        label: str,
        module: nn.Module,
        batch: Batch,
        traits: Traits,
        *,
        given: Batch | None = None,
        loss_function: LossFunction | None = None,
        notes: tuple[str, ...] = (),
    ):
        self.label, self.module, self.batch, self.traits = label, module, batch, traits
        self.given, self.loss_function, self.notes = given, loss_function, notes
        self.tolerance, self.seed = EXACT, 0
        self.original = module
        self._prepared: nn.Module | None = None

    @abstractmethod
    def read(self, batch: Batch, state: State | None = None) -> tuple[Tensor, State | None]:
        """Outputs (B, T, V) or (B, V), and the state after the last real step of each sequence."""

    @abstractmethod
    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean training loss of the task over real targets, in nats for classes."""

    @abstractmethod
    def draw(self, seed: int, rows: int, steps: int) -> Batch:
        """Another random batch, with targets."""

    @abstractmethod
    def least_loss(self, targets: Sequence[int | float]) -> float:
        """Mean training loss of the best answer that is the same for all these targets."""

    def start(self, rows: int, batch: Batch) -> State | None:
        """The state before the first step; None: the model begins without one."""
        return None

    def outputs(self, batch: Batch, state: State | None = None) -> Tensor:
        """Outputs without gradients."""
        with torch.no_grad(), seeded_generators(self.seed):
            return self.read(batch, state)[0]

    @property
    def large(self) -> bool:
        """Whether a module is so large that fewer changes are tried, each of which costs a pass."""
        return sum(weight.numel() for weight in self.original.parameters()) > LARGE

    def sample(self, begin: int, end: int) -> list[int]:
        """Whole numbers from begin to before end: all, or some that are evenly spaced."""
        count = min(end - begin, FEW if self.large else MANY)
        if count < 2:
            return [*range(begin, end)]
        return [begin + round(index * (end - 1 - begin) / (count - 1)) for index in range(count)]

    def copy(self, module: nn.Module | None = None) -> Subject:
        """The same subject with a module of its own: a copy as it was made, on the CPU, in evaluation."""
        other = copy.copy(self)
        other.module = copy.deepcopy(self.original).cpu().eval() if module is None else module
        return other

    def prepared(self) -> Subject:
        """A copy whose differences are visible: no parameter all zero, in float64 where it is small.

        The tolerance is measured: at least 50 times the change of outputs when each weight changes by the
        rounding of the narrowest type that the module computes with.
        """
        if self._prepared is None:
            self._prepare()
        other = copy.copy(self)
        other.module = copy.deepcopy(self._prepared)  # type: ignore[assignment]
        return other

    def in_type(self, batch: Batch) -> Batch:
        """A batch whose features have the type of the module's weights."""
        tokens = batch.inputs.tokens
        if not tokens.is_floating_point():
            return batch
        weight = next((each for each in self.module.parameters() if each.is_floating_point()), None)
        kind = torch.float32 if weight is None else weight.dtype
        return replace(batch, inputs=Padded(tokens.to(kind), batch.inputs.lengths))

    def _prepare(self) -> None:
        for kind in (torch.float32,) if self.large else (torch.float64, torch.float32):
            module = copy.deepcopy(self.original).cpu().eval().to(kind)
            perturb_zeros(module)

            def run(changed: nn.Module) -> Tensor:
                return self.copy(copy.deepcopy(changed)).outputs(self.batch)

            try:
                narrowest = narrowest_type(lambda module=module: run(module))
                noise = rounding_noise(module, narrowest, run)
            except Exception:
                if kind is torch.float32:
                    raise
                continue
            self._prepared = module
            least = EXACT if narrowest is torch.float64 else 200 * torch.finfo(narrowest).eps
            self.tolerance = min(LARGEST, max(least, 50 * noise))
            return
