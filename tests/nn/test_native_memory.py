"""The library's memory is released, whatever happens to a graph, and the cached part of it is bounded."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import torch
from native import Case, scan
from torch import Tensor

from seqlab.nn.native.binding import Block, LayerArguments, Library, check
from seqlab.nn.native.recurrence import CELLS
from seqlab.schema.errors import WorkError

MIB = 2**18
"""1 MiB, in floats."""


@pytest.fixture(autouse=True)
def nothing_left(library: Library) -> Iterator[None]:
    """Each test begins without cached memory, and after it none is in use."""
    _collect(library)
    library.calls.seqlab_release_unused()
    assert library.memory_use() == (0, 0)
    yield
    _collect(library)
    assert library.memory_use()[0] == 0


def _collect(library: Library) -> None:
    """Free graphs in reference cycles, which exceptions of other tests leave; slow, so only if needed."""
    if library.memory_use()[0]:
        gc.collect()


def forward(library: Library, case: Case, hidden=None) -> list[Tensor]:
    inputs, _ = case.tensors()
    leaves = {name: tensor.requires_grad_() for name, tensor in inputs.items()}
    return scan(library, case, leaves, case.lengths(), hidden)


def step(library: Library, case: Case) -> None:
    sum(output.sum() for output in forward(library, case)).backward()  # type: ignore[union-attr]


@pytest.mark.parametrize("cell", CELLS)
def test_forward_and_backward(library: Library, cell: str) -> None:
    outputs = forward(library, Case(cell, 5, 6, 4, 33, ragged=True))
    assert library.memory_use()[0] > 0
    outputs[0].sum().backward()
    assert library.memory_use()[0] == 0, "although the graph still exists"


def test_two_backward_passes(library: Library) -> None:
    y, *_ = forward(library, Case("lstm", 5, 6, 4, 33))
    for _ in range(2):
        y.sum().backward(retain_graph=True)
        assert library.memory_use()[0] == 0


def test_without_gradients(library: Library) -> None:
    with torch.no_grad():
        outputs = forward(library, Case("lstm", 5, 6, 4, 33))
    assert library.memory_use()[0] == 0
    assert outputs[0].isfinite().all()


def test_a_graph_that_is_deleted(library: Library) -> None:
    outputs = forward(library, Case("gru-reset-before", 5, 6, 4, 33))
    assert library.memory_use()[0] > 0
    del outputs
    assert library.memory_use()[0] == 0


def test_an_error_in_the_backward_pass(library: Library) -> None:
    def broken(_: Tensor) -> None:
        raise KeyError("in the callback")

    y, *_ = forward(library, Case("gru", 5, 6, 4, 33), broken)
    with pytest.raises(KeyError, match="in the callback"):
        y.sum().backward()
    assert library.memory_use()[0] == 0


def test_no_memory_for_what_backward_needs(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """2^62 bytes are more than any machine has."""
    monkeypatch.setattr(library.calls, "seqlab_saved_floats", lambda _: 2**60)
    with pytest.raises(WorkError, match=r"needs \d+ MiB more than is free\. Use a smaller batch"):
        forward(library, Case("lstm", 5, 6, 4, 33))
    assert library.memory_use()[0] == 0
    monkeypatch.undo()
    step(library, Case("lstm", 5, 6, 4, 33))


def test_statuses_become_errors() -> None:
    check(0)
    with pytest.raises(WorkError, match="working memory is larger than what is free"):
        check(2)
    with pytest.raises(AssertionError, match="returned status 1"):
        check(1)


def test_a_structure_of_another_size_is_refused(library: Library) -> None:
    layer = LayerArguments(size=8)
    assert library.calls.seqlab_forward(layer) == library.calls.seqlab_backward(layer) == 1


@pytest.mark.parametrize("cell", CELLS)
def test_a_second_call_allocates_no_new_memory(library: Library, cell: str) -> None:
    case = Case(cell, 20, 9, 12, 70, ragged=True)
    step(library, case)
    first = library.memory_use()
    for _ in range(3):
        step(library, case)
    assert library.memory_use() == first


def test_calls_of_many_lengths_cache_at_most_twice_the_memory_of_the_largest(library: Library) -> None:
    def cached(steps: int) -> int:
        step(library, Case("lstm", 32, steps, 8, 64))
        return library.memory_use()[1]

    largest = cached(200)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0)).tolist()
    assert max(cached(1 + 3 * steps) for steps in order) <= 2 * largest


def test_the_cache_is_bounded_when_sizes_grow_after_a_large_one(library: Library) -> None:
    Block(library, 300 * MIB)
    for mib in range(4, 100, 4):
        Block(library, mib * MIB)
    assert library.memory_use()[1] <= 2 * 300 * 2**20


def test_blocks_are_aligned_disjoint_and_reused(library: Library) -> None:
    first, second = Block(library, 5 * MIB), Block(library, 5 * MIB)
    assert first.address is not None
    assert second.address is not None
    assert first.address % 64 == second.address % 64 == 0
    assert abs(first.address - second.address) >= 5 * 2**20
    address = second.address
    del second
    assert Block(library, 5 * MIB).address == address


def test_only_unused_blocks_are_returned_to_the_system(library: Library) -> None:
    used, unused = Block(library, MIB), Block(library, MIB)
    bytes_used = library.memory_use()[0] // 2
    del unused
    library.calls.seqlab_release_unused()
    assert library.memory_use() == (bytes_used, 0)
    del used
