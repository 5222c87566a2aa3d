"""Writing on from prompts, a whole batch at once. Legend: B rows, N new tokens, V tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqlab.data.batch import Batch
from seqlab.decode.sampling import SamplingOptions, sample_tokens
from seqlab.models.model import SequenceModel, State
from seqlab.models.modes import device_of, evaluating
from seqlab.schema.errors import UserError, WorkError


@dataclass(frozen=True)
class Generation:
    """What a model wrote behind one prompt, without the prompt and without the end token.

    complete: the model ended it. Where there is no end token nothing can be cut short, so a text
        of the asked length is complete.
    """

    tokens: tuple[int, ...]
    complete: bool


def generate(
    model: SequenceModel,
    prompts: Sequence[Sequence[int]],
    *,
    end: int | None,
    max_new_tokens: int,
    choice: SamplingOptions,
    generator: torch.Generator,
    banned: frozenset[int] = frozenset(),
) -> list[Generation]:
    """Continue every prompt until the end token or `max_new_tokens` tokens.

    Row i draws with chances of its own, taken from the generator in the order of the prompts. So
    what a row becomes does not depend on what the others are or when they end, and two calls with
    halves of the prompts write what one call with all of them writes (up to the rounding of the
    model's arithmetic). The end token has a draw of its own behind `max_new_tokens` tokens, so that a
    text of just that length can be complete.

    Args:
        model: a causal model; its mode is left as found.
        prompts: token ids to go on from, of any lengths, at least one token each: where training
            began with a start token, that token.
        end: the token that ends a text, None when there is none.
        max_new_tokens: at most so many tokens, the end token not counted.
        choice: how tokens are drawn.
        generator: source of the draws.
        banned: tokens that are never chosen, such as padding and start.

    Raises:
        UserError: the model is not causal, a prompt is empty, or an argument is out of range.
        WorkError: the model's logits are not finite.
    """
    _check(model, prompts, end, max_new_tokens, banned)
    if not prompts:
        return []
    device = device_of(model)
    draws = max_new_tokens + (end is not None)
    probabilities = torch.rand(
        len(prompts), draws, generator=generator, device=generator.device, dtype=torch.float64
    ).to(device)
    with evaluating(model):
        logits, state = _read(model, _padded(prompts).to(device))
        written = _write(
            model, logits, state, end=end, choice=choice, probabilities=probabilities, banned=banned
        )
    return [_generation(row, end, max_new_tokens) for row in written.tolist()]


def _check(
    model: SequenceModel,
    prompts: Sequence[Sequence[int]],
    end: int | None,
    max_new_tokens: int,
    banned: frozenset[int],
) -> None:
    if not model.capabilities.causal:
        raise UserError(
            "Only a causal model can write on from a prompt, such as a language model. "
            f"Got {type(model).__name__}."
        )
    if max_new_tokens < 1:
        raise UserError(f"'max_new_tokens' must be at least 1. Got {max_new_tokens!r}. Nearest: 1.")
    if end in banned:
        raise UserError(f"'banned' must leave out the end token {end}. Got {sorted(banned)}.")
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


def _padded(prompts: Sequence[Sequence[int]]) -> Batch:
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    rows = [torch.tensor(prompt, dtype=torch.long) for prompt in prompts]
    tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return Batch(tokens, lengths, tokens)


def _read(model: SequenceModel, batch: Batch) -> tuple[Float[Tensor, "B V"], State]:
    """Logits behind each prompt's last token, and the state there."""
    features, state = model.features(batch, None)
    assert state is not None, "a causal model returns its state"
    rows = torch.arange(len(features), device=features.device)
    return model.head(features[rows, batch.lengths - 1]), state


def _write(
    model: SequenceModel,
    logits: Float[Tensor, "B V"],
    state: State,
    *,
    end: int | None,
    choice: SamplingOptions,
    probabilities: Float[Tensor, "B N"],
    banned: frozenset[int],
) -> Int[Tensor, "B N"]:
    """One draw a column; columns behind a row's end token stay 0. Rows that ended are not computed."""
    written = torch.zeros(probabilities.shape, dtype=torch.long, device=probabilities.device)
    live = torch.arange(len(probabilities), device=probabilities.device)
    for column in range(probabilities.shape[1]):
        if column > 0:
            logits, state = model.step(written[live, column - 1], state)
        chosen = sample_tokens(_without(logits, banned), choice, probabilities[live, column])
        written[live, column] = chosen
        going = chosen != end if end is not None else torch.ones_like(chosen, dtype=torch.bool)
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


def _generation(row: list[int], end: int | None, longest: int) -> Generation:
    if end is None:
        return Generation(tuple(row), complete=True)
    if end not in row:
        return Generation(tuple(row[:longest]), complete=False)
    return Generation(tuple(row[: row.index(end)]), complete=True)
