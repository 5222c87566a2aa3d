"""Recurrent layers compared with torch's, and with loops over single sequences, in float64."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from seqlab.nn.cells import CELLS
from seqlab.nn.dropout import bind_generator
from seqlab.nn.implementation import Implementation
from seqlab.nn.recurrent import RecurrentStack
from seqlab.schema.errors import UserError

E, H = 3, 5
LIKE_TORCH = ["elman", "elman-relu", "gru", "lstm"]
IMPLEMENTATIONS: tuple[Implementation, ...] = get_args(Implementation)
SHAPES = [(4, 6, 1, False), (4, 6, 2, True), (1, 7, 3, False), (3, 1, 2, True), (1, 1, 1, True)]


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stack(cell: str, **settings) -> RecurrentStack:
    return RecurrentStack(cell, E, H, generator=random(), **settings).double()


def torch_layer(cell: str, layers: int, bidirectional: bool) -> nn.RNNBase:
    settings = {"num_layers": layers, "bidirectional": bidirectional, "batch_first": True}
    if cell == "lstm":
        return nn.LSTM(E, H, **settings).double()
    if cell == "gru":
        return nn.GRU(E, H, **settings).double()
    return nn.RNN(E, H, nonlinearity="relu" if cell == "elman-relu" else "tanh", **settings).double()


def some_lengths(rows: int, steps: int) -> Tensor:
    """Unequal, the longest not first; 1 to `steps`."""
    return torch.tensor([1 + (steps - 1) * (row + 1) // rows for row in range(rows)]).roll(1)


def leaf(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=random(seed), dtype=torch.float64).requires_grad_()


def states(layer: RecurrentStack, rows: int) -> dict[str, Tensor]:
    return {name: leaf(*zero.shape, seed=i + 1) for i, (name, zero) in enumerate(layer.start(rows).items())}


def weighted(tensors: list[Tensor]) -> Tensor:
    """A scalar in which every element has its own weight."""
    generator = random(99)
    return sum(
        ((t * torch.randn(t.shape, generator=generator, dtype=t.dtype)).sum() for t in tensors),
        torch.zeros((), dtype=torch.float64),
    )


def assert_equal(found: list[Tensor], wanted: list[Tensor]) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-11)


def packed_reference(layer: nn.RNNBase, x: Tensor, lengths: Tensor, initial: dict[str, Tensor]):
    """torch's layer over a packed batch; states are transposed to batch first."""
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    start = tuple(tensor.transpose(0, 1).contiguous() for tensor in initial.values())
    y, final = layer(packed, start if len(start) == 2 else start[0])
    y, _ = nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
    final = final if isinstance(final, tuple) else (final,)
    return y, [tensor.transpose(0, 1) for tensor in final]


def gru_reset_before_step(W: Tensor, U: Tensor, b: Tensor, token: Tensor, h: Tensor) -> Tensor:
    """One gate at a time."""
    W, U, b = W.view(3, H, -1), U.view(3, H, H), b.view(3, H)
    r = torch.sigmoid(W[0] @ token + U[0] @ h + b[0])
    z = torch.sigmoid(W[1] @ token + U[1] @ h + b[1])
    new = torch.tanh(W[2] @ token + U[2] @ (r * h) + b[2])
    return (1 - z) * h + z * new


def elman_concat_step(W: Tensor, U: Tensor, b: Tensor, token: Tensor, h: Tensor) -> Tensor:
    """One linear map of the concatenation."""
    return torch.tanh(functional.linear(torch.cat([token, h]), torch.cat([W, U], dim=1), b))


STEPS = {"gru-reset-before": gru_reset_before_step, "elman-concat": elman_concat_step}
"""Cells that torch does not have; all have one bias."""


def loop_reference(cell: str, layer: RecurrentStack, x: Tensor, lengths: Tensor, initial: dict[str, Tensor]):
    """One sequence and one step at a time."""
    weights, step = dict(layer.named_parameters()), STEPS[cell]
    directions = 2 if "weight_ih_l0_reverse" in weights else 1
    rows, finals = [], []
    for row, length in enumerate(lengths.tolist()):
        inputs, final = list(x[row, :length]), []
        for depth in range(layer.layers):
            read = []
            for direction in range(directions):
                name = f"l{depth}{'_reverse' * direction}"
                own = [weights[f"{kind}_{name}"] for kind in ("weight_ih", "weight_hh", "bias_ih")]
                h, outputs = initial["h"][row, depth * directions + direction], []
                for token in reversed(inputs) if direction else inputs:
                    h = step(own[0], own[1], own[2], token, h)
                    outputs.append(h)
                read.append(outputs[::-1] if direction else outputs)
                final.append(h)
            inputs = [torch.cat(pair) for pair in zip(*read, strict=True)]
        padding = x.new_zeros(x.shape[1] - length, directions * H)
        rows.append(torch.cat([*(token[None] for token in inputs), padding]))
        finals.append(torch.stack(final))
    return torch.stack(rows), [torch.stack(finals)]


def reference(cell: str, layer: RecurrentStack, x: Tensor, lengths: Tensor, initial: dict[str, Tensor]):
    """Outputs, final states and the parameters they depend on, by name."""
    if cell in STEPS:
        return *loop_reference(cell, layer, x, lengths, initial), dict(layer.named_parameters())
    theirs = torch_layer(cell, layer.layers, layer.output_size > H)
    theirs.load_state_dict(layer.state_dict())
    return *packed_reference(theirs, x, lengths, initial), dict(theirs.named_parameters())


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cell", list(CELLS))
def test_values_and_all_gradients_equal_the_reference(cell, shape, equal, implementation):
    rows, steps, layers, bidirectional = shape
    layer = stack(cell, layers=layers, bidirectional=bidirectional, implementation=implementation)
    lengths = torch.full((rows,), steps) if equal else some_lengths(rows, steps)
    x, initial = leaf(rows, steps, E, seed=7), states(layer, rows)
    y, _, final = layer(x, lengths, initial)
    wanted_y, wanted_final, parameters = reference(cell, layer, x, lengths, initial)
    assert_equal([y, *final.values()], [wanted_y, *wanted_final])

    ours = [x, *initial.values(), *(dict(layer.named_parameters())[name] for name in parameters)]
    theirs = [x, *initial.values(), *parameters.values()]
    found = torch.autograd.grad(weighted([y, *final.values()]), ours)
    wanted = torch.autograd.grad(weighted([wanted_y, *wanted_final]), theirs)
    assert_equal(list(found), list(wanted))


@pytest.mark.parametrize("cell", list(CELLS))
def test_implementations_agree_in_float32_and_evaluation(cell):
    """torch uses other code for float32, and saves less in evaluation."""
    lengths, x = some_lengths(4, 9), torch.randn(4, 9, E, generator=random()).requires_grad_()
    results = []
    for implementation in IMPLEMENTATIONS:
        layer = RecurrentStack(
            cell, E, H, layers=2, bidirectional=True, generator=random(), implementation=implementation
        ).eval()
        y, _, final = layer(x, lengths)
        loss = weighted([y, *final.values()])
        results.append([y, *final.values(), *torch.autograd.grad(loss, [x, *layer.parameters()])])
    for found in results[1:]:
        torch.testing.assert_close(found, results[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_final_cell_state_is_that_at_each_sequences_end_even_with_extreme_gates(dtype):
    layer = RecurrentStack("lstm", E, H, generator=random()).to(dtype)
    with torch.no_grad():
        layer.get_parameter("weight_ih_l0").mul_(50)
    x, lengths = torch.randn(4, 9, E, generator=random(), dtype=dtype), some_lengths(4, 9)
    _, _, final = layer(x, lengths)
    for row, length in enumerate(lengths.tolist()):
        _, _, alone = layer(x[row : row + 1, :length], lengths[row : row + 1])
        torch.testing.assert_close(final["c"][row], alone["c"][0], rtol=1e-5, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    cell=st.sampled_from(list(CELLS)),
    implementation=st.sampled_from(IMPLEMENTATIONS),
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    bidirectional=st.booleans(),
    garbage=st.sampled_from([1e30, -1e4, 0.0]),
)
def test_padding_changes_nothing_and_empty_sequences_keep_their_state(
    cell, implementation, lengths, bidirectional, garbage
):
    layer = stack(cell, layers=2, bidirectional=bidirectional, implementation=implementation)
    rows, sizes = len(lengths), torch.tensor(lengths)
    x, initial = leaf(rows, 6, E, seed=3), states(layer, rows)
    real = torch.arange(6) < sizes.unsqueeze(1)
    dirty = torch.where(real.unsqueeze(2), x, garbage)
    y, unchanged, final = layer(x, sizes, initial)
    assert torch.equal(unchanged, sizes)
    dirty_y, _, dirty_final = layer(dirty, sizes, initial)
    assert_equal([dirty_y, *dirty_final.values()], [y, *final.values()])
    assert not y[~real].any()
    for name, tensor in final.items():
        assert_equal([tensor[sizes == 0]], [initial[name][sizes == 0]])
    (gradient,) = torch.autograd.grad(weighted([y, *final.values()]), x)
    assert gradient.isfinite().all()
    assert not gradient[~real].any()


@pytest.mark.parametrize("cell", list(CELLS))
def test_without_need_state_outputs_are_the_same(cell):
    layer, x, lengths = stack(cell, layers=2), leaf(4, 6, E, seed=1), some_lengths(4, 6)
    y, _, nothing = layer(x, lengths, need_state=False)
    assert nothing is None
    assert_equal([y], [layer(x, lengths)[0]])


@pytest.mark.parametrize("cell", list(CELLS))
def test_chunks_with_carried_state_equal_the_whole_sequence(cell):
    layer, x, lengths = stack(cell, layers=2), leaf(4, 6, E, seed=1), some_lengths(4, 6)
    y, _, final = layer(x, lengths)
    state, pieces = layer.start(4), []
    for piece, begin in zip(x.split(2, dim=1), (0, 2, 4), strict=True):
        out, _, state = layer(piece, (lengths - begin).clamp(0, 2), state)
        pieces.append(out)
    assert_equal([torch.cat(pieces, 1), *state.values()], [y, *final.values()])


@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (3, True)])
@pytest.mark.parametrize("cell", LIKE_TORCH)
def test_state_dicts_interchange_with_torch(cell, layers, bidirectional):
    ours, theirs = (
        stack(cell, layers=layers, bidirectional=bidirectional),
        torch_layer(cell, layers, bidirectional),
    )
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())


def test_initial_weights_are_those_torch_draws():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        theirs = nn.LSTM(E, H, 2, bidirectional=True)
    ours = RecurrentStack("lstm", E, H, layers=2, bidirectional=True, generator=random(5))
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("cell", list(CELLS))
def test_weights_are_uniform_within_one_over_root_of_hidden_or_of_what_is_concatenated(cell):
    layer = RecurrentStack(cell, 40, 64, layers=2, generator=random())
    for name, weight in layer.named_parameters():
        # torch draws a linear map within one over the root of its inputs.
        features = {"l0": 40 + 64, "l1": 64 + 64}[name[-2:]] if cell == "elman-concat" else 64
        bound = features**-0.5
        assert 0.9 * bound < weight.abs().max() <= bound
        assert abs(weight.mean()) < 0.02


@pytest.mark.parametrize(("bidirectional", "layers", "count"), [(False, 2, 223_232), (False, 1, 91_648)])
def test_parameter_count_of_a_known_network(bidirectional, layers, count):
    """Two-layer RNN of 256 over embeddings of 100 with two classes: 223,746; 514 of them in the head."""
    layer = RecurrentStack("elman", 100, 256, layers=layers, bidirectional=bidirectional, generator=random())
    assert sum(weight.numel() for weight in layer.parameters()) == count


@pytest.mark.parametrize("cell", STEPS)
def test_cells_that_torch_does_not_have_have_one_bias_per_gate(cell: str):
    names = [name for name, _ in stack(cell).named_parameters()]
    assert names == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0"]


@pytest.mark.parametrize("cell", LIKE_TORCH)
def test_torchs_implementation_is_torchs_to_the_bit(cell: str) -> None:
    """In float32 and with enough tokens for the kernels, so that they would be used if they were chosen."""
    layer = RecurrentStack(cell, E, H, layers=2, generator=random(), implementation="torch")
    theirs = torch_layer(cell, 2, False).float()
    theirs.load_state_dict(layer.state_dict())
    results = []
    for each in (layer, theirs):
        x = torch.randn(4, 16, E, generator=random(1)).requires_grad_()
        y = layer(x, torch.full((4,), 16))[0] if each is layer else theirs(x)[0]
        results.append([y, *torch.autograd.grad(y.square().sum(), [x, *each.parameters()])])
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_dropout_acts_between_layers_only(implementation):
    x, lengths = leaf(4, 6, E, seed=1), some_lengths(4, 6)
    one, two = (
        stack("lstm", dropout=0.5, implementation=implementation),
        stack("lstm", layers=2, dropout=0.5, implementation=implementation),
    )
    for layer in (one, two):
        bind_generator(layer, random(1))
    assert_equal([one(x, lengths)[0]], [one.eval()(x, lengths)[0]])
    trained, _, first = two(x, lengths)
    evaluated, _, second = two.eval()(x, lengths)
    assert not torch.allclose(trained, evaluated)
    # The first layer and its recurrence are not affected.
    assert_equal([first["h"][:, 0], first["c"][:, 0]], [second["h"][:, 0], second["c"][:, 0]])


def test_dropout_masks_the_inputs_of_the_second_layer():
    layer = stack("elman", layers=2, dropout=0.5)
    bind_generator(layer, random(1))
    keep = (torch.rand(4, 6, H, generator=random(1), dtype=torch.float64) >= 0.5) * 2.0
    x, lengths = leaf(4, 6, E, seed=1), torch.full((4,), 6)
    lower, upper = (RecurrentStack("elman", size, H, generator=random()).double() for size in (E, H))
    weights = layer.state_dict()
    lower.load_state_dict({name: value for name, value in weights.items() if name.endswith("l0")})
    upper.load_state_dict({f"{name[:-1]}0": value for name, value in weights.items() if name.endswith("l1")})
    assert_equal([layer(x, lengths)[0]], [upper(lower(x, lengths)[0] * keep, lengths)[0]])


def test_gradients_reach_states_in_evaluation_too():
    layer = stack("lstm").eval()
    initial = states(layer, 2)
    _, _, final = layer(leaf(2, 3, E, seed=1), torch.tensor([3, 2]), initial)
    for gradient in torch.autograd.grad(weighted(list(final.values())), list(initial.values())):
        assert gradient.abs().min() > 0


def test_unknown_cell_names_the_nearest():
    with pytest.raises(UserError, match=r"There is no cell 'lstn'. Nearest: 'lstm'"):
        RecurrentStack("lstn", E, H, generator=random())


def test_building_does_not_use_the_global_generator():
    before = torch.get_rng_state()
    stack("lstm", layers=2)
    assert torch.equal(before, torch.get_rng_state())


def test_a_second_derivative_of_an_explicit_backward_pass_is_an_error() -> None:
    layer = stack("gru-reset-before")
    x = leaf(2, 3, E, seed=1)
    y, _, _ = layer(x, torch.tensor([3, 3]))
    (gradient,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        gradient.sum().backward()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_the_summed_output_is_the_sum_of_all_layers_outputs(implementation: Implementation) -> None:
    """Each layer alone, one after the other, by torch's LSTM with the same weights."""
    summed = stack("lstm", layers=3, summed=True, implementation=implementation)
    x, lengths = leaf(4, 6, E, seed=5), some_lengths(4, 6)
    y, _, state = summed(x, lengths)
    assert state is not None
    total = torch.zeros(4, 6, H, dtype=torch.float64)
    below: Tensor = x
    for layer in range(3):
        alone = nn.LSTM(E if layer == 0 else H, H, batch_first=True).double()
        weights = {
            f"{n}_l0": getattr(summed, f"{n}_l{layer}")
            for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        alone.load_state_dict({name: weight.detach() for name, weight in weights.items()})
        below = alone(below)[0]
        total = total + below
    inside = torch.arange(6) < lengths.unsqueeze(1)
    torch.testing.assert_close(y[inside], total[inside])
    assert (y[~inside] == 0).all()
    assert state["h"].shape == (4, 3, H)


@pytest.mark.parametrize(
    ("cell", "gate", "sign"), [("lstm", 1, 1), ("gru", 1, 1), ("gru-reset-before", 1, -1)]
)
def test_forget_bias_is_added_to_one_gate(cell: str, gate: int, sign: int) -> None:
    plain, keeping = (stack(cell, layers=2, bidirectional=True, forget_bias=bias) for bias in (0.0, 20.0))
    H = plain.hidden_size
    for (name, weight), (_, moved) in zip(plain.named_parameters(), keeping.named_parameters(), strict=True):
        wanted = torch.zeros_like(weight)
        if name.startswith("bias_ih"):
            wanted[gate * H : (gate + 1) * H] = 20.0 * sign
        torch.testing.assert_close(moved - weight, wanted)


@pytest.mark.parametrize("cell", ["gru", "gru-reset-before"])
def test_a_large_forget_bias_keeps_the_state(cell: str) -> None:
    layer = stack(cell, forget_bias=20.0)
    x, before = torch.zeros(1, 30, E, dtype=torch.float64), {"h": torch.full((1, 1, H), 0.5).double()}
    _, _, kept = layer(x, torch.tensor([30]), before)
    assert kept is not None
    torch.testing.assert_close(kept["h"], before["h"], atol=1e-4, rtol=0)


def test_cells_without_gates_refuse_a_forget_bias() -> None:
    with pytest.raises(
        UserError, match=r"'forget_bias' must be 0 for the cell 'elman', which has no gates. Got 1"
    ):
        stack("elman", forget_bias=1.0)
