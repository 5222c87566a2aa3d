"""Probes of padding: what follows the last step of a sequence must act on nothing."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from seqlab.checkup.changes import padded_to, select_rows
from seqlab.checkup.comparison import OutputDifference, compare, outputs_mask, verdict
from seqlab.checkup.finding import Finding, NotApplicableError, broken, sound
from seqlab.checkup.subject import Subject
from seqlab.checkup.submodules import first_difference
from seqlab.data.batch import Batch, unlabelled
from seqlab.data.sequences import Padded
from seqlab.models.model import State
from seqlab.schema.errors import UserError

MORE = 3
"""Columns of padding that are appended."""


def padding_ignored(subject: Subject) -> Finding:
    """f([x, p]) = f(x) at every real step, and in the final state, for any padding p of any length."""
    _needs_padding(subject)
    batch = padded_batch(subject)
    fills = _fills(subject)
    plain = replace(batch, inputs=padded_to(batch.inputs, batch.inputs.lengths, 0, fills[0]))
    changes = [(_alone_what(subject), None)]
    changes += [("Other content of padding", (0, fill)) for fill in fills[1:]]
    if not subject.traits.fixed_length:
        changes += [(f"Appending {MORE} columns of padding", (MORE, fill)) for fill in fills]
    differences: list[OutputDifference] = []
    expected, state = _read(subject, plain)
    for what, change in changes:
        if change is None:
            differences += _each_alone(subject, plain, expected, state)
            continue
        other = replace(plain, inputs=padded_to(plain.inputs, plain.inputs.lengths, *change))
        try:
            found, after = _read(subject, other)
        except UserError:
            continue  # longer than it can be
        differences.append(_difference(subject, what, (plain, other), expected, found))
        differences += _state_difference(subject, plain, what, state, after)
    differences += _of_source(subject, fills)
    if not differences:
        raise NotApplicableError("it is built for one number of steps")
    cause, fix = _cause(subject, plain, expected)
    return verdict(
        "Padding changes no output and no state", differences, subject.tolerance, cause=cause, fix=fix
    )


def padding_row_untrained(subject: Subject) -> Finding:
    """∂L/∂v = 0 for the vector v of every padding position, and v = 0 where padding has an id of its own."""
    pad = subject.traits.pad
    tables = [each for each in subject.module.modules() if isinstance(each, nn.Embedding)]
    if pad is None or not subject.traits.tokens or not tables or subject.traits.padding == "unknown":
        raise NotApplicableError("it names no padding id for an embedding")
    batch = padded_batch(subject)
    batch = replace(batch, inputs=padded_to(batch.inputs, batch.inputs.lengths, 0, pad))
    vectors: list[Tensor] = []
    masks: list[Tensor] = []

    def keep(layer: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        if arguments[0].shape[:2] in (batch.inputs.tokens.shape, batch.inputs.tokens.t().shape):
            output.retain_grad() if output.requires_grad else None
            vectors.append(output)
            masks.append(arguments[0] == pad)

    hooks = [
        each.register_forward_hook(keep)
        for each in tables
        if each.num_embeddings == subject.traits.vocabulary
    ]
    outputs, _ = subject.read(batch)
    for hook in hooks:
        hook.remove()
    if not vectors or not outputs.requires_grad:
        raise NotApplicableError("it does not embed its tokens by torch.nn.Embedding")
    gradients = torch.autograd.grad(subject.loss(outputs, batch), vectors, allow_unused=True)
    worst = max(
        (
            g[m].abs().max().item() / max(1e-30, g.abs().max().item())
            if g is not None and bool(m.any())
            else 0.0
        )
        for g, m in zip(gradients, masks, strict=True)
    )
    zeroed = any(each.padding_idx == pad for each in tables)
    if worst <= subject.tolerance or (zeroed and not _nonzero_row(subject, pad)):
        return sound("The vectors of padding get no gradient, or stay zero.", worst, subject.tolerance)
    return broken(
        f"Vectors at padding get a gradient of {worst:.1e} of the largest one.",
        cause="the embedding is initialised or made without padding_idx, and padding reaches the loss",
        fix=f"nn.Embedding(vocabulary, size, padding_idx={pad})  # and zero that row when it is drawn",
        deviation=worst,
        tolerance=subject.tolerance,
        counter_example="a row of the batch that ends early",
        submodule=next((p for p, e in subject.module.named_modules() if e is tables[0]), ""),
    )


def _nonzero_row(subject: Subject, pad: int) -> bool:
    module = subject.original
    return any(
        each.padding_idx == pad and bool(each.weight[pad].any())
        for each in module.modules()
        if isinstance(each, nn.Embedding) and pad < each.num_embeddings
    )


def _needs_padding(subject: Subject) -> None:
    traits = subject.traits
    if traits.padding == "unknown":
        raise NotApplicableError("it takes neither lengths nor a mask, and names no padding id")


def _alone_what(subject: Subject) -> str:
    return "Padding after the end"


def padded_batch(subject: Subject) -> Batch:
    """The batch with sequences that end at different steps, neither sorted by length nor all short."""
    batch = subject.batch
    if not bool((batch.inputs.lengths == batch.inputs.steps).all()):
        return batch
    B, T = len(batch), batch.inputs.steps
    ends = torch.tensor([max(2, T - (3 * row + 2) % max(2, T - 2)) for row in range(B)])
    lengths = ends.clamp(max=T)
    lengths[B // 2] = T
    targets = batch.targets
    if isinstance(targets, Padded):
        targets = Padded(targets.tokens, lengths)
    return Batch(Padded(batch.inputs.tokens, lengths), targets, batch.source)


def _fills(subject: Subject) -> list[Tensor | int]:
    traits, tokens = subject.traits, subject.batch.inputs.tokens
    if tokens.is_floating_point():
        return [0, 7]
    if traits.pad is not None:
        return [traits.pad]
    known = tokens[subject.batch.inputs.mask].unique()
    return [int(known[0]), int(known[-1])]


@torch.no_grad()
def _read(subject: Subject, batch: Batch) -> tuple[Tensor, State | None]:
    return subject.read(batch)


def _difference(
    subject: Subject, what: str, pair: tuple[Batch, Batch], expected: Tensor, found: Tensor
) -> OutputDifference:
    plain, other = pair
    if expected.dim() == 3:
        steps = min(expected.shape[1], found.shape[1])
        expected, found = expected[:, :steps], found[:, :steps]
    mask = outputs_mask(expected, plain)
    mask = mask[:, : expected.shape[1]] if expected.dim() == 3 else mask
    shortest = int(plain.inputs.lengths.min())
    where = lambda: first_difference(subject, plain, other, steps=shortest, pooled=True)  # noqa: E731
    return compare(what, expected, found, mask, where=where)


def _each_alone(
    subject: Subject, batch: Batch, outputs: Tensor, state: State | None
) -> list[OutputDifference]:
    """Each row with its padding, compared with the same row without padding."""
    if subject.traits.fixed_length:
        return []
    differences: list[OutputDifference] = []
    shortest_first = batch.inputs.lengths.argsort().tolist()
    for row in (shortest_first[index] for index in subject.sample(0, len(shortest_first))):
        index = torch.tensor([row])
        one = select_rows(batch, index)
        short = batch.select(index)
        try:
            expected, after = _read(subject, short)
        except UserError:
            continue  # reported by `any_size`
        found = outputs[row : row + 1]
        found = found[:, : expected.shape[1]] if found.dim() == 3 else found
        mask = outputs_mask(expected, short)
        if _shorter(subject):
            mask = mask & (torch.arange(mask.shape[1]) < mask.shape[1] - 1)
        where = lambda one=one, short=short: _first(subject, short, one)  # noqa: E731
        differences.append(
            compare(
                f"Padding after step {short.inputs.steps}", expected, found, mask, first_row=row, where=where
            )
        )
        if state is not None and after is not None and subject.traits.padding == "lengths":
            differences += _states(subject, "Padding, in the final state,", after, state.select(index), row)
    return differences


def _first(subject: Subject, short: Batch, padded: Batch) -> str:
    try:
        return first_difference(subject, short, padded, steps=short.inputs.steps, pooled=True)
    except UserError:
        return ""


def _shorter(subject: Subject) -> bool:
    guessed = getattr(subject, "guessed", None)
    return guessed is not None and guessed.call.missing > 0


def _state_difference(
    subject: Subject, batch: Batch, what: str, before: State | None, after: State | None
) -> list[OutputDifference]:
    if before is None or after is None or subject.traits.padding != "lengths":
        return []
    return _states(subject, f"{what}, in the final state,", before, after, 0)


def _states(subject: Subject, what: str, before: State, after: State, row: int) -> list[OutputDifference]:
    """Differences of two states: in the outputs of a next step, or else in their numbers."""
    if subject.traits.has_state and subject.traits.per_step:
        rows = len(next(iter(before.tensors.values())))
        tokens = subject.batch.inputs.tokens[:1, :1].repeat_interleave(rows, dim=0)
        one = unlabelled(Padded(tokens, torch.ones(rows, dtype=torch.int64)))
        first, second = subject.outputs(one, before), subject.outputs(one, after)
        return [compare(what, first, second, outputs_mask(first, one), first_row=row)]
    differences = []
    for name, tensor in before.tensors.items():
        other = after.tensors[name]
        if (
            not tensor.is_floating_point()
            or tensor.shape != other.shape
            or subject.batch.inputs.steps in tensor.shape
        ):
            continue
        first, second = tensor.flatten(1), other.flatten(1)
        differences.append(
            compare(what, first, second, torch.ones(len(first), dtype=torch.bool), first_row=row)
        )
    return differences


def _of_source(subject: Subject, fills: list[Tensor | int]) -> list[OutputDifference]:
    """The same for the source of an encoder-decoder."""
    batch = subject.batch
    if batch.source is None:
        return []
    steps = batch.source.steps
    lengths = torch.full((len(batch),), max(2, steps - 3))
    short = replace(batch, source=Padded(batch.source.tokens[:, : int(lengths[0])], lengths))
    expected = subject.outputs(short)
    differences = []
    for fill in fills:
        other = replace(batch, source=padded_to(batch.source, lengths, 0, fill))
        found = subject.outputs(other)
        where = lambda other=other: first_difference(subject, short, other)  # noqa: E731
        what = "Padding of the source"
        differences.append(compare(what, expected, found, outputs_mask(expected, batch), where=where))
    return differences


def _cause(subject: Subject, batch: Batch, outputs: Tensor) -> tuple[str, str]:
    if subject.traits.source:
        return (
            "the encoder's state is that after its padding, or attention does not mask the source",
            "pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)",
        )
    if subject.traits.per_step:
        return (
            "attention, normalisation or a backward direction reads padding; the state is that after padding",
            "scores = scores.masked_fill(~mask[:, None, :], float('-inf'))  # before softmax",
        )
    return (
        "max, mean or the last step include padding, or rows are left in the order of their lengths",
        "x.masked_fill(~mask.unsqueeze(2), float('-inf')).amax(1)  # or x[arange(B), lengths - 1]",
    )
