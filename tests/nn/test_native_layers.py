"""Layers of every cell by every build of the library, compared with their equations in float64."""

from __future__ import annotations

import pytest
import torch
from native import ONE_BIAS, Case, agree, exact, run, scan, solved, threads, why_not
from torch import nn

from seqlab.nn.native.binding import BUILDS, Library
from seqlab.nn.native.builds import available_builds
from seqlab.nn.native.recurrence import CELLS

# B, T, E, H, and which case in small.hpp, plan.hpp, product.hpp or forward.hpp the shape tests:
SHAPES = [
    (1, 1, 1, 1),  # nothing fills a vector
    (3, 1, 2, 7),  # one step
    (1, 6, 3, 5),  # one row
    (5, 4, 9, 17),  # one column more than a panel; work divided by rows
    (2, 5, 33, 70),  # work divided by units
    (1, 4, 16, 129),  # one unit more than whole vectors
    (80, 7, 10, 21),  # several groups of rows per thread
    (1, 300, 2, 3),  # a group's steps in several chunks
    (9, 40, 5, 70),  # work divided by units; tokens in several blocks of K
    (50, 2, 30, 180),  # the LSTM's weights do not fit into the caches, the GRU's just do
    (180, 1, 150, 170),  # more rows than are projected at once
    (2, 2, 450, 130),  # inputs in several blocks of K
    (2, 3, 5, 410),  # units in several blocks of K
]


# Large shapes are tested in two of the four combinations of direction and lengths, which differ only in the
# order of tokens; small ones in all.
COMBINATIONS = [
    (shape, reverse, ragged)
    for shape in SHAPES
    for reverse in (False, True)
    for ragged in (False, True)
    if shape in SHAPES[3:5] or (SHAPES.index(shape) + reverse + ragged) % 2
]


@pytest.mark.parametrize(("shape", "reverse", "ragged"), COMBINATIONS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_values_and_all_gradients(library: Library, cell: str, shape, reverse: bool, ragged: bool) -> None:
    case = Case(cell, *shape, reverse=reverse, ragged=ragged)
    inputs, upstream, expected = solved(case)
    for number in (1, 2, 3):
        actual = run(library, case, inputs, upstream, case.lengths(), number=number)
        assert actual.keys() == expected.keys()
        agree(actual, expected, context=f"on {number} threads")


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell not in ONE_BIAS])
def test_the_reference_equals_torch(cell: str) -> None:
    """torch has no cells with one bias; `test_recurrent` compares them with loops of its own."""
    case = Case(cell, 3, 4, 5, 6)
    inputs, upstream, expected = solved(case)
    kind = {"lstm": nn.LSTM, "gru": nn.GRU}.get(cell, nn.RNN)
    settings = {"nonlinearity": "relu"} if cell == "elman-relu" else {}
    layer = kind(case.E, case.H, batch_first=True, **settings).double()
    layer.load_state_dict({f"{name}_l0": w.double() for name, w in inputs.items() if name[0] in "wb"})
    x = inputs["x"].double().requires_grad_()
    start = [inputs[name].double().unsqueeze(0) for name in ("h0", "c0") if name in inputs]
    y, final = layer(x, tuple(start) if len(start) == 2 else start[0])
    states = [state.squeeze(0) for state in (final if isinstance(final, tuple) else (final,))]
    outputs = dict(zip(("y", "hn", "cn"), (y, *states), strict=False))
    dy = [upstream[name].double() for name in outputs]
    gradients = torch.autograd.grad(list(outputs.values()), [x, *layer.parameters()], dy)
    names = ["x", *(name.removesuffix("_l0") for name, _ in layer.named_parameters())]
    actual = outputs | {f"d{name}": gradient for name, gradient in zip(names, gradients, strict=True)}
    torch.testing.assert_close(actual, {name: expected[name] for name in actual}, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_initial_states_of_zeros(library: Library, cell: str) -> None:
    """The library may then leave out the first product with the state."""
    case = Case(cell, 4, 3, 5, 19, ragged=True)
    inputs, upstream = case.tensors(3)
    inputs |= {name: torch.zeros_like(inputs[name]) for name in ("h0", "c0") if name in inputs}
    expected, _ = exact(case, inputs, upstream, case.lengths())
    agree(run(library, case, inputs, upstream, case.lengths()), expected)


@pytest.mark.parametrize("cell", CELLS)
def test_batches_without_sequences_or_without_steps(library: Library, cell: str) -> None:
    for case in (Case(cell, 0, 3, 4, 5), Case(cell, 3, 0, 4, 5), Case(cell, 3, 0, 4, 70)):
        inputs, upstream = case.tensors()
        expected, _ = exact(case, inputs, upstream, None)
        for number in (1, 2):
            agree(run(library, case, inputs, upstream, None, number=number), expected)


def strided(tensor: torch.Tensor, how: str) -> torch.Tensor:
    """The same numbers with other strides."""
    wide = torch.full((*tensor.shape[:-1], 2 * tensor.shape[-1]), float("nan"))
    if how == "sliced":
        wide[..., : tensor.shape[-1]] = tensor
        return wide[..., : tensor.shape[-1]]
    if how == "every second":
        wide[..., ::2] = tensor
        return wide[..., ::2]
    return tensor.transpose(0, -1).contiguous().transpose(0, -1)


@pytest.mark.parametrize("how", ["sliced", "every second", "transposed"])
@pytest.mark.parametrize("cell", CELLS)
def test_tensors_that_are_not_contiguous(library: Library, cell: str, how: str) -> None:
    case = Case(cell, 5, 4, 3, 18, ragged=True)
    inputs, upstream, expected = solved(case)
    inputs, upstream = ({name: strided(t, how) for name, t in these.items()} for these in (inputs, upstream))
    assert not inputs["x"].is_contiguous()
    assert not upstream["y"].is_contiguous()
    agree(run(library, case, inputs, upstream, case.lengths(), number=2), expected)
    time_first = {**inputs, "x": inputs["x"].transpose(0, 1).contiguous().transpose(0, 1)}
    agree(run(library, case, time_first, upstream, case.lengths()), expected)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 9), (1, 4, 9), (3, 1, 1)], ids=str)
def test_gradients_that_are_expanded(library: Library, cell: str, shape) -> None:
    """As those of y.sum(), of a sum over steps, and of a sum over the batch."""
    case = Case(cell, 3, 4, 5, 9)
    inputs, upstream, _ = solved(case)
    torch.manual_seed(0)
    upstream = {**upstream, "y": torch.randn(shape).expand(3, 4, 9)}
    expected, _ = exact(case, inputs, upstream, None)
    agree(run(library, case, inputs, upstream, None), expected)


@pytest.mark.parametrize("cell", CELLS)
def test_an_input_that_is_expanded_over_the_batch(library: Library, cell: str) -> None:
    case = Case(cell, 4, 3, 5, 9)
    inputs, upstream, _ = solved(case)
    inputs = {**inputs, "x": inputs["x"][:1].expand(4, 3, 5)}
    expected, _ = exact(case, inputs, upstream, None)
    agree(run(library, case, inputs, upstream, None), expected)


@pytest.mark.parametrize("cell", CELLS)
def test_only_some_gradients_are_needed(library: Library, cell: str) -> None:
    """Frozen weights, an input without gradient: each input alone, and all others."""
    case = Case(cell, 4, 3, 5, 18, ragged=True)
    inputs, upstream, expected = solved(case)
    for name in inputs:
        for alone in (True, False):
            chosen = {other for other in inputs if (other == name) == alone}
            actual = run(library, case, inputs, upstream, case.lengths(), needed=chosen)
            assert (f"d{name}" in actual) == alone
            agree(actual, expected, context=f"with the gradients of {', '.join(sorted(chosen))}")


@pytest.mark.parametrize("output", ["y", "hn", "cn"])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_from_one_output_alone(library: Library, cell: str, output: str) -> None:
    case = Case(cell, 4, 3, 5, 18, ragged=True, reverse=True)
    inputs, upstream, _ = solved(case)
    if output not in upstream:
        return
    zeros = {name: tensor * (name == output) for name, tensor in upstream.items()}
    expected, _ = exact(case, inputs, zeros, case.lengths())
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in inputs.items()}
    actual = dict(zip(upstream, scan(library, case, leaves, case.lengths()), strict=True))[output]
    gradients = torch.autograd.grad(actual, list(leaves.values()), upstream[output])
    agree({f"d{name}": gradient for name, gradient in zip(leaves, gradients, strict=True)}, expected)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_without_gradients(library: Library, cell: str, ragged: bool, number: int) -> None:
    for shape in ((5, 6, 4, 18), (30, 9, 4, 70), (3, 4, 5, 100)):
        case = Case(cell, *shape, ragged=ragged)
        inputs, _, expected = solved(case)
        with torch.no_grad(), threads(number):
            outputs = scan(
                library, case, {n: t.clone().requires_grad_() for n, t in inputs.items()}, case.lengths()
            )
        assert not any(output.requires_grad for output in outputs)
        agree(dict(zip(("y", "hn", "cn"), outputs, strict=False)), expected)


@pytest.mark.parametrize("scale", [30.0, 1e4])
@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell != "elman-relu"])
def test_saturated_gates(library: Library, cell: str, scale: float) -> None:
    """Sums beyond the range of exp: values stay right, gradients finite."""
    case = Case(cell, 4, 5, 3, 17, ragged=True)
    inputs, upstream = case.tensors(1)
    inputs["weight_ih"] *= scale
    expected, _ = exact(case, inputs, upstream, case.lengths())
    actual = run(library, case, inputs, upstream, case.lengths())
    for name, tensor in actual.items():
        assert tensor.isfinite().all(), name
    agree({name: actual[name] for name in ("y", "hn")}, expected)


def test_torchs_default_type_does_not_matter(library: Library) -> None:
    case = Case("lstm", 4, 3, 5, 18)
    inputs, upstream, expected = solved(case)
    torch.set_default_dtype(torch.float64)
    try:
        actual = run(library, case, inputs, upstream, None)
    finally:
        torch.set_default_dtype(torch.float32)
    agree(actual, expected)


@pytest.mark.parametrize("build", BUILDS)
def test_every_build_is_available_where_it_can_run(build: str) -> None:
    if (reason := why_not(build)) is not None:
        assert build not in available_builds()
        pytest.skip(reason)
    assert build in available_builds()
