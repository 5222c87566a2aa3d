"""Poolings and small layers against loops and torch's own modules, sequence by sequence in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from seqlab.nn.chain import Chain
from seqlab.nn.convolution import Convolution
from seqlab.nn.dropout import bind_generator
from seqlab.nn.initial import linear
from seqlab.nn.max_pool import MaxPool
from seqlab.nn.one_logit import OneLogit
from seqlab.nn.pooling import (
    AttentionPooling,
    FlattenedWindow,
    last_of_both_directions,
    pooling_over_time,
    trailing_linear,
)
from seqlab.nn.recurrent import RecurrentStack
from seqlab.nn.step_dropout import StepDropout
from seqlab.nn.token_linear import TokenLinear
from seqlab.schema.errors import UserError

E, LENGTHS = 5, (6, 2, 4, 0)
Row = Callable[[Tensor], Tensor]


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=random(seed), dtype=torch.float64)


def check_rows(module: nn.Module, found: Tensor, x: Tensor, row: Row) -> None:
    """Values and gradients are those of each sequence without padding; an empty one is pooled to zero."""
    wanted = torch.stack(
        [row(x[b, :L]) if L else found.new_zeros(found.shape[1]) for b, L in enumerate(LENGTHS)]
    )
    torch.testing.assert_close(found, wanted)
    upstream, leaves = drawn(*found.shape, seed=7), [x, *module.parameters()]
    pairs = (torch.autograd.grad((y * upstream).sum(), leaves) for y in (found, wanted))
    for a, b in zip(*pairs, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("mapped", [False, True])
def test_attention_pooling_is_a_mean_weighted_by_a_softmax(mapped: bool) -> None:
    matrix = linear(E, 3, generator=random(4)).double() if mapped else None
    pooling = AttentionPooling(3 if mapped else E, 7, generator=random()).double()
    x = drawn(4, 6, E).requires_grad_()

    def row(sequence: Tensor) -> Tensor:
        values = sequence if matrix is None else torch.relu(matrix(sequence))
        scores = [pooling.context @ torch.tanh(pooling.linear(value)) for value in values]
        shares = torch.stack(scores).exp()
        return (shares / shares.sum()) @ values

    check_rows(pooling, pooling(x, matrix, torch.tensor(LENGTHS)), x, row)


def test_last_of_both_directions_is_the_final_state_of_torchs_lstm() -> None:
    theirs = nn.LSTM(E, 3, batch_first=True, bidirectional=True).double()
    ours = RecurrentStack("lstm", E, 3, bidirectional=True, generator=random()).double()
    ours.load_state_dict(theirs.state_dict())
    x, lengths = drawn(3, 6, E), torch.tensor(LENGTHS[:3])
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    _, (final, _) = theirs(packed)
    y, _, _ = ours(x, lengths)
    pooling = pooling_over_time("last", bidirectional=ours.bidirectional)
    torch.testing.assert_close(pooling(y, None, lengths), torch.cat([final[0], final[1]], dim=1))


def test_last_of_both_directions_with_a_map_and_gradients() -> None:
    matrix, x = linear(E + 1, 3, generator=random()).double(), drawn(4, 6, E + 1).requires_grad_()
    found = last_of_both_directions(x, matrix, torch.tensor(LENGTHS))
    check_rows(matrix, found, x, lambda s: torch.relu(matrix(torch.cat([s[-1, :3], s[0, 3:]]))))


@pytest.mark.parametrize("steps", [6, 9])
def test_a_window_ends_with_a_sequences_last_step(steps: int) -> None:
    x = drawn(4, 6, E).requires_grad_()

    def row(sequence: Tensor) -> Tensor:
        return torch.cat([sequence.new_zeros((steps - len(sequence)) * E), sequence.flatten()])

    window = FlattenedWindow(steps, E, whole=True)
    assert window.output_size == steps * E
    check_rows(window, window(x, None, torch.tensor(LENGTHS)), x, row)
    # Without the zeros in front that all sequences have, a linear map gives the same.
    dense = linear(steps * E, 2, generator=random()).double()
    short = FlattenedWindow(steps, E, whole=False)(x, None, torch.tensor(LENGTHS))
    assert short.shape == (4, 6 * E)
    wanted = torch.stack([dense(row(x[b, :L])) for b, L in enumerate(LENGTHS)])
    torch.testing.assert_close(trailing_linear(short, dense), wanted)
    pairs = (
        torch.autograd.grad(y.square().sum(), [x, *dense.parameters()])
        for y in (trailing_linear(short, dense), wanted)
    )
    for a, b in zip(*pairs, strict=True):
        torch.testing.assert_close(a, b)


def test_a_window_shorter_than_a_sequence_is_refused() -> None:
    window = FlattenedWindow(3, E, whole=True)
    with pytest.raises(
        UserError, match=r"A window of 3 steps must not be shorter .* Got 6 steps. Nearest: the last 3"
    ):
        window(drawn(4, 6, E), None, torch.tensor(LENGTHS))
    # What is padding may be longer.
    assert window(drawn(1, 6, E), None, torch.tensor([3])).shape == (1, 3 * E)


def test_a_linear_layer_maps_each_step() -> None:
    layer, x = TokenLinear(E, 3, generator=random()).double(), drawn(4, 6, E).requires_grad_()
    y, lengths, _ = layer(x, torch.tensor(LENGTHS))
    assert lengths.tolist() == list(LENGTHS)
    for b, L in enumerate(LENGTHS):
        torch.testing.assert_close(y[b, :L], torch.relu(layer.linear(x[b, :L])))
    maximum = layer.maximum()
    assert maximum is not None
    found = maximum(x, None, torch.tensor(LENGTHS))
    check_rows(layer, found, x, lambda s: torch.relu(layer.linear(s)).amax(0))


def test_dropout_between_layers_acts_in_training_alone() -> None:
    layer, x = StepDropout(E, 0.5), drawn(2, 6, E)
    bind_generator(layer, random())
    y = layer(x, torch.tensor([6, 6]))[0]
    dropped = y == 0
    assert 0.2 < dropped.double().mean() < 0.8
    torch.testing.assert_close(y[~dropped], 2 * x[~dropped])
    assert torch.equal(layer.eval()(x, torch.tensor([6, 6]))[0], x)


def test_whole_steps_are_dropped_or_kept() -> None:
    layer, x = StepDropout(E, 0.25, whole=True), drawn(40, 6, E)
    bind_generator(layer, random())
    lengths = torch.full((40,), 6)
    y = layer(x, lengths)[0]
    kept = (y != 0).any(dim=2)
    assert 0.6 < kept.double().mean() < 0.9
    torch.testing.assert_close(y, (x / 0.75) * kept.unsqueeze(2))
    assert torch.equal(layer.eval()(x, lengths)[0], x)


def test_a_chain_is_its_layers_one_after_the_other() -> None:
    convolution = Convolution(E, 4, (3,), generator=random())
    stack = RecurrentStack("gru", 4, 3, generator=random(1))
    pool = MaxPool(4, 2)
    chain = Chain([convolution, pool, stack]).double()
    assert (chain.output_size, chain.causal, chain.bidirectional) == (3, False, False)
    x = drawn(4, 6, E)
    y, lengths, state = chain(x, torch.tensor(LENGTHS))
    assert lengths.tolist() == [3, 1, 2, 0]
    assert state is not None
    assert set(state) == set(chain.start(4)) == {"2.h"}
    for b, L in enumerate(LENGTHS[:3]):
        own = torch.tensor([L])
        alone, own, _ = convolution(x[b : b + 1, :L], own)
        alone, own, _ = pool(alone, own)
        alone, own, last = stack(alone, own)
        torch.testing.assert_close(y[b, : int(own)], alone[0])
        assert last is not None
        torch.testing.assert_close(state["2.h"][b], last["h"][0])


def test_a_chain_of_causal_layers_continues_from_its_state() -> None:
    layers = [RecurrentStack("lstm", E, 4, generator=random()), TokenLinear(4, 3, generator=random())]
    chain = Chain([*layers, RecurrentStack("elman", 3, 2, generator=random())]).double()
    assert chain.causal
    x, three = drawn(2, 6, E), torch.tensor([3, 3])
    whole, _, end = chain(x, torch.tensor([6, 6]))
    first, _, between = chain(x[:, :3], three)
    second, _, after = chain(x[:, 3:], three, between)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    assert end is not None
    assert after is not None
    for name, tensor in end.items():
        torch.testing.assert_close(after[name], tensor)


def test_a_chain_s_groups_are_those_of_its_layers_from_the_last_one() -> None:
    stack = RecurrentStack("gru", 4, 3, layers=2, generator=random())
    chain = Chain([Convolution(E, 4, (3, 2), generator=random()), MaxPool(4, 2), stack])
    groups = chain.layer_groups()
    assert [group.name for group in groups] == [
        "layers.2, body layer 2",
        "layers.2, body layer 1",
        "layers.0, body",
    ]
    grouped = [id(parameter) for group in groups for parameter in group.parameters]
    assert sorted(grouped) == sorted(id(parameter) for parameter in chain.parameters())


def test_one_logit_is_the_binary_cross_entropy() -> None:
    head, x = OneLogit(linear(E, 1, generator=random())).double(), drawn(6, E)
    labels = torch.tensor([0, 1, 1, 0, 1, 0])
    found = nn.functional.cross_entropy(head(x), labels)
    wanted = nn.functional.binary_cross_entropy_with_logits(head.linear(x)[:, 0], labels.double())
    torch.testing.assert_close(found, wanted)
