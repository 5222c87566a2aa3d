"""A cell of one's own: as the same cell of the package, wherever a recurrence may be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seqlab.nn.own_cell import own_cell
from seqlab.nn.recurrent import RecurrentStack
from seqlab.nn.trace import traced
from seqlab.schema.errors import UserError
from seqlab.schema.own_code import OwnCodeError

CELLS = Path(__file__).parents[1] / "own_cells.py"


def stack(cell: str, **settings: bool | float | str) -> RecurrentStack:
    sizes = {"layers": 2, **settings}
    return RecurrentStack(cell, 3, 5, generator=torch.Generator().manual_seed(0), **sizes).double()  # pyright: ignore


def outcome(layer: RecurrentStack, weights: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Outputs, states and all gradients from a random state, with rows of unequal lengths."""
    layer.load_state_dict(
        {name: weights.get(name, torch.zeros_like(w)) for name, w in layer.state_dict().items()}
    )
    random = torch.Generator().manual_seed(1)
    x = torch.randn(4, 6, 3, generator=random, dtype=torch.float64).requires_grad_()
    start = {
        name: torch.randn(s.shape, generator=random, dtype=torch.float64)
        for name, s in layer.start(4).items()
    }
    with traced(layer) as traces:
        y, _, state = layer(x, torch.tensor([6, 1, 0, 4]), start)
        assert state is not None
        loss = y.square().sum() + sum(each.sin().sum() for each in state.values())
        loss.backward()
    own = [p.grad for name, p in layer.named_parameters() if name in weights]
    assert x.grad is not None
    assert all(gradient is not None for gradient in own)
    return [y, *state.values(), x.grad, *own, *traces[""].states, *traces[""].gradients]  # pyright: ignore


@pytest.mark.parametrize(("name", "same"), [("gru_reset_before", "gru-reset-before"), ("Lstm", "lstm")])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_equals_the_package_in_outputs_states_and_gradients(
    name: str, same: str, bidirectional: bool
) -> None:
    own = stack(f"{CELLS}:{name}", bidirectional=bidirectional)
    weights = {key: value.clone() for key, value in own.state_dict().items()}
    found, expected = outcome(own, weights), outcome(stack(same, bidirectional=bidirectional), weights)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_gates_and_states_are_those_that_the_equations_name() -> None:
    lstm, unit = own_cell(f"{CELLS}:Lstm"), own_cell(f"{CELLS}:minimal_gated_unit")
    assert (lstm.gates, lstm.states, lstm.two_biases) == (4, ("h", "c"), False)
    assert (unit.gates, unit.states) == (2, ("h",))


def test_the_minimal_gated_unit_by_hand() -> None:
    """One step from h, with numbers for which every function is computed here."""
    layer = RecurrentStack(
        f"{CELLS}:minimal_gated_unit", 1, 1, generator=torch.Generator().manual_seed(0)
    ).double()
    layer.load_state_dict(
        {
            "weight_ih_l0": torch.tensor([[0.5], [-1.0]]),
            "weight_hh_l0": torch.tensor([[0.25], [2.0]]),
            "bias_ih_l0": torch.tensor([0.1, 0.3]),
        }
    )
    h, x = torch.tensor(0.4, dtype=torch.float64), 2.0
    f = 1 / (1 + torch.exp(-(0.5 * x + 0.1 + 0.25 * h)))
    n = torch.tanh(-1.0 * x + 0.3 + 2.0 * f * h)
    inputs = torch.full((1, 1, 1), x, dtype=torch.float64)
    y, _, _ = layer(inputs, torch.tensor([1]), {"h": h.reshape(1, 1, 1)})
    torch.testing.assert_close(y.squeeze(), (1 - f) * h + f * n, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "wrong_shape",
            r"wrong_shape must return the new states as .*: \(3, 4\) .* cpu\. Got \(3,\) float32 on cpu\.$",
        ),
        (
            "mixes_rows",
            r"mixes_rows must compute each row of a batch alone, .* in a batch of 3 than alone \(by ",
        ),
        ("fails", r"^own_cells.py:\d+ failed while .*: RuntimeError: mat1 and mat2"),
        (
            "no_state",
            r"no_state must be a function of the inputs, at least one state, .*. Got \(x, u",
        ),
        ("no_gates", r"no_gates must read at least one gate, as in x.f and u.f\(h\). Got none"),
        (
            "NoStep",
            r"NoStep must have a method step\(self, x, h, u\), or be a function of \(x, h, u\). Got neither",
        ),
    ],
)
def test_a_wrong_cell_is_refused_before_training(name: str, message: str) -> None:
    with pytest.raises(OwnCodeError, match=message):
        RecurrentStack(f"{CELLS}:{name}", 3, 5, generator=torch.Generator())


def test_no_gate_is_known_to_keep_the_state() -> None:
    with pytest.raises(
        UserError, match=r"'forget_bias' must be 0 for the cell 'own_cells.py:Lstm', of which .* Got 1"
    ):
        stack(f"{CELLS}:Lstm", forget_bias=1.0)


def test_torch_cannot_compute_a_cell_of_ones_own() -> None:
    with pytest.raises(UserError, match=r"'implementation' must be 'equations' for the cell .*Got 'torch'"):
        stack(f"{CELLS}:minimal_gated_unit", implementation="torch")
