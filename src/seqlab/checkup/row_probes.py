"""Probes of what must not affect a sequence: the others of its batch, and the sizes of the batch."""

from __future__ import annotations

import inspect
import re

import torch
from torch import Tensor, nn

from seqlab.checkup.changes import other_inputs, others, with_inputs
from seqlab.checkup.comparison import OutputDifference, compare, outputs_mask, verdict
from seqlab.checkup.finding import Finding, NotApplicableError, broken, sound
from seqlab.checkup.subject import Subject
from seqlab.checkup.submodules import first_difference
from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded
from seqlab.schema.errors import UserError


def batch_independence(subject: Subject) -> Finding:
    """f(x)_r = f(x_r) for every row r of a batch x, and f(x)_r does not change with x_q for q ≠ r."""
    batch = subject.batch
    whole = subject.outputs(batch)
    mask = outputs_mask(whole, batch)
    differences: list[OutputDifference] = []
    for row in subject.sample(0, len(batch)):
        rest = torch.tensor([index for index in range(len(batch)) if index != row])
        changed = _with_other_row(subject, batch, row)

        def where(changed: Batch = changed, rest: Tensor = rest) -> str:
            return first_difference(subject, batch, changed, rows=rest)

        found = subject.outputs(changed)
        what = f"Other content of row {row}"
        same = whole.shape == found.shape
        pair = (whole[rest], found[rest]) if same else (whole, found)
        differences.append(compare(what, *pair, mask[rest] if same else mask, where=where))
        differences += _alone(subject, batch, whole, row)
    first = next((each.where() for each in differences if each.size > subject.tolerance), "")
    cause, fix = _cause(subject, first)
    holds = "Rows of a batch do not influence each other"
    return verdict(holds, differences, subject.tolerance, cause=cause, fix=fix)


def any_size(subject: Subject) -> Finding:
    """F is defined for every number of rows B ≥ 1 and every number of steps 1 ≤ t ≤ T."""
    traits, batch = subject.traits, subject.batch
    B, T = len(batch), batch.inputs.steps
    sizes = [(1, T), (B + 2, T)] if subject.large else [(1, T), (2, T), (B + 1, T), (B + 2, T)]
    if not traits.fixed_length:
        sizes += [(B, T - 1), (B, max(2, T // 2)), (B, T // 2 + 1)][: 1 if subject.large else 3]
    failed: list[tuple[int, int, str]] = []
    for rows, steps in sizes:
        try:
            outputs = subject.outputs(subject.draw(7, rows, steps))
        except UserError as error:
            failed.append((rows, steps, str(error)))
            continue
        if outputs.shape[0] != rows:
            failed.append((rows, steps, f"outputs have shape {tuple(outputs.shape)}."))
    squeezed = _squeezed(subject)
    if squeezed:
        failed.append((1, T, squeezed))
    failed = [each for each in failed if not _too_short(*each[1:], subject)]
    if not failed:
        return sound(f"Read {len(sizes)} batches of other sizes than {B} rows of {T} steps.")
    rows, steps, why = failed[0]
    what = "batch size" if rows != B else "length"
    return broken(
        f"It reads {B} rows of {T} steps, but fails on {rows} of {steps}: {why}",
        cause=f"a {what} that is written into the code, `squeeze()` without an axis, or a state that is kept",
        fix="B, T = x.shape[:2]  # take sizes from the input; name the axis: squeeze(-1)",
        counter_example=f"{rows} rows of {steps} steps",
        submodule="forward",
    )


def axes_in_order(subject: Subject) -> Finding:
    """No `view` or `reshape` moves an element to another row or step: only `transpose` swaps axes."""
    batch = subject.batch
    if len(batch) < 2 or batch.inputs.steps < 3:
        raise NotApplicableError("the example is too small to tell its axes apart")
    with _Views(len(batch), batch.inputs.steps) as views:
        subject.outputs(batch)
    if not views.found:
        return sound(f"{views.count} views keep rows and steps where they are.")
    before, after, axis = views.found[0]
    return broken(
        f"A view from {before} to {after} moves elements to another {axis}.",
        cause="view or reshape in place of a transpose or permute",
        fix=f"x = x.transpose(...)  # in place of view, where {before} becomes {after}",
        deviation=len(views.found),
        counter_example=f"{before} -> {after}",
        submodule="forward",
    )


def _with_other_row(subject: Subject, batch: Batch, row: int) -> Batch:
    tokens = batch.inputs.tokens.clone()
    tokens[row] = others(batch, subject.traits)[row]
    changed = with_inputs(batch, tokens)
    if batch.source is None:
        return changed
    source = batch.source.tokens.clone()
    source[row] = other_inputs(batch.source, subject.traits)[row]
    return Batch(changed.inputs, changed.targets, Padded(source, batch.source.lengths))


def _alone(subject: Subject, batch: Batch, whole: Tensor, row: int) -> list[OutputDifference]:
    """The difference of a row in its batch and the row alone; nothing where one alone cannot be read."""
    one = batch.select(torch.tensor([row]))
    try:
        expected = subject.outputs(one)
    except UserError:
        return []  # reported by `any_size`
    found = whole[row : row + 1]
    found = found[:, : one.inputs.steps] if whole.dim() == 3 else found
    return [compare("Reading a row in a batch", expected, found, outputs_mask(expected, one), first_row=row)]


def _cause(subject: Subject, where: str) -> tuple[str, str]:
    path = where.partition(" ")[0]
    layer = dict(subject.module.named_modules()).get(path)
    first = next(_without_batch_first(layer if isinstance(layer, nn.Module) else subject.module), None)
    if first is not None and getattr(subject, "guessed", None) is not None:
        name = type(first).__name__
        return (
            f"{name} without batch_first=True reads (time, batch), but is given (batch, time)",
            f"nn.{name}(..., batch_first=True)",
        )
    norm = "norm" in where.lower()
    if norm:
        return "statistics over the batch", "nn.LayerNorm(size)  # or model.eval() with running statistics"
    return (
        "view or reshape in place of a transpose; a mean, softmax or attention over the batch axis",
        "x.transpose(0, 1)  # in place of x.view(...); dim=1 for the time axis of (B, T, E)",
    )


def _without_batch_first(module: nn.Module | None):  # type: ignore[no-untyped-def]
    for each in () if module is None else module.modules():
        if getattr(each, "batch_first", True) is False:
            yield each


def _squeezed(subject: Subject) -> str:
    """Why one row alone loses its axis; "" if it does not."""
    read = getattr(subject, "read_raw", None)
    guessed = getattr(subject, "guessed", None)
    if read is None or guessed is None:
        return ""
    one = subject.batch.select(torch.tensor([0]))
    try:
        with torch.no_grad():
            tensors = guessed.call.candidates(read(one))
            many = guessed.call.candidates(read(subject.batch))
    except UserError:
        return ""
    if tensors and many and tensors[0].dim() != many[0].dim():
        return f"outputs have shape {tuple(tensors[0].shape)}, without an axis for the row."
    return ""


def _too_short(steps: int, why: str, subject: Subject) -> bool:
    """Whether a convolution or pooling cannot be as wide as the input, which is no mistake."""
    short = steps < subject.batch.inputs.steps
    return short and bool(
        re.search(r"[Kk]ernel size|[Oo]utput size is too small|pad(ding)? .*input|Padding size", why)
    )


class _Views(torch.overrides.TorchFunctionMode):
    """Notes each view that moves an axis of the size of the batch or of the steps.

    Such an axis stays where it is if as many elements are before it as were: the product of the sizes in
    front of it is the same.
    """

    NAMES = frozenset(("view", "reshape", "unflatten"))

    def __init__(self, rows: int, steps: int):
        super().__init__()
        self._axes = {"row": rows, "step": steps}
        self.found: list[tuple[tuple[int, ...], tuple[int, ...], str]] = []
        self.count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in self.NAMES and isinstance(result, Tensor) and _of_user():
            self.count += 1
            before, after = tuple(args[0].shape), tuple(result.shape)
            self.found += [
                (before, after, name) for name, size in self._axes.items() if _moved(before, after, size)
            ]
        return result


def _moved(before: tuple[int, ...], after: tuple[int, ...], size: int) -> bool:
    if before.count(size) != 1 or after.count(size) != 1:
        return False
    # Relative positions shift rows by a view of (T, T + 1) as (T + 1, T), on purpose.
    near = {size - 1, size + 1, 2 * size - 1, 2 * size, 2 * size + 1}
    if near & {*before, *after}:
        return False

    def front(shape: tuple[int, ...]) -> int:
        product = 1
        for each in shape[: shape.index(size)]:
            product *= each
        return product

    return front(before) != front(after)


def _of_user() -> bool:
    """Whether the view is in the user's code, not in torch's own layers."""
    frame = inspect.currentframe()
    for _ in range(3):
        frame = None if frame is None else frame.f_back
    while frame is not None and "overrides" in frame.f_code.co_filename:
        frame = frame.f_back
    return frame is not None and "/torch/nn/" not in frame.f_code.co_filename
