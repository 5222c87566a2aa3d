"""Properties of every layer of the library, for all shapes: padding, batches, determinism, derivatives."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from native import TOLERANCE, Case, Tensors, agree, exact, run, same_bits, scan, threads
from torch import Tensor

from seqlab.nn.native.binding import Library
from seqlab.nn.native.recurrence import CELLS

T = 6
cells = st.sampled_from(list(CELLS))
some_lengths = st.lists(st.integers(0, T), min_size=1, max_size=30).map(torch.tensor)
sizes = st.sampled_from([(1, 1), (3, 5), (9, 18), (4, 70), (40, 180)])
threads_used = st.sampled_from([1, 2])


def padding(lengths: Tensor) -> Tensor:
    return (torch.arange(T) >= lengths.unsqueeze(1)).unsqueeze(2)


@settings(max_examples=25)
@given(
    cell=cells,
    lengths=some_lengths,
    size=sizes,
    reverse=st.booleans(),
    number=threads_used,
    garbage=st.sampled_from([float("nan"), float("inf"), -1e30]),
)
def test_padding_changes_no_bit_and_its_results_are_zero(
    library: Library, *, cell: str, lengths: Tensor, size, reverse: bool, number: int, garbage: float
) -> None:
    case = Case(cell, len(lengths), T, *size, reverse=reverse)
    inputs, upstream = case.tensors(1)
    padded = padding(lengths)
    dirty = {**inputs, "x": torch.where(padded, garbage, inputs["x"])}
    dirty_upstream = {**upstream, "y": torch.where(padded, garbage, upstream["y"])}
    actual = run(library, case, inputs, upstream, lengths, number=number)
    assert same_bits(run(library, case, dirty, dirty_upstream, lengths, number=number), actual)
    for name in ("y", "dx", "dhidden"):
        assert torch.equal(torch.where(padded, actual[name], 0), torch.zeros_like(actual[name])), name
    empty = lengths == 0
    for state in {"h", "c"} & {name[0] for name in inputs}:
        assert torch.equal(actual[f"{state}n"][empty], inputs[f"{state}0"][empty])
        assert torch.equal(actual[f"d{state}0"][empty], upstream[f"{state}n"][empty])


@settings(max_examples=20)
@given(cell=cells, lengths=some_lengths, size=sizes, reverse=st.booleans(), number=threads_used)
def test_a_batch_equals_its_sequences_one_by_one(
    library: Library, *, cell: str, lengths: Tensor, size, reverse: bool, number: int
) -> None:
    case = Case(cell, len(lengths), T, *size, reverse=reverse)
    inputs, upstream = case.tensors(2)
    together = run(library, case, inputs, upstream, lengths, number=number)
    summed: Tensors = {}
    for row, length in enumerate(lengths.tolist()):
        alone = Case(cell, 1, length, *size, reverse=reverse)
        states = {name: tensor[row : row + 1] for name, tensor in inputs.items() if name in ("h0", "c0")}
        own_inputs = {**inputs, **states, "x": inputs["x"][row : row + 1, :length]}
        own_upstream = {name: tensor[row : row + 1] for name, tensor in upstream.items()}
        own_upstream["y"] = own_upstream["y"][:, :length]
        actual = run(library, alone, own_inputs, own_upstream, None)
        for name, tensor in actual.items():
            if name.startswith(("dweight", "dbias")):
                summed[name] = summed.get(name, torch.zeros_like(tensor)) + tensor
            else:
                whole = together[name][row : row + 1]
                whole = whole[:, :length] if whole.dim() == 3 else whole
                torch.testing.assert_close(tensor, whole, rtol=TOLERANCE, atol=1e-5)
    for name, tensor in summed.items():
        torch.testing.assert_close(tensor, together[name], rtol=1e-4, atol=1e-4)


@settings(max_examples=30)
@given(
    cell=cells,
    size=st.tuples(*(st.integers(1, most) for most in (40, 5, 40, 40))),
    reverse=st.booleans(),
    ragged=st.booleans(),
    number=threads_used,
    seed=st.integers(0, 9),
)
def test_any_shape(
    library: Library, *, cell: str, size, reverse: bool, ragged: bool, number: int, seed: int
) -> None:
    case = Case(cell, *size, reverse=reverse, ragged=ragged)
    inputs, upstream = case.tensors(seed)
    expected, kink = exact(case, inputs, upstream, case.lengths())
    if cell != "elman-relu" or kink > 1e-5:
        agree(
            run(library, case, inputs, upstream, case.lengths(), number=number), expected, context=str(case)
        )


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("shape", [(60, 7, 9, 18), (60, 3, 40, 190), (3, 9, 30, 130)], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_same_bits_for_the_same_input_and_threads(library: Library, cell: str, shape, number: int) -> None:
    case = Case(cell, *shape, ragged=True)
    inputs, upstream = case.tensors()
    first = run(library, case, inputs, upstream, case.lengths(), number=number)
    # Another call in between leaves other numbers in the memory that is reused.
    other = Case(cell, 7, 3, 5, 33)
    run(library, other, *other.tensors(), None, number=number)
    assert same_bits(run(library, case, inputs, upstream, case.lengths(), number=number), first)


@pytest.mark.parametrize("cell", ["gru-reset-before", "lstm"])
def test_more_threads_than_processors(library: Library, cell: str) -> None:
    """Threads that share the units of a layer wait at each step, and sleep when that takes long."""
    number = 2 * (os.cpu_count() or 1) + 3
    case = Case(cell, 3, 60, 30, 130)
    inputs, upstream = case.tensors()
    expected, _ = exact(case, inputs, upstream, None)
    first = run(library, case, inputs, upstream, None, number=number)
    agree(first, expected, context=str(case))
    assert same_bits(run(library, case, inputs, upstream, None, number=number), first)


def test_calls_from_several_threads_at_once(library: Library) -> None:
    case = Case("gru-reset-before", 20, 7, 9, 33, ragged=True)
    inputs, upstream = case.tensors()
    with threads(1), ThreadPoolExecutor(4) as workers:
        first = run(library, case, inputs, upstream, case.lengths())
        calls = [workers.submit(run, library, case, inputs, upstream, case.lengths()) for _ in range(16)]
        assert all(same_bits(call.result(), first) for call in calls)


@pytest.mark.parametrize("cell", CELLS)
def test_a_second_backward_pass_gives_the_same_bits(library: Library, cell: str) -> None:
    case = Case(cell, 4, 6, 5, 18, ragged=True)
    inputs, upstream = case.tensors()
    leaves = {name: tensor.requires_grad_() for name, tensor in inputs.items()}
    outputs = scan(library, case, leaves, case.lengths())
    dy = list(upstream.values())
    passes = [torch.autograd.grad(outputs, list(leaves.values()), dy, retain_graph=True) for _ in range(3)]
    for again in passes[1:]:
        assert all(torch.equal(first, second) for first, second in zip(passes[0], again, strict=True))


@pytest.mark.parametrize("cell", CELLS)
def test_a_second_derivative_is_an_error(library: Library, cell: str) -> None:
    case = Case(cell, 2, 3, 4, 5)
    inputs, _ = case.tensors()
    x = inputs["x"].requires_grad_()
    y, *_ = scan(library, case, inputs, None)
    with pytest.raises(RuntimeError, match=r"first derivatives only\. .*SEQLAB_KERNELS=reference"):
        torch.autograd.grad(y.sum(), x, create_graph=True)


@pytest.mark.parametrize("changed", ["x", "weight_hh", "h0"])
def test_inputs_changed_before_the_backward_pass_are_detected(library: Library, changed: str) -> None:
    case = Case("lstm", 2, 3, 4, 5)
    inputs, _ = case.tensors()
    inputs["weight_ih"].requires_grad_()
    y, *_ = scan(library, case, inputs, None)
    inputs[changed].mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_nan_in_the_inputs_reaches_the_outputs(library: Library) -> None:
    for cell in CELLS:
        case = Case(cell, 3, 4, 5, 18)
        inputs, _ = case.tensors()
        inputs["x"][1, 2, 3] = float("nan")
        y, *_ = scan(library, case, inputs, None)
        assert y[1, 2:].isnan().all(), cell
        assert y[[0, 2]].isfinite().all(), cell
        assert y[1, :2].isfinite().all(), cell
