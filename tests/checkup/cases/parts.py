"""Example batches and losses that cases share.

Legend: B sequences, T steps, F features, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from cases.case import Batch
from torch import Tensor

VOCABULARY, CLASSES, SIZE, FEATURES = 12, 3, 8, 5
PADDING, START, IGNORED = 0, 1, -100
LENGTHS = (6, 4, 5, 3)


@dataclass
class Output:
    """What some modules return: an object with logits."""

    logits: Tensor


def draw(batch: int, steps: int, *, seed: int = 1, low: int = 1, high: int = VOCABULARY) -> Tensor:
    """Random ids (B, T); 0 is kept for padding."""
    return torch.randint(low, high, (batch, steps), generator=torch.Generator().manual_seed(seed))


def labels(batch: int, classes: int = CLASSES) -> Tensor:
    return torch.arange(batch) % classes


def real(lengths: Sequence[int], steps: int | None = None) -> Tensor:
    """True where a token is real (B, T)."""
    return torch.arange(steps or max(lengths)) < torch.tensor(lengths).unsqueeze(1)


def next_tokens(batch: int = 4, steps: int = 6, *, name: str = "tokens", seed: int = 1) -> Batch:
    """A language model's batch without padding: `targets` are the next tokens."""
    rows = draw(batch, steps + 1, seed=seed)
    return {name: rows[:, :-1].clone(), "targets": rows[:, 1:].clone()}


def time_first_tokens(batch: int = 4, steps: int = 6) -> Batch:
    return {name: value.T.contiguous() for name, value in next_tokens(batch, steps).items()}


def padded_tokens(
    lengths: Sequence[int] = LENGTHS, *, name: str = "tokens", mask: bool = False, left: bool = False
) -> Batch:
    """A language model's batch with padding, and lengths or a mask."""
    rows, keep = draw(len(lengths), max(lengths) + 1), real(lengths)
    tokens = rows[:, :-1].masked_fill(~keep, PADDING)
    targets = rows[:, 1:].masked_fill(~keep, IGNORED)
    if left:
        shifts = [max(lengths) - length for length in lengths]
        tokens, targets, keep = (rolled(value, shifts) for value in (tokens, targets, keep))
    where = {"attention_mask": keep.long()} if mask else {"lengths": torch.tensor(lengths)}
    return {name: tokens, **where, "targets": targets}


def rolled(rows: Tensor, shifts: Sequence[int]) -> Tensor:
    return torch.stack([row.roll(shift) for row, shift in zip(rows, shifts, strict=True)])


def labelled(
    batch: int = 4, steps: int = 6, *, name: str = "tokens", classes: int = CLASSES, binary: bool = False
) -> Batch:
    """A classifier's batch without padding."""
    targets = (torch.arange(batch) % 2).float() if binary else labels(batch, classes)
    return {name: draw(batch, steps), "targets": targets}


def padded_labelled(
    lengths: Sequence[int] = LENGTHS, *, name: str = "tokens", mask: bool = False, padding: int = PADDING
) -> Batch:
    """A classifier's batch with padding, and lengths or a mask."""
    keep = real(lengths)
    tokens = draw(len(lengths), max(lengths), low=2).masked_fill(~keep, padding)
    where = {"attention_mask": keep.long()} if mask else {"lengths": torch.tensor(lengths)}
    return {name: tokens, **where, "targets": labels(len(lengths))}


def numbers(
    batch: int = 4, steps: int = 6, *, features: int = FEATURES, per_step: bool = False, seed: int = 1
) -> Batch:
    """Float features (B, T, F) with one label per sequence, or per step."""
    x = torch.randn(batch, steps, features, generator=torch.Generator().manual_seed(seed))
    targets = draw(batch, steps, low=0, high=CLASSES) if per_step else labels(batch)
    return {"x": x, "targets": targets}


def padded_numbers(lengths: Sequence[int] = LENGTHS, *, mask: bool = False) -> Batch:
    batch, keep = numbers(len(lengths), max(lengths)), real(lengths)
    batch["x"] = batch["x"] * keep.unsqueeze(2)
    return batch | ({"attention_mask": keep.long()} if mask else {"lengths": torch.tensor(lengths)})


def translated(
    *,
    source: str = "src",
    target: str = "tgt",
    lengths: Sequence[int] | None = None,
    mask: bool = False,
    steps: int = 5,
) -> Batch:
    """An encoder-decoder's batch: the decoder reads the start token and the target without its last token."""
    sizes = lengths or LENGTHS
    batch, longest = len(sizes), max(sizes)
    tokens, outputs = draw(batch, longest, seed=2, low=2), draw(batch, steps, seed=3, low=2)
    arguments: Batch = {source: tokens}
    if lengths is not None:
        keep = real(lengths)
        arguments[source] = tokens.masked_fill(~keep, PADDING)
        arguments |= {"src_mask": keep.long()} if mask else {"src_lengths": torch.tensor(lengths)}
    start = torch.full((batch, 1), START)
    return arguments | {target: torch.cat([start, outputs[:, :-1]], dim=1), "targets": outputs}


def token_loss(output: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats of the targets that are not ignored."""
    return F.cross_entropy(output.flatten(0, -2), targets.flatten(), ignore_index=IGNORED)


def binary_loss(output: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(output, targets.to(output.dtype))


def probability_loss(output: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of a probability, not a logit."""
    return F.binary_cross_entropy(output, targets.to(output.dtype))


def log_probability_loss(output: Tensor, targets: Tensor) -> Tensor:
    return F.nll_loss(output.flatten(0, -2), targets.flatten(), ignore_index=IGNORED)


def square_loss(output: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(output, targets.to(output.dtype))


def causal(steps: int) -> Tensor:
    """True where a query (row) may attend to a key (column)."""
    return torch.ones(steps, steps, dtype=torch.bool).tril()


def attend(queries: Tensor, keys: Tensor, values: Tensor, allowed: Tensor | None = None) -> Tensor:
    """Softmax attention with one head; `allowed` is True where a query may attend to a key."""
    scores = queries @ keys.transpose(-1, -2) / keys.shape[-1] ** 0.5
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -1e9)
    return scores.softmax(dim=-1) @ values


Batches = Callable[[], Batch]
LANGUAGE: Batches = next_tokens
PADDED_LANGUAGE: Batches = padded_tokens
MASKED_LANGUAGE: Batches = partial(padded_tokens, name="input_ids", mask=True)
TRANSLATED: Batches = translated
