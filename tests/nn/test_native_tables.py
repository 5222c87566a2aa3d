"""Layers that read their inputs from a table by tokens, compared with the same from vectors in float64.

Legend: B batch size, T steps, E inputs, H units, V rows of the table.
"""

from __future__ import annotations

import native
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from native import MIN_KINK_DISTANCE, Case, Tensors, agree, exact, same_bits, scan, threads
from torch import Tensor

from seqlab.nn.cells import Weights
from seqlab.nn.dropout import Dropout
from seqlab.nn.embedding import Embedding, Fixed, Lookup, embedded
from seqlab.nn.native import builds
from seqlab.nn.native.binding import Library
from seqlab.nn.native.recurrence import CELLS, native_scan, reads_tokens
from seqlab.nn.recurrent import RecurrentStack
from seqlab.schema.errors import UserError

# B, T, E, H, V, and which case the shape tests:
SHAPES = [
    (2, 3, 1, 1, 1),  # nothing fills a vector, one row in the table
    (5, 4, 9, 17, 3),  # fewer rows in the table than threads; one column more than a panel
    (80, 7, 10, 21, 50),  # several groups of rows per thread
    (1, 300, 2, 3, 20),  # a group's steps in several chunks
    (60, 5, 70, 40, 33),  # more inputs than units
]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tokens_of(case: Case, V: int, lengths: Tensor | None) -> Tensor:
    """Tokens of which some are equal and one does not occur; padding contains an id that no table has."""
    tokens = torch.randint(V, (case.B, case.T), generator=seeded(3))
    tokens[tokens == 1] = 0
    if lengths is not None:
        tokens[torch.arange(case.T) >= lengths.unsqueeze(1)] = 10**12
    return tokens


def expected_of(
    case: Case, inputs: Tensors, upstream: Tensors, tokens: Tensor, lengths: Tensor | None
) -> tuple[Tensors, float]:
    """The results by the equations: the table's gradient is the sum of those of its tokens' vectors."""
    table = inputs["x"]
    real = tokens.clamp(0, len(table) - 1)
    expected, kink = exact(case, {**inputs, "x": table[real]}, upstream, lengths)
    dtable = torch.zeros(table.shape, dtype=torch.float64)
    dtable.index_add_(0, real.flatten(), expected["dx"].flatten(0, 1))
    return {**expected, "dx": dtable}, kink


def run(  # noqa: PLR0917 (as that of `native`)
    library: Library, case: Case, inputs: Tensors, upstream: Tensors, tokens: Tensor, lengths: Tensor | None
) -> Tensors:
    lookup = Lookup(tokens, inputs["x"])
    assert reads_tokens(library, case.cell, lookup, inputs["h0"]), "otherwise nothing is tested"
    number = torch.get_num_threads()
    return native.run(library, case, inputs, upstream, lengths, number=number, tokens=tokens)


def random_tensors(case: Case, V: int, seed: int = 0) -> tuple[Tensors, Tensors]:
    inputs, upstream = case.tensors(seed)
    table = torch.randn(V, case.E, generator=seeded(seed + 1))
    return {**inputs, "x": table}, upstream


# Directions and lengths differ only in the order of tokens; each is tested with every other shape.
COMBINATIONS = [
    (shape, reverse, ragged)
    for index, shape in enumerate(SHAPES)
    for reverse in (False, True)
    for ragged in (False, True)
    if (index + reverse + ragged) % 2
]


@pytest.mark.parametrize(("shape", "reverse", "ragged"), COMBINATIONS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_values_and_all_gradients(library: Library, cell: str, shape, reverse: bool, ragged: bool) -> None:
    *sizes, V = shape
    case = Case(cell, *sizes, reverse=reverse, ragged=ragged)
    lengths = case.lengths()
    tokens = tokens_of(case, V, lengths)
    inputs, upstream, expected = next(
        (inputs, upstream, expected)
        for inputs, upstream in (random_tensors(case, V, seed) for seed in range(9))
        for expected, kink in [expected_of(case, inputs, upstream, tokens, lengths)]
        if cell != "elman-relu" or kink > MIN_KINK_DISTANCE
    )
    # With more threads than sequences work is divided by units, and vectors are looked up.
    for number in range(1, min(3, case.B) + 1):
        with threads(number):
            actual = run(library, case, inputs, upstream, tokens, lengths)
        agree(actual, expected, context=f"on {number} threads")


@settings(max_examples=25)
@given(
    cell=st.sampled_from(list(CELLS)),
    size=st.tuples(*(st.integers(1, most) for most in (40, 5, 40, 40))),
    V=st.integers(1, 60),
    ragged=st.booleans(),
    number=st.sampled_from([1, 2]),
    seed=st.integers(0, 9),
)
def test_any_shape(
    library: Library, *, cell: str, size, V: int, ragged: bool, number: int, seed: int
) -> None:
    case = Case(cell, *size, ragged=ragged)
    lengths = case.lengths()
    tokens = tokens_of(case, V, lengths)
    inputs, upstream = random_tensors(case, V, seed)
    with threads(number):
        assume(reads_tokens(library, cell, Lookup(tokens, inputs["x"]), inputs["h0"]))
        expected, kink = expected_of(case, inputs, upstream, tokens, lengths)
        assume(cell != "elman-relu" or kink > MIN_KINK_DISTANCE)
        actual = run(library, case, inputs, upstream, tokens, lengths)
        agree(actual, expected, context=str(case))
        assert same_bits(run(library, case, inputs, upstream, tokens, lengths), actual)


@pytest.mark.parametrize("bad", [-1, 4, 2**40])
def test_tokens_outside_the_table(library: Library, bad: int) -> None:
    case = Case("lstm", 3, 4, 2, 5)
    inputs, upstream = random_tensors(case, 4)
    tokens = tokens_of(case, 4, None)
    tokens[2, 3] = bad
    with pytest.raises(
        UserError, match=rf"Tokens must be within 0 to 3, the rows of their table. Got {bad}\."
    ):
        run(library, case, inputs, upstream, tokens, None)


def test_the_reported_token_is_not_padding(library: Library) -> None:
    case, lengths = Case("lstm", 3, 4, 2, 5), torch.tensor([4, 1, 3])
    inputs, upstream = random_tensors(case, 4)
    tokens = tokens_of(case, 4, lengths)
    run(library, case, inputs, upstream, tokens, lengths)
    tokens[2, 2] = 7
    with pytest.raises(UserError, match="Got 7"):
        run(library, case, inputs, upstream, tokens, lengths)


def test_tokens_that_were_changed_before_the_backward_pass(library: Library) -> None:
    """Undetected by torch: through an array with the same memory."""
    case = Case("lstm", 3, 4, 2, 5)
    inputs, _ = random_tensors(case, 4)
    array = tokens_of(case, 4, None).numpy()
    lookup = Lookup(torch.from_numpy(array), inputs["x"].requires_grad_())
    weights = Weights(*(inputs[name] for name in Weights._fields))
    y, _ = native_scan(library, "lstm", lookup, None, (inputs["h0"], inputs["c0"]), weights)
    array[1, 1] = 9
    with pytest.raises(UserError, match="Got 9"):
        y.sum().backward()


def test_large_tables_are_looked_up(library: Library) -> None:
    """More rows than half the tokens or than fit into the caches; large layers; int32."""
    lookup = Lookup(torch.zeros(8, 10, dtype=torch.int64), torch.zeros(40, 3))
    assert reads_tokens(library, "lstm", lookup, torch.zeros(8, 5))
    for tokens, table, H in (
        (lookup.tokens, torch.zeros(41, 3), 5),
        (torch.zeros(100, 100, dtype=torch.int64), torch.zeros(5000, 3), 16),
        (torch.zeros(100, 100, dtype=torch.int64), torch.zeros(40, 3), 300),
        (lookup.tokens.int(), lookup.table, 5),
    ):
        assert not reads_tokens(library, "lstm", Lookup(tokens, table), torch.zeros(len(tokens), H))


@pytest.mark.parametrize("kernels", builds.available_builds())
@pytest.mark.parametrize("V", [7, 100])
@pytest.mark.parametrize("cell", CELLS)
def test_a_stack_of_both_directions_and_two_layers(cell: str, V: int, kernels: str) -> None:
    """The results equal those from vectors, whether the table is read or looked up, learned or fixed."""
    stack = RecurrentStack(cell, 6, 9, layers=2, bidirectional=True, generator=seeded(0))
    table = torch.randn(V, 6, generator=seeded(1)).requires_grad_()
    tokens = torch.randint(V, (5, 8), generator=seeded(2))
    lengths = torch.tensor([8, 3, 0, 8, 1])
    leaves = [table, *stack.parameters()]
    with builds.use_build(kernels):
        results = []
        for x in (Lookup(tokens, table), table[tokens]):
            y, _, state = stack(x, lengths)
            assert state is not None
            loss = y.square().sum() + sum(part.sum() for part in state.values())
            results.append([y.detach(), *torch.autograd.grad(loss, leaves)])
        fixed, _, _ = stack(Fixed(table.detach()).lookup(tokens), lengths)
    for by_table, by_vectors in zip(*results, strict=True):
        torch.testing.assert_close(by_table, by_vectors, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(fixed.detach(), results[0][0], rtol=0, atol=0)


def test_when_vectors_are_looked_up() -> None:
    """By the layer itself while nothing is dropped and no reader provides the vectors."""
    embedding, tokens = Embedding(5, 3), torch.tensor([[1, 4]])
    dropout = Dropout(0.5)
    dropout.generator = seeded(0)
    dropped = embedded(embedding, tokens, dropout)
    assert isinstance(dropped, Tensor)
    dropout.eval()
    for idle in (dropout, Dropout(0.0)):
        actual = embedded(embedding, tokens, idle)
        assert isinstance(actual, Lookup)
        assert torch.equal(actual.vectors, embedding(tokens))
        assert (actual.shape, actual.dtype, actual.device) == (
            actual.vectors.shape,
            actual.vectors.dtype,
            actual.vectors.device,
        )
    embedding.reader = lambda tokens: torch.zeros(*tokens.shape, 3)
    read = embedding.lookup(tokens)
    assert isinstance(read, Tensor)
    assert torch.equal(read, torch.zeros(1, 2, 3))
    assert isinstance(embedding.eval().lookup(tokens), Lookup)


def test_a_table_that_is_a_slice_of_a_wider_one(library: Library) -> None:
    """It is read without a copy, and gives the same results as its vectors."""
    case = Case("gru", 9, 6, 5, 12, ragged=True)
    lengths = case.lengths()
    tokens = tokens_of(case, 11, lengths)
    inputs, upstream = random_tensors(case, 11)
    wide = torch.full((11, 10), float("nan"))
    wide[:, :5] = inputs["x"]
    first = run(library, case, inputs, upstream, tokens, lengths)
    assert same_bits(run(library, case, {**inputs, "x": wide[:, :5]}, upstream, tokens, lengths), first)
    real = tokens.clamp(0, 10)
    vectors = {**inputs, "x": inputs["x"][real]}
    agree({"y": scan(library, case, vectors, lengths)[0]}, {"y": first["y"].double()})
