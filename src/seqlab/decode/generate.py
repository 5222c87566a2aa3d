"""Sampling from a state, a whole batch at once. Legend: B sequences, N new tokens, V tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqlab.data.ragged import ragged
from seqlab.data.sequences import Padded, padded
from seqlab.decode.prefill import Prefilled, prefill
from seqlab.decode.sampling import SamplingOptions, sample_tokens
from seqlab.models.model import SequenceModel, State
from seqlab.models.modes import device_of, evaluating
from seqlab.schema.errors import UserError, WorkError


@dataclass(frozen=True)
class Generation:
    """What a model wrote after one prompt, without the prompt and without the end token.

    complete: the model ended it. Where there is no end token nothing can be cut short, so a text
        of the requested length is complete.
    """

    tokens: tuple[int, ...]
    complete: bool


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Where a text ends, and what it cannot contain.

    end: the token that ends a text, None where there is none.
    max_new_tokens: tokens of a text at most, the end token not counted.
    banned: tokens that are never chosen, such as padding and start.

    Raises:
        UserError: a text may have no token, or its end token is banned.
    """

    end: int | None
    max_new_tokens: int
    banned: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise UserError(f"'max_new_tokens' must be at least 1. Got {self.max_new_tokens!r}. Nearest: 1.")
        if self.end in self.banned:
            raise UserError(f"'banned' must leave out the end token {self.end}. Got {sorted(self.banned)}.")

    @property
    def draws(self) -> int:
        """Draws for one text: the end token has one of its own after `max_new_tokens` tokens."""
        return self.max_new_tokens + (self.end is not None)


def sample(
    model: SequenceModel,
    prefilled: Prefilled,
    *,
    limits: Limits,
    options: SamplingOptions,
    generator: torch.Generator,
) -> list[Generation]:
    """Continue every sequence until the end token, or until it is as long as it may be.

    Sequence i draws with random numbers of its own, taken from the generator in the order of the sequences.
    So its text does not depend on what the others are or when they end, and two calls with halves of the
    sequences write what one call with all of them writes (up to the rounding of the model's arithmetic). The
    end token has a draw of its own after the last token, so that a text of just that length can be complete.

    Args:
        model: a causal model in evaluation mode.
        prefilled: logits of the first new token of each sequence, and the state there.
        limits: where texts end.
        options: how tokens are drawn.
        generator: source of the draws.

    Raises:
        WorkError: the model's logits are not finite.
    """
    logits, state = prefilled
    uniform = torch.rand(
        len(logits), limits.draws, generator=generator, device=generator.device, dtype=torch.float64
    ).to(logits.device)
    written = _write(model, logits, state, limits=limits, options=options, uniform=uniform)
    return [_generation(row, limits) for row in written.tolist()]


def generate(
    model: SequenceModel,
    prompts: Sequence[Sequence[int]],
    *,
    limits: Limits,
    options: SamplingOptions,
    generator: torch.Generator,
    source: Padded | None = None,
) -> list[Generation]:
    """Read prompts and sample what follows; the mode of the model is left as found.

    Args:
        model: a causal model.
        prompts: token ids to continue, of any lengths, at least one token each: where training
            began with a start token, that token.
        limits: where texts end.
        options: how tokens are drawn.
        generator: source of the draws.
        source: what the model reads as a whole before each prompt, where it takes one.

    Raises:
        UserError: the model is not causal, or a prompt is empty.
        WorkError: the model's logits are not finite.
    """
    _check(model, prompts)
    if not prompts:
        return []
    device = device_of(model)
    with evaluating(model):
        start = None if source is None else model.start(len(prompts), source.to(device))
        inputs = padded(ragged(prompts), np.arange(len(prompts)))
        prefilled = prefill(model, inputs.to(device), start)
        return sample(model, prefilled, limits=limits, options=options, generator=generator)


def _check(model: SequenceModel, prompts: Sequence[Sequence[int]]) -> None:
    if not model.capabilities.causal:
        raise UserError(
            "Only a causal model can continue a prompt, such as a language model. "
            f"Got {type(model).__name__}."
        )
    for index, prompt in enumerate(prompts):
        if len(prompt) == 0:
            raise UserError(
                "A prompt must have at least one token, the start token if nothing else. "
                f"Got none in prompt {index}."
            )
    if not model.capabilities.variable_length and len({len(prompt) for prompt in prompts}) > 1:
        raise UserError(
            f"{type(model).__name__} needs prompts of one length. "
            f"Got {sorted({len(prompt) for prompt in prompts})} tokens."
        )


def _write(
    model: SequenceModel,
    logits: Float[Tensor, "B V"],
    state: State,
    *,
    limits: Limits,
    options: SamplingOptions,
    uniform: Float[Tensor, "B N"],
) -> Int[Tensor, "B N"]:
    """One draw per column; columns after the end token of a row stay 0. Rows that ended are not computed."""
    written = torch.zeros(uniform.shape, dtype=torch.long, device=uniform.device)
    live = torch.arange(len(uniform), device=uniform.device)
    for column in range(uniform.shape[1]):
        if column > 0:
            logits, state = model.step(written[live, column - 1], state)
        chosen = sample_tokens(_without(logits, limits.banned), options, uniform[live, column])
        written[live, column] = chosen
        going = chosen != limits.end if limits.end is not None else torch.ones_like(chosen, dtype=torch.bool)
        if not going.all():
            live, state = live[going], state.select(going.nonzero().squeeze(1))
        if len(live) == 0:
            break
    return written


def _without(logits: Float[Tensor, "B V"], banned: frozenset[int]) -> Float[Tensor, "B V"]:
    size = logits.shape[-1]
    if banned and not (min(banned) >= 0 and max(banned) < size and len(banned) < size):
        raise UserError(
            f"'banned' must be ids below {size}, the number of tokens, and leave one out. "
            f"Got {sorted(banned)}."
        )
    never = torch.tensor(sorted(banned), dtype=torch.long, device=logits.device)
    allowed = logits.index_fill(-1, never, -math.inf)
    if not allowed.amax(dim=-1).isfinite().all():
        raise WorkError("The model's logits must be finite. Got inf or nan: its training has diverged.")
    return allowed


def _generation(row: list[int], limits: Limits) -> Generation:
    if limits.end is None:
        return Generation(tuple(row), complete=True)
    if limits.end not in row:
        return Generation(tuple(row[: limits.max_new_tokens]), complete=False)
    return Generation(tuple(row[: row.index(limits.end)]), complete=True)
