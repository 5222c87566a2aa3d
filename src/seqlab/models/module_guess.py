"""Finding out how a module that is given as it is can be called: what it reads, and what its outputs are.

Legend: B sequences, T steps, E features, V outputs.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seqlab.data.sequences import Padded
from seqlab.models.check_roles import CheckRoles, check_roles, unknown_arguments
from seqlab.models.module_call import ModuleCall
from seqlab.models.module_form import Form, meaning
from seqlab.models.module_roles import Roles
from seqlab.models.module_sizes import padding_id, used_sizes, vocabularies, widths
from seqlab.models.module_start import STARTS, like, maker, zero_states
from seqlab.schema.own_code import OwnCode, OwnCodeError

STEPS = (11, 13, 17, 7, 24, 50, 5, 10, 20, 35, 64, 128, 500)
"""Numbers of steps that are tried, in this order, after those that no size of the module equals."""
BATCHES = (5, 7, 6, 3, 4, 8, 16, 32, 64, 2, 1)
"""Numbers of sequences that are tried."""
MASK_TYPES = (torch.bool, torch.float32, torch.int64)


@dataclass(frozen=True)
class Guess:
    """How a module is called, found by trying it.

    form: of its inputs. rows, steps: of the example with which it was tried. padding: the id that fills
    padding. notes: what was guessed, in sentences.
    """

    call: ModuleCall
    form: Form
    rows: int
    steps: int
    padding: int | None
    notes: tuple[str, ...] = field(default=())


def code_of(module: nn.Module) -> OwnCode:
    """The class of a module that is given as it is, for messages."""
    kind = type(module)
    try:
        path = Path(inspect.getfile(kind))
    except (TypeError, OSError):
        path = Path("<python>")
    return OwnCode(path, kind.__name__, kind, {})


def guess(
    module: nn.Module,
    settings: CheckRoles,
    *,
    code: OwnCode,
    given: Mapping[str, Tensor],
    constants: Mapping[str, Any],
    state: Any = None,
) -> Guess:
    """How a module is called.

    Args:
        module: in evaluation mode; a copy that may be run.
        settings: what the user has said.
        code: for messages.
        given: an example of the user's, by role: tokens or features, source, lengths.
        constants: further arguments of forward that stay the same.
        state: an example of the user's of the state.

    Raises:
        OwnCodeError: it can be called in no way that is known, with the error of the first attempt.
    """
    roles = check_roles(code, module, settings)
    roles = replace(roles, constants={**roles.constants, **constants})
    if missing := unknown_arguments(code, module, roles):
        raise OwnCodeError(
            f"forward of {code.label} must be given {missing[0]!r}, which has no known role. Say what it is "
            f"(roles: {missing[0]!r} as tokens, source, lengths, mask or state), or give it in the batch."
        )
    search = _CallSearch(code, module, settings, roles, given=given, state=state)
    return search.result()


class _CallSearch:
    """Attempts at a module, the likeliest first."""

    def __init__(
        self,
        code: OwnCode,
        module: nn.Module,
        settings: CheckRoles,
        roles: Roles,
        *,
        given: Mapping[str, Tensor],
        state: Any,
    ):
        self._state = state
        self._code, self._module, self._settings, self._roles = code, module, settings, roles
        self._given = given
        named = settings.padding if settings.padding is not None else padding_id(module)
        self._padding = named

    def result(self) -> Guess:
        first_error: OwnCodeError | None = None
        for form, (rows, steps), sort, mask_type, initial, labels in self._attempts():
            call = ModuleCall(
                self._code,
                self._roles,
                True,
                self._settings.output,
                False,
                1,
                sort=sort,
                mask_type=mask_type,
                initial=initial,
                labels=labels,
            )
            for batch_first in self._layouts():
                try:
                    found = self._tried(replace(call, batch_first=batch_first), form, rows, steps)
                except OwnCodeError as error:
                    first_error = first_error or error
                    continue
                if found is not None:
                    return found
        assert first_error is not None, "there is an attempt"
        raise first_error

    def _layouts(self) -> tuple[bool, ...]:
        axes = self._settings.axes
        return (True, False) if axes == "auto" else (axes == "batch-first",)

    def _attempts(self) -> Iterator[tuple[Form, tuple[int, int], bool, torch.dtype, Any, Any]]:
        mask = self._given.get("mask", self._given.get("source_mask"))
        first_types = () if mask is None else (mask.dtype,)
        all_types = tuple(dict.fromkeys((*first_types, *MASK_TYPES)))
        mask_types = all_types if self._roles.mask or self._roles.source_mask else MASK_TYPES[:1]
        takes_lengths = self._roles.lengths or self._roles.source_lengths
        sorts = (False, True) if takes_lengths else (False,)
        first = next(iter(self._sizes()))
        options = list(itertools.product(sorts, mask_types, self._states(), self._labels()))
        for form in self._forms():
            for option in options:
                yield form, first, *option
        for form in self._forms():
            for size in list(self._sizes())[1:]:
                yield form, size, *options[-1]

    def _forms(self) -> Iterator[Form]:
        settings, given = self._settings, self._given
        inputs = given.get("tokens", given.get("features"))
        kind = settings.input
        if kind == "auto" and inputs is not None:
            kind = "features" if inputs.is_floating_point() else "tokens"
        sizes = [settings.vocabulary] if settings.vocabulary is not None else vocabularies(self._module)
        features = [Form(tokens=False, size=width) for width in widths(self._module)]
        if inputs is not None and inputs.is_floating_point():
            features = [Form(tokens=False, size=inputs.shape[2] if inputs.dim() > 2 else 0)]
        elif inputs is not None and settings.vocabulary is None:
            least = int(inputs.max()) + 1
            sizes = [size for size in sizes if size >= least] or [least]
        sources: list[int | None] = [None]
        source_given = given.get("source")
        features_read = source_given is not None and source_given.is_floating_point()
        if self._roles.source is not None:
            sources = [*sizes]
        if source_given is not None and features_read:
            sources = [source_given.shape[-1]]
        tokens = [
            Form(tokens=True, size=size, source=source, source_features=features_read)
            for source in sources
            for size in reversed(sizes)
        ]
        if self._roles.source is None:
            tokens = [Form(tokens=True, size=size) for size in sizes]
        has_table = any(isinstance(each, nn.Embedding | nn.EmbeddingBag) for each in self._module.modules())
        if kind == "tokens" or (kind == "auto" and (has_table or self._roles.source)):
            yield from tokens
        elif kind == "features":
            yield from features
            yield Form(tokens=False, size=0)
        else:
            yield from (*features, *tokens, Form(tokens=False, size=0))

    def _sizes(self) -> Iterator[tuple[int, int]]:
        used = used_sizes(self._module)
        free = [size for size in (*STEPS[:4], 9, 15, 19) if size not in used and size - 1 not in used]
        rows = [size for size in (*BATCHES[:4], 9, 10) if size not in used and size not in free[:1]]
        inputs = self._given.get("tokens", self._given.get("features"))
        yield (rows or [5])[0], (free or [11])[0]
        if inputs is not None and inputs.dim() >= 2:
            yield inputs.shape[0], inputs.shape[1]
            yield (rows or [5])[0], inputs.shape[1]
        yield from ((5, steps) for steps in STEPS)
        yield from ((rows_, steps) for rows_ in BATCHES for steps in (11, 20, 35))
        yield (6, 6)

    def _labels(self) -> tuple[str, ...]:
        if self._roles.labels is None:
            return ("",)
        parameter = inspect.signature(self._module.forward).parameters[self._roles.labels]
        return ("steps", "rows") if parameter.default is parameter.empty else ("",)

    def _states(self) -> list[Callable[[nn.Module, int], Any] | None]:
        if self._roles.state is None:
            return [None]
        parameter = inspect.signature(self._module.forward).parameters[self._roles.state]
        if parameter.default is not parameter.empty:
            return [None]
        if self._state is not None:
            return [lambda module, rows: like(self._state, module, rows)]
        return [lambda module, rows: None, *(maker(name) for name in STARTS), zero_states]

    def _tried(self, call: ModuleCall, form: Form, rows: int, steps: int) -> Guess | None:
        random = torch.Generator().manual_seed(0)
        inputs = form.draw(rows, steps, random, self._padding)
        weight = next((p for p in self._module.parameters() if p.is_floating_point()), None)
        if inputs.is_floating_point():
            inputs = inputs.to(torch.float32 if weight is None else weight.dtype)
        source = None
        if form.source is not None:
            source = form.draw_source(rows, steps + 2, random, self._padding)
            if source.tokens.is_floating_point():
                source = Padded(
                    source.tokens.to(torch.float32 if weight is None else weight.dtype), source.lengths
                )
        with torch.no_grad():
            found = call.raw(self._module, inputs, torch.full((rows,), steps), None, source)
            if not call.sort and rows > 1 and steps > 3:
                self._try_unsorted(call, inputs, source)
        for tensor in call.candidates(found):
            shape = meaning(tuple(tensor.shape), rows, steps, batch_first=call.batch_first)
            if shape is not None:
                per_step, outputs, missing = shape
                call = replace(call, per_token=per_step, outputs=outputs, missing=missing)
                return Guess(call, form, rows, steps, self._padding)
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in call.candidates(found))
        raise OwnCodeError(
            f"{self._code.label} must return outputs for each sequence or for each step. Got "
            f"{shapes or type(found).__name__} for {rows} sequences of {steps} steps."
        )

    def _try_unsorted(self, call: ModuleCall, inputs: Tensor, source: Padded | None) -> None:
        """Read sequences that are not sorted by length, which some modules refuse."""
        if call.roles.lengths is None and call.roles.source_lengths is None:
            return
        lengths = torch.full((len(inputs),), inputs.shape[1])
        lengths[0] -= 1
        if source is not None:
            sizes = source.lengths.clone()
            sizes[0] -= 1
            source = Padded(source.tokens, sizes)
        call.raw(self._module, inputs, lengths, None, source)
