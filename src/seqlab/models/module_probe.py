"""Finding out how a module is called and what it promises, by trying it on random token ids.

Legend: B sequences, T steps, V outputs.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from seqlab.models.input_spec import InputSpec
from seqlab.models.module_call import ModuleCall
from seqlab.models.module_roles import Roles, RolesConfig, forward_roles
from seqlab.models.module_state import StateForm, finders, form_of
from seqlab.models.module_training import check_training
from seqlab.schema.own_code import OwnCode, OwnCodeError

EXACT, ROUNDED = 1e-9, 1e-4
"""Largest difference, as a fraction of the largest logit, that counts as equal in float64 and in float32."""


@dataclass(frozen=True)
class Adapter:
    """How a module is used, and what was found out about it.

    call: how it is called. state: its state; None where it has none that can be carried. alone: whether
    sequences influence each other in evaluation, so that each is read alone. equal_lengths: whether padding
    influences outputs, so that only sequences of one length are read together. padding: the id that fills
    padding; None: it stays as it comes. notes: all of this in sentences.
    """

    call: ModuleCall
    state: StateForm | None
    alone: bool
    equal_lengths: bool
    padding: int | None
    notes: tuple[str, ...] = field(default=())


def adapted(code: OwnCode, module: nn.Module, spec: InputSpec, settings: RolesConfig) -> Adapter:
    """Find out how a module is called; it is not changed, and neither are generators.

    Args:
        code: of the module.
        module: as it was made.
        spec: sizes of inputs and outputs.
        settings: what the names of arguments do not say.

    Raises:
        OwnCodeError: it cannot be called, its output has another shape than the task needs, differs from call
            to call in evaluation, or, for a language model, depends on later tokens.
    """
    roles = forward_roles(code, module, settings)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(0)
        probe = _Probe(code, module, spec, settings, roles)
        return probe.adapter()


class _Probe:
    """One attempt at a module, on a copy in float64 where it runs in that type."""

    def __init__(
        self, code: OwnCode, module: nn.Module, spec: InputSpec, settings: RolesConfig, roles: Roles
    ):
        self._code, self._spec, self._settings, self._roles = code, spec, settings, roles
        self._per_token = spec.output == "text"
        self._padding = spec.padding or 0
        self._original = module
        # Sizes that differ from each other and from the number of outputs, so that axes cannot be confused.
        self._rows, self._steps = (3, 5) if spec.outputs not in (3, 5) else (4, 6)
        self._tokens = _ids(spec.vocabulary, self._rows, self._steps)
        self._lengths = torch.full((self._rows,), self._steps)
        self._use(torch.float64)

    def adapter(self) -> Adapter:
        call, alone = self._order()
        self._check_repeatable(call)
        if self._per_token:
            self._check_causal(call)
        check_training(
            self._code, self._original, lambda module: call(module, self._tokens, self._lengths)[0]
        )
        state = self._state(call) if self._per_token and not alone else None
        equal = not alone and self._padding_acts(call)
        return Adapter(
            call,
            state,
            alone,
            equal,
            self._padding,
            tuple(self._notes(call, state, alone=alone, equal=equal)),
        )

    def _use(self, dtype: torch.dtype) -> None:
        with self._code.errors("it was copied, to be tried"):
            self._module = _perturbed(copy.deepcopy(self._original).to(dtype)).eval()
        self._tolerance = EXACT if dtype is torch.float64 else ROUNDED

    def _order(self) -> tuple[ModuleCall, bool]:
        """How token ids are laid out, and whether sequences mix in either layout."""
        try:
            return self._order_of_axes()
        except OwnCodeError:
            # Some modules make float32 tensors themselves.
            self._use(torch.float32)
            return self._order_of_axes()

    def _order_of_axes(self) -> tuple[ModuleCall, bool]:
        axes = self._settings.axes
        orders = (True, False) if axes == "auto" else (axes == "batch-first",)
        mixing: list[ModuleCall] = []
        errors: list[OwnCodeError] = []
        for batch_first in orders:
            call = ModuleCall(
                self._code,
                self._roles,
                batch_first,
                self._settings.output,
                self._per_token,
                self._spec.outputs,
            )
            try:
                if self._rows_are_independent(call):
                    return call, False
                mixing.append(call)
            except OwnCodeError as error:
                errors.append(error)
        if not mixing:
            raise errors[0]
        return mixing[0], True

    def _read(
        self, call: ModuleCall, tokens: Tensor, lengths: Tensor | None = None, state: Any = None
    ) -> Tensor:
        whole = torch.full((len(tokens),), tokens.shape[1])
        return call(self._module, tokens, whole if lengths is None else lengths, state)[0]

    def _rows_are_independent(self, call: ModuleCall) -> bool:
        whole = self._read(call, self._tokens)
        others = self._tokens.clone()
        others[0] = _other(others[0], self._spec.vocabulary)
        changed = self._read(call, others)
        alone = self._read(call, self._tokens[1:2])
        return self._equal(whole[1:], changed[1:]) and self._equal(whole[1:2], alone)

    def _check_repeatable(self, call: ModuleCall) -> None:
        first, second = self._read(call, self._tokens), self._read(call, self._tokens)
        if not bool(first.isfinite().all()):
            number = first[~first.isfinite()][0].item()
            raise OwnCodeError(f"{self._code.label} must return finite logits. Got {number}.")
        if not self._equal(first, second):
            raise OwnCodeError(
                f"{self._code.label} must give the same output for the same tokens in evaluation. Got a "
                f"difference of {_difference(first, second):.2g}: dropout that ignores `self.training`, or a "
                "state that the module keeps from call to call."
            )

    def _check_causal(self, call: ModuleCall) -> None:
        """Change later tokens, and leave them out: earlier logits must stay."""
        whole = self._read(call, self._tokens)
        for cut in range(1, self._steps):
            changed = self._tokens.clone()
            changed[:, cut:] = _other(changed[:, cut:], self._spec.vocabulary)
            pairs = (
                (f"another token {cut + 1}", self._read(call, changed)[:, :cut]),
                (f"no token {cut + 1}", self._read(call, self._tokens[:, :cut])),
            )
            for what, found in pairs:
                if not self._equal(whole[:, :cut], found):
                    distance = (whole[:, :cut] - found).abs().amax(dim=(0, 2))
                    raise OwnCodeError(
                        f"{self._code.label} must not look ahead: a language model predicts the tokens that "
                        f"follow. Got logits at token {int(distance.argmax()) + 1} that change by "
                        f"{distance.max().item():.2g} with {what}. Likely causes: a missing causal mask, a "
                        "bidirectional layer, a centred convolution, normalisation over time."
                    )

    def _padding_acts(self, call: ModuleCall) -> bool:
        """Whether padding after a sequence changes its outputs."""
        short = self._steps - 2
        alone = self._read(call, self._tokens[1:2, :short])
        lengths = self._lengths.clone()
        lengths[1] = short
        tokens = self._tokens.clone()
        tokens[1, short:] = self._padding
        found = self._read(call, tokens, lengths)[1:2]
        return not self._equal(alone, found[:, :short] if self._per_token else found)

    @property
    def _takes_lengths(self) -> bool:
        return self._roles.lengths is not None or self._roles.mask is not None

    def _state(self, call: ModuleCall) -> StateForm | None:
        """The state that an output has, if reading on from it is like reading the whole."""
        if self._roles.state is None:
            return None
        middle = self._steps // 2
        begin, rest = self._tokens[:, :middle], self._tokens[:, middle:]
        whole = self._read(call, self._tokens)
        _, output = call(self._module, begin, torch.full((self._rows,), middle))
        _, smaller = call(self._module, begin[1:], torch.full((self._rows - 1,), middle))
        for find in finders(output, self._roles.state):
            form = form_of(find, output, smaller, self._rows)
            if form is None:
                continue
            reverse = [tensor.flip(0) for tensor in form.flat(find(output))]
            lengths = torch.full((self._rows,), rest.shape[1])
            try:
                found, _ = call(self._module, rest.flip(0), lengths, form.nested(reverse))
            except OwnCodeError:
                continue
            if self._equal(whole[:, middle:], found.flip(0)):
                return form
        return None

    def _equal(self, expected: Tensor, found: Tensor) -> bool:
        if expected.shape != found.shape:
            return False
        scale = max(expected.abs().max().item(), 1e-30)
        # Written so that NaN is not equal.
        return _difference(expected, found) <= self._tolerance * scale

    def _notes(self, call: ModuleCall, state: StateForm | None, *, alone: bool, equal: bool) -> Iterator[str]:
        label, roles = self._code.label, self._roles
        further = [f", {name!r} as {what}" for what, name in _named(roles).items() if name is not None]
        layout = "(batch, time)" if call.batch_first else "(time, batch)"
        gives = {"text": "a logit of each token for each step", "number": "a number for each text"}
        what = gives.get(str(self._spec.output), "a logit of each label for each text")
        called = f"{label} is called with token ids {layout} as {roles.tokens!r}{''.join(further)}"
        yield f"{called}, and gives {what}."
        if self._per_token and state is None:
            taken = "its state does not continue a text" if roles.state else "it takes no state"
            yield (
                f"{label} reads a text from its beginning for each token that it writes, because {taken}. "
                "That takes long where many samples are checked (samples.checked, samples.checked_at_end)."
            )
        if alone:
            yield f"{label} mixes the sequences of a batch, so in evaluation each is read alone."
        if equal:
            why = f"{'although' if self._takes_lengths else 'as'} it takes"
            why += " lengths or a mask" if self._takes_lengths else " neither lengths nor a mask"
            yield f"{label} lets padding act, {why}, so only texts of one length are read together."
        yield from self._warnings(self._read(call, self._tokens))

    def _warnings(self, logits: Tensor) -> Iterator[str]:
        sums = logits.sum(dim=-1)
        if self._spec.outputs > 2 and bool((logits >= 0).all()) and bool((sums - 1).abs().max() < 1e-4):
            yield (
                f"{self._code.label} seems to give probabilities, but the loss applies softmax itself: it "
                "should return logits."
            )


def _named(roles: Roles) -> Mapping[str, str | None]:
    mask = "a mask that is true at padding" if roles.marks_padding else "a mask that is true at tokens"
    return {"lengths": roles.lengths, mask: roles.mask, "the state": roles.state}


def _ids(vocabulary: int, rows: int, steps: int) -> Int[Tensor, "B T"]:
    """Token ids that differ from step to step where the vocabulary has as many."""
    random = torch.Generator().manual_seed(0)
    return torch.randint(max(1, vocabulary), (rows, steps), generator=random)


def _other(tokens: Tensor, vocabulary: int) -> Tensor:
    return (tokens + 1) % max(1, vocabulary)


def _perturbed(module: nn.Module) -> nn.Module:
    """The module with small random values in parameters that are all zero, which hide every influence."""
    random = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        if parameter.is_floating_point() and parameter.count_nonzero() == 0:
            noise = torch.randn(parameter.shape, generator=random)
            parameter.copy_(0.02 * noise)
    return module


def _difference(first: Tensor, second: Tensor) -> float:
    return (first - second).abs().max().item() if first.numel() else 0.0
