"""Laws of outputs that a case keeps or breaks, each shown in a few lines, independently of the checkup.

A law is a function of a case that returns True if it holds. Legend: B rows, T steps, V outputs.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from cases.calling import (
    LENGTH_NAMES,
    MASKS,
    ROUNDING,
    SEQUENCES,
    SOURCES,
    STATES,
    Law,
    as_double,
    batch_axis,
    call,
    changed_values,
    leaves,
    output_of,
    outputs,
    padded_names,
    prepared,
    real_steps,
    rows_of,
    same,
    sequence_name,
    state_name,
    state_of,
    with_more_padding,
    with_other_padding,
    without_dropout,
)
from cases.case import Case, copied
from cases.parts import token_loss
from torch import Tensor


def rows_independent(case: Case) -> bool:
    """Changing one sequence of a batch changes no output of another."""
    module, arguments, _ = prepared(case)
    before, other = outputs(case, module, arguments), copied(arguments)
    for name in set(arguments) & {*SEQUENCES, *SOURCES}:
        row = other[name].select(batch_axis(case, name), 1)
        row.copy_(changed_values(row, arguments[name]))
    after, keep = outputs(case, module, other), torch.arange(len(before)) != 1
    chosen = rows_of(case, arguments, keep.nonzero().flatten())
    return same(case, chosen, before[keep], after[keep])


def rows_permute(case: Case) -> bool:
    """The outputs of a batch whose sequences are reversed in order are the outputs in reversed order."""
    module, arguments, _ = prepared(case)
    before = outputs(case, module, arguments)
    turned = rows_of(case, arguments, torch.arange(len(before)).flip(0))
    return same(case, turned, before.flip(0), outputs(case, module, turned))


def no_look_ahead(case: Case, *, training: bool = False) -> bool:
    """Changing one step changes no output of an earlier one, at any pair of steps."""
    module, arguments, _ = prepared(case, training=training)
    without_dropout(module)
    name, before = sequence_name(arguments), outputs(case, module, arguments)
    axis, keep = 0 if case.time_first else 1, real_steps(case, arguments)
    for step in range(1, before.shape[1]):
        other = copied(arguments)
        values = other[name].select(axis, step)
        values.copy_(changed_values(values, arguments[name]))
        difference = (outputs(case, module, other) - before).abs().nan_to_num(nan=math.inf)
        if difference[:, :step][keep[:, :step]].max() > ROUNDING * before.abs().max():
            return False
    return True


def no_look_ahead_in_training(case: Case) -> bool:
    """The same in training mode, without dropout."""
    return no_look_ahead(case, training=True)


def padding_content(case: Case) -> bool:
    """What is in the padding changes no output of a real step."""
    module, arguments, _ = prepared(case)
    other = with_other_padding(case, arguments)
    return same(case, arguments, outputs(case, module, arguments), outputs(case, module, other))


def padding_amount(case: Case) -> bool:
    """More padding changes no output of a real step."""
    module, arguments, _ = prepared(case)
    before, other = outputs(case, module, arguments), with_more_padding(case, arguments)
    after, more = outputs(case, module, other), real_steps(case, other)
    own = [name for name in padded_names(arguments) if name in SEQUENCES]
    if own and before.dim() == 3:
        keep = real_steps(case, arguments)
        kept = after[more[:, : after.shape[1]]] if after.shape[1] < more.shape[1] else after[more]
        return kept.shape == before[keep].shape and bool(torch.allclose(before[keep], kept, atol=ROUNDING))
    return same(case, arguments, before, after)


def final_state(case: Case) -> bool:
    """What is in the padding does not change the state that a module returns."""
    module, arguments, _ = prepared(case)
    with torch.no_grad():
        first = state_of(call(module, arguments))
        second = state_of(call(module, with_other_padding(case, arguments)))
    return all(
        torch.allclose(a, b, atol=ROUNDING) for a, b in zip(leaves(first), leaves(second), strict=True)
    )


def whole_equals_pieces(case: Case, pieces: tuple[int, ...] | None = None) -> bool:
    """Reading a sequence in pieces, with the state carried, gives the outputs of reading it whole."""
    module, arguments, _ = prepared(case)
    name, sequence = state_name(module), sequence_name(arguments)
    assert name is not None
    arguments = {sequence: arguments[sequence]}
    axis = 0 if case.time_first else 1
    whole, state, parts = outputs(case, module, arguments), None, []
    for piece in arguments[sequence].split(pieces or 1, dim=axis):
        with torch.no_grad():
            result = call(module, {sequence: piece, name: state})
        state = state_of(result)
        output = output_of(result)
        parts.append(output.transpose(0, 1) if case.time_first else output)
    return same(case, arguments, whole, torch.cat(parts, dim=1))


def whole_equals_chunks(case: Case) -> bool:
    """The same with pieces of unequal sizes."""
    arguments, _ = case.example()
    steps = arguments[sequence_name(arguments)].shape[0 if case.time_first else 1]
    return whole_equals_pieces(case, (2, steps - 3, 1))


def uses(name: str) -> Law:
    """An argument changes the output."""

    def law(case: Case) -> bool:
        module, arguments, _ = prepared(case)
        other = copied(arguments)
        for leaf in leaves(other[name]):
            leaf.copy_(1 - leaf if name in MASKS else changed_values(leaf, leaf.clone()))
        return not torch.allclose(
            outputs(case, module, arguments), outputs(case, module, other), atol=ROUNDING
        )

    return law


def uses_every_input(case: Case) -> bool:
    """Every argument that is not a mask or length changes the output."""
    names = case.example()[0]
    floats_or_ids = [name for name in names if name not in (*MASKS, *LENGTH_NAMES, "labels")]
    return all(uses(name)(case) for name in floats_or_ids)


def uses_every_state(case: Case) -> bool:
    """Each layer and each tensor of an initial state changes the output."""
    module, arguments, _ = prepared(case)
    name = next(name for name in STATES if name in arguments)
    before = outputs(case, module, arguments)
    for index, leaf in enumerate(leaves(arguments[name])):
        for layer in range(len(leaf)):
            other = copied(arguments)
            leaves(other[name])[index][layer] += 1.0
            if torch.allclose(before, outputs(case, module, other), atol=ROUNDING):
                return False
    return True


def other_sizes(case: Case) -> bool:
    """The module runs on one sequence, on fewer sequences, and gives the same outputs for them."""
    module, arguments, _ = prepared(case)
    before = outputs(case, module, arguments)
    for rows in (torch.tensor([0]), torch.tensor([0, 2])):
        try:
            after = outputs(case, module, rows_of(case, arguments, rows))
        except (RuntimeError, IndexError, ValueError):
            return False
        if not same(case, rows_of(case, arguments, rows), before[rows], after):
            return False
    return True


def other_lengths(case: Case) -> bool:
    """The module runs on shorter sequences."""
    module, arguments, _ = prepared(case)
    name, axis = sequence_name(arguments), 0 if case.time_first else 1
    shorter = arguments | {name: arguments[name].narrow(axis, 0, arguments[name].shape[axis] - 1)}
    try:
        outputs(case, module, shorter)
    except (RuntimeError, IndexError, ValueError):
        return False
    return True


def remembers(case: Case) -> bool:
    """The last output depends on the first step."""
    module, arguments, _ = prepared(case)
    name, axis = sequence_name(arguments), 0 if case.time_first else 1
    other = copied(arguments)
    first = other[name].select(axis, 0)
    first.copy_(changed_values(first, arguments[name]))
    before, after = outputs(case, module, arguments), outputs(case, module, other)
    last = (before[:, -1], after[:, -1]) if before.dim() == 3 else (before, after)
    return not torch.allclose(*last, atol=ROUNDING)


def order_matters(case: Case) -> bool:
    """Reordering the steps before the last one changes the last output."""
    module, arguments, _ = prepared(case)
    name, axis = sequence_name(arguments), 0 if case.time_first else 1
    steps = arguments[name].shape[axis]
    order = torch.cat([torch.arange(steps - 1).flip(0), torch.tensor([steps - 1])])
    other = arguments | {name: arguments[name].index_select(axis, order)}
    before, after = outputs(case, module, arguments), outputs(case, module, other)
    last = (before[:, -1], after[:, -1]) if before.dim() == 3 else (before, after)
    return not torch.allclose(*last, atol=ROUNDING)


def deterministic(case: Case) -> bool:
    """Two calls in evaluation mode give equal outputs, whatever the state of the global generator."""
    module, arguments, _ = prepared(case)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        first, second = (output_of(module(**copied(arguments))) for _ in range(2))
    return torch.equal(first, second)


def evaluation_equals_training(case: Case) -> bool:
    """Without dropout, training and evaluation mode give the same outputs."""
    found = []
    for training in (False, True):
        module, arguments, _ = prepared(case, training=training)
        without_dropout(module)
        found.append(outputs(case, module, arguments))
    return torch.allclose(*found, atol=ROUNDING)


def training_survives_evaluation(case: Case) -> bool:
    """A module that was evaluated once trains as before: with dropout."""
    module, arguments, _ = prepared(case)
    outputs(case, module, arguments)
    module.train()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        first, second = (output_of(module(**copied(arguments))) for _ in range(2))
    return not torch.equal(first, second)


def outputs_vary(case: Case) -> bool:
    """Different sequences get different outputs."""
    module, arguments, _ = prepared(case)
    found = outputs(case, module, arguments)
    return bool((found.amax(dim=0) - found.amin(dim=0)).max() > 1e-6)


def both_sides(case: Case) -> bool:
    """Over many seeds a probability falls on both sides of 1/2, or a number on both sides of 0."""
    values = []
    middle = 0.5 if case.loss is not None and "probability" in case.loss.__name__ else 0.0
    for seed in range(20):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = case.module().double().eval()
        arguments = {name: as_double(value) for name, value in case.example()[0].items()}
        values.append(outputs(case, module, arguments).flatten())
    values = torch.cat(values)
    return bool((values > middle + 1e-9).any() and (values < middle - 1e-9).any())


def not_saturated(case: Case) -> bool:
    """The gradient of the outputs with respect to the last layer's input is not vanishingly small."""
    module, arguments, _ = prepared(case)
    found = outputs(case, module, arguments)
    return bool((found * (1 - found)).median() > 1e-4)


def gives_logits(case: Case, *, training: bool = False) -> bool:
    """Outputs that go into a softmax or sigmoid are not already probabilities."""
    module, arguments, _ = prepared(case, training=training)
    found = outputs(case, module, arguments)
    if case.loss is not None and case.loss.__name__ == "binary_loss":
        return not bool(((found > 0) & (found < 1)).all())
    total = found.sum(dim=-1)
    return not (bool((found >= 0).all()) and torch.allclose(total, torch.ones_like(total)))


def ids_are_symbols(case: Case) -> bool:
    """An id between two ids means nothing: a module that looks ids up cannot read it."""
    module, arguments, _ = prepared(case)
    name = sequence_name(arguments)
    between = arguments | {name: arguments[name].double() + 0.5}
    try:
        after = outputs(case, module, between)
    except (RuntimeError, IndexError, TypeError):
        return True
    return torch.allclose(outputs(case, module, arguments), after)


def loss_ignores_padding(case: Case) -> bool:
    """More padding does not change the loss."""
    module, arguments, targets = prepared(case)
    assert targets is not None
    assert case.loss is not None
    more = with_more_padding(case, arguments)
    columns = more[sequence_name(more)].shape[1] - targets.shape[1]
    longer = F.pad(targets, (0, columns), value=int(targets[targets < 1][0]))
    before = case.loss(output_of(call(module, arguments)), targets)
    after = case.loss(output_of(call(module, more)), longer)
    return torch.allclose(before, after)


def loss_is_mean(case: Case) -> bool:
    """The loss of a batch is the mean of the targets' losses: it does not change if every row occurs twice,
    and rows with more targets count more."""
    module, arguments, targets = prepared(case)
    assert targets is not None
    assert case.loss is not None
    found = output_of(call(module, arguments)).detach()
    whole = case.loss(found, targets)
    doubled = case.loss(torch.cat([found, found]), torch.cat([targets, targets]))
    rows = range(len(targets))
    counts = torch.stack([(targets[row] > 0).sum() for row in rows]).double()
    single = torch.stack([case.loss(found[[row]], targets[[row]]) for row in rows])
    return torch.allclose(whole, doubled) and torch.allclose(whole, (single * counts).sum() / counts.sum())


def predicts_next(case: Case) -> bool:
    """The loss of logits that put everything on the next token is small."""
    module, arguments, targets = prepared(case)
    tokens = arguments[sequence_name(arguments)]
    if targets is None:
        result = call(module, arguments)
        found = output_of(result)
        expected = token_loss(found[:, :-1], arguments["labels"][:, 1:])
        loss = result["loss"] if isinstance(result, dict) else result.loss
        return torch.allclose(loss, expected)
    V = output_of(call(module, arguments)).shape[-1]
    ideal = 30.0 * F.one_hot(tokens.roll(-1, dims=1), V).double()
    if isinstance(targets, Tensor) and targets.shape == tokens.shape:
        return bool((targets[:, :-1] == tokens[:, 1:]).all()) and (
            (case.loss or token_loss)(ideal[:, :-1], targets[:, :-1]).item() < 0.1
        )
    return False


def decoder_reads_the_past(case: Case) -> bool:
    """A decoder's input is its target, one step later."""
    arguments, targets = case.example()
    assert targets is not None
    given = arguments[sequence_name(arguments)]
    return bool((given[:, 1:] == targets[:, :-1]).all())


def decoder_loss_is_aligned(case: Case) -> bool:
    """The returned loss of an encoder-decoder compares each output with the label of its own step."""
    module, arguments, _ = prepared(case)
    result = call(module, arguments)
    return torch.allclose(result["loss"], token_loss(result["logits"], arguments["labels"]))
