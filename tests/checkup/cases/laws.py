"""Laws that a case keeps or breaks, each shown in a few lines, independently of the checkup.

A law is a function of a case that returns True if it holds. Legend: B sequences, T steps, V outputs.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from cases.case import Batch, Case, copied
from cases.parts import token_loss
from torch import Tensor, nn

Law = Callable[[Case], bool]
SEQUENCES = ("tgt", "decoder_input_ids", "tokens", "x", "text", "frames", "input_ids")
"""Names of what is read step by step; the decoder's input comes first, where there is one."""
SOURCES = ("src", "encoder_outputs")
STATES = ("state", "hidden", "hx", "cache")
MASKS = ("attention_mask", "src_mask", "mask")
LENGTH_NAMES = ("lengths", "src_lengths")
ROUNDING = 1e-8


def prepared(case: Case, *, training: bool = False) -> tuple[nn.Module, Batch, Tensor | None]:
    """The module in float64, its arguments and targets; random values replace parameters that are all zero.

    A zero-initialised head would hide every effect.
    """
    module = case.build().double().train(training)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.count_nonzero() == 0:
                parameter.normal_(std=0.1, generator=generator)
    arguments, targets = case.example()
    return module, {name: as_double(value) for name, value in arguments.items()}, targets


def without_dropout(module: nn.Module) -> nn.Module:
    """The module, whose layers of dropout do nothing from now on."""
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        if isinstance(part, nn.MultiheadAttention):
            part.dropout = 0.0
    return module


def as_double(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(as_double(item) for item in value)
    return value.double() if isinstance(value, Tensor) and value.is_floating_point() else value


@contextmanager
def fixed() -> Iterator[None]:
    """One seed within, the previous state of the global generator after."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def call(module: nn.Module, arguments: Batch) -> Any:
    with fixed():
        return module(**copied(arguments))


def output_of(result: Any) -> Tensor:
    """The output, whatever it comes in."""
    if isinstance(result, Tensor):
        return result
    if isinstance(result, dict):
        return result["logits"]
    return result.logits if hasattr(result, "logits") else result[0]


def state_of(result: Any) -> Any:
    """The state that a module returns beside its output."""
    return result["state"] if isinstance(result, dict) else result[1]


def sequence_name(arguments: Batch) -> str:
    return next(name for name in SEQUENCES if name in arguments)


def outputs(case: Case, module: nn.Module, arguments: Batch) -> Tensor:
    """Outputs, batch first: (B, T, V), or (B, ...) for one output per sequence."""
    with torch.no_grad():
        output = output_of(call(module, arguments))
    sequence = arguments[sequence_name(arguments)]
    per_step = output.dim() >= 2 and output.shape[:2] == sequence.shape[:2]
    return output.transpose(0, 1) if case.time_first and per_step else output


def real_steps(case: Case, arguments: Batch) -> Tensor:
    """True where the sequence, (B, T), is not padding."""
    sequence = arguments[sequence_name(arguments)]
    B, T = sequence.shape[:2] if not case.time_first else sequence.shape[:2][::-1]
    if "attention_mask" in arguments:
        return arguments["attention_mask"].bool()
    if "lengths" in arguments:
        return torch.arange(T) < arguments["lengths"].unsqueeze(1)
    return torch.ones(B, T, dtype=torch.bool)


def same(case: Case, arguments: Batch, first: Tensor, second: Tensor) -> bool:
    """Whether two outputs agree at every real step."""
    if first.shape != second.shape:
        return False
    keep = real_steps(case, arguments)
    if first.shape[:2] == keep.shape and first.dim() == 3:
        first, second = first[keep], second[keep]
    return bool(torch.allclose(first, second, rtol=0, atol=ROUNDING * max(1.0, first.abs().max().item())))


def batch_axis(case: Case, name: str) -> int:
    """The axis of the sequences of a batch in an argument."""
    return 1 if name in STATES or (case.time_first and name in (*SEQUENCES, *SOURCES)) else 0


def changed_values(values: Tensor, among: Tensor) -> Tensor:
    """Other values: other ids that occur in an argument, or other numbers."""
    if values.is_floating_point():
        return values + 1.0 + values.roll(1, dims=-1)
    known = among.unique() if int(among.max()) < 2 else among[among > 0].unique()
    return known[(torch.searchsorted(known, values.clamp(min=int(known[0]))) + 1) % len(known)]


def rows_of(case: Case, arguments: Batch, rows: Tensor) -> Batch:
    """The arguments of some rows, in that order."""

    def pick(name: str, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(pick(name, item) for item in value)
        return value.index_select(batch_axis(case, name), rows) if isinstance(value, Tensor) else value

    return {name: pick(name, value) for name, value in arguments.items()}


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


def is_padding(case: Case, arguments: Batch, name: str) -> Tensor:
    """True where a sequence or a source (B, T) is padding."""
    if name in SEQUENCES:
        return ~real_steps(case, arguments)
    if "src_mask" in arguments:
        return ~arguments["src_mask"].bool()
    steps = arguments[name].shape[0 if case.time_first else 1]
    return torch.arange(steps) >= arguments["src_lengths"].unsqueeze(1)


def padded_names(arguments: Batch) -> list[str]:
    """The arguments that have padding."""
    own = [name for name in SEQUENCES if name in arguments and {"lengths", "attention_mask"} & set(arguments)]
    source = [name for name in SOURCES if name in arguments and {"src_lengths", "src_mask"} & set(arguments)]
    return own + source


def with_other_padding(case: Case, arguments: Batch) -> Batch:
    """The arguments with other values where there is padding."""
    other = copied(arguments)
    for name in padded_names(arguments):
        padding = is_padding(case, arguments, name)
        padding = padding.T if case.time_first else padding
        filler = 3.0 if other[name].is_floating_point() else 3
        other[name][padding] = filler
    return other


def with_more_padding(case: Case, arguments: Batch, columns: int = 3) -> Batch:
    """The arguments with more columns of padding, on the side where it is."""
    other, axis = copied(arguments), 0 if case.time_first else 1
    names = padded_names(arguments)
    left = "attention_mask" in arguments and not arguments["attention_mask"][:, 0].all()
    masks = {
        "attention_mask" if name in SEQUENCES else "src_mask"
        for name in names
        if ("attention_mask" if name in SEQUENCES else "src_mask") in arguments
    }
    for name in [*names, *masks]:
        along = axis if name in names else 1
        value = other[name]
        filler = torch.zeros_like(value.narrow(along, 0, columns))
        padding = is_padding(case, arguments, name) if name in names else None
        if padding is not None and padding.any():
            example = value[padding.T if case.time_first else padding][0]
            filler = filler + example
        other[name] = torch.cat([filler, value] if left else [value, filler], dim=along)
    return other


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


def leaves(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value
    return [leaf for item in items for leaf in leaves(item)]


def state_name(module: nn.Module) -> str | None:
    """The argument of `forward` that takes a state."""
    names = inspect.signature(module.forward).parameters
    return next((name for name in STATES if name in names), None)


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


def finite(case: Case) -> bool:
    """Outputs and gradients are finite."""
    loss, module = training_loss(case)
    loss.backward()
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    return bool(loss.isfinite()) and all(bool(g.isfinite().all()) for g in gradients)


def training_loss(case: Case) -> tuple[Tensor, nn.Module]:
    """The loss of the example, with its graph, and the module (float64, evaluation mode)."""
    module, arguments, targets = prepared(case)
    result = call(module, arguments)
    if targets is None:
        return (result["loss"] if isinstance(result, dict) else result.loss), module
    return (case.loss or token_loss)(output_of(result), as_double(targets)), module


def parameters_used(case: Case) -> bool:
    """Every trainable parameter gets a gradient that is not all zero."""
    loss, module = training_loss(case)
    loss.backward()
    return all(
        parameter.grad is not None and bool(parameter.grad.count_nonzero())
        for parameter in module.parameters()
        if parameter.requires_grad
    )


def parameters_learn(case: Case) -> bool:
    """A few steps of Adam change every parameter, also one that has no gradient at the very start."""
    module = case.build().eval()
    arguments, targets = case.example()
    assert targets is not None
    before = [parameter.detach().clone() for parameter in module.parameters()]
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        (case.loss or token_loss)(output_of(module(**copied(arguments))), targets).backward()
        optimizer.step()
    return not any(torch.equal(old, new) for old, new in zip(before, module.parameters(), strict=True))


def weights_are_state(case: Case) -> bool:
    """A module that loads the weights of another one gives the same outputs: all weights are registered."""
    module, arguments, _ = prepared(case)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        other = case.module().double().eval()
    other.load_state_dict(module.state_dict())
    return torch.allclose(outputs(case, module, arguments), outputs(case, other, arguments), atol=ROUNDING)


def stays_tied(case: Case) -> bool:
    """Tensors that are equal at the start are one tensor, also after loading a saved module."""
    module = case.build()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        other = case.module()
    other.load_state_dict(module.state_dict())
    weights = module.get_parameter("head.weight"), module.get_parameter("embedding.weight")
    loaded = other.get_parameter("head.weight"), other.get_parameter("embedding.weight")
    one = weights[0].data_ptr() == weights[1].data_ptr()
    return one and loaded[0].data_ptr() == loaded[1].data_ptr() and torch.equal(weights[0], loaded[0])


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


def step_gradients(case: Case) -> Tensor:
    """Norms (T,) of the gradient of the last output with respect to the inputs of each step."""
    module, arguments, _ = prepared(case)
    seen: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        seen.append(output.detach().requires_grad_())
        return seen[-1]

    embedding = next((part for part in module.modules() if isinstance(part, nn.Embedding)), None)
    name = sequence_name(arguments)
    if embedding is None:
        seen.append(arguments[name].clone().requires_grad_())
        arguments = arguments | {name: seen[-1]}
        with fixed():
            output = output_of(module(**arguments))
    else:
        embedding.register_forward_hook(keep)
        output = output_of(call(module, arguments))
    last = output[:, -1] if output.dim() == 3 else output
    (gradient,) = torch.autograd.grad(last.square().sum(), seen[0], allow_unused=True)
    return torch.zeros(seen[0].shape[1]) if gradient is None else gradient.norm(dim=2).mean(dim=0)


def gradients_reach_back(case: Case) -> bool:
    """The gradient at the first step is neither vanishing nor exploding, compared with the last one."""
    norms = step_gradients(case)
    return bool(1e-7 < norms[0] / norms[-1] < 1e4)


def padding_row_is_fixed(case: Case) -> bool:
    """The padding's embedding is zero, or masked: training does not change it."""
    loss, module = training_loss(case)
    loss.backward()
    embedding = next(part for part in module.modules() if isinstance(part, nn.Embedding))
    arguments, _ = case.example()
    name = sequence_name(arguments)
    (row,) = arguments[name][is_padding(case, arguments, name)].unique()
    gradient = embedding.weight.grad
    assert gradient is not None
    if gradient[row].count_nonzero():
        return False
    return not embedding.weight[row].count_nonzero() or padding_amount(case)


def overfits(case: Case, *, steps: int = 150) -> bool:
    """The example can be memorised."""
    module = without_dropout(case.build().train())
    arguments, targets = case.example()
    optimizer, losses = torch.optim.Adam(module.parameters(), lr=0.02), []
    for _ in range(steps):
        result = module(**copied(arguments))
        if targets is None:
            loss = result["loss"] if isinstance(result, dict) else result.loss
        else:
            loss = (case.loss or token_loss)(output_of(result), targets)
        losses.append(loss.item())
        if not loss.requires_grad:
            return False
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses[-1] < 0.2 * losses[0]


def starts_at_chance(case: Case) -> bool:
    """The initial loss of a classifier over C classes is about log C nats."""
    module = case.build().eval()
    arguments, targets = case.example()
    assert targets is not None
    with torch.no_grad():
        found = output_of(call(module, arguments))
    loss = (case.loss or token_loss)(found, targets)
    return bool(loss < 2 * math.log(found.shape[-1]))


def every_submodule_called(case: Case) -> bool:
    """No part without parts of its own is left out of the forward pass."""
    module, arguments, _ = prepared(case)
    left = {part for part in module.modules() if not list(part.children())}
    for part in list(left):
        part.register_forward_hook(lambda part, *_: left.discard(part))
    call(module, arguments)
    return not left


def setting_acts(**values: Any) -> Law:
    """Another value of a setting gives another module, by its parameters, structure or outputs."""

    def law(case: Case) -> bool:
        arguments = {name: as_double(value) for name, value in case.example()[0].items()}
        found = []
        for settings in ({}, values):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                module = type(case.build())(**settings).double().train()
            with torch.no_grad():
                found.append((shapes(module), output_of(call(module, arguments))))
        (first, before), (second, after) = found
        return first != second or not torch.equal(before, after)

    return law


def shapes(module: nn.Module) -> list[tuple[str, torch.Size]]:
    return [(name, parameter.shape) for name, parameter in module.named_parameters()]
