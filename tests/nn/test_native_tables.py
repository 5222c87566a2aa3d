"""Layers that read their inputs from a table by tokens, against the same of vectors in float64.

Legend: B rows, T steps, E inputs, H units, V rows of the table.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from native import FROM_THE_KINK, Case, Tensors, agree, exact, same_bits, scan, threads
from torch import Tensor

from seqlab.nn.cells import Weights
from seqlab.nn.dropout import Dropout
from seqlab.nn.embedding import Embedding, Fixed, Lookup, embedded
from seqlab.nn.native import builds as choice
from seqlab.nn.native.binding import Library
from seqlab.nn.native.recurrence import CELLS, native_scan, reads_tokens
from seqlab.nn.recurrent import RecurrentStack
from seqlab.schema.errors import UserError

# B, T, E, H, V: what each is for.
SHAPES = [
    (2, 3, 1, 1, 1),  # nothing fills a vector, one row of the table
    (5, 4, 9, 17, 3),  # fewer rows of the table than threads; a panel and one column more
    (80, 7, 10, 21, 50),  # threads have several groups of rows
    (1, 300, 2, 3, 20),  # a group's steps in several chunks
    (60, 5, 70, 40, 33),  # more inputs than units
]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tokens_of(case: Case, V: int, lengths: Tensor | None) -> Tensor:
    """Some equal, some never met; behind a row's length what no table has."""
    drawn = torch.randint(V, (case.B, case.T), generator=seeded(3))
    drawn[drawn == 1] = 0
    if lengths is not None:
        drawn[torch.arange(case.T) >= lengths.unsqueeze(1)] = 10**12
    return drawn


def wanted_of(
    case: Case, inputs: Tensors, upstream: Tensors, tokens: Tensor, lengths: Tensor | None
) -> tuple[Tensors, float]:
    """By the equations: the table's gradient is the sum of those of its tokens' vectors."""
    table = inputs["x"]
    real = tokens.clamp(0, len(table) - 1)
    wanted, kink = exact(case, {**inputs, "x": table[real]}, upstream, lengths)
    dtable = torch.zeros(table.shape, dtype=torch.float64)
    dtable.index_add_(0, real.flatten(), wanted["dx"].flatten(0, 1))
    return {**wanted, "dx": dtable}, kink


def run(  # noqa: PLR0917 (as the one of `native`)
    library: Library, case: Case, inputs: Tensors, upstream: Tensors, tokens: Tensor, lengths: Tensor | None
) -> Tensors:
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in inputs.items()}
    hidden: list[Tensor] = []
    lookup = Lookup(tokens, leaves["x"])
    assert reads_tokens(library, case.cell, lookup, leaves["h0"]), "or else nothing is tested"
    state = tuple(leaves[name] for name in ("h0", "c0") if name in leaves)
    weights = Weights(*(leaves[name] for name in Weights._fields if name in leaves))
    y, final = native_scan(
        library, case.cell, lookup, lengths, state, weights, reverse=case.reverse, hidden=hidden.append
    )
    found = dict(zip(("y", "hn", "cn"), (y, *final), strict=False))
    behind = [upstream[name] for name in found]
    gradients = torch.autograd.grad(list(found.values()), list(leaves.values()), behind)
    found |= {f"d{name}": gradient for name, gradient in zip(leaves, gradients, strict=True)}
    found["dhidden"] = hidden[0]
    return {name: tensor.detach() for name, tensor in found.items()}


def drawn(case: Case, V: int, seed: int = 0) -> tuple[Tensors, Tensors]:
    inputs, upstream = case.tensors(seed)
    table = torch.randn(V, case.E, generator=seeded(seed + 1))
    return {**inputs, "x": table}, upstream


# Directions and lengths differ in the order of tokens alone; each is met with every other shape.
COMBINATIONS = [
    (shape, reverse, ragged)
    for place, shape in enumerate(SHAPES)
    for reverse in (False, True)
    for ragged in (False, True)
    if (place + reverse + ragged) % 2
]


@pytest.mark.parametrize(("shape", "reverse", "ragged"), COMBINATIONS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_values_and_all_gradients(library: Library, cell: str, shape, reverse: bool, ragged: bool) -> None:
    *sizes, V = shape
    case = Case(cell, *sizes, reverse=reverse, ragged=ragged)
    lengths = case.lengths()
    tokens = tokens_of(case, V, lengths)
    inputs, upstream, wanted = next(
        (inputs, upstream, wanted)
        for inputs, upstream in (drawn(case, V, seed) for seed in range(9))
        for wanted, kink in [wanted_of(case, inputs, upstream, tokens, lengths)]
        if cell != "elman-relu" or kink > FROM_THE_KINK
    )
    # With more threads than rows they share the units, and vectors are looked up.
    for number in range(1, min(3, case.B) + 1):
        with threads(number):
            agree(run(library, case, inputs, upstream, tokens, lengths), wanted, said=f"on {number} threads")


@settings(max_examples=25)
@given(
    cell=st.sampled_from(CELLS),
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
    inputs, upstream = drawn(case, V, seed)
    with threads(number):
        assume(reads_tokens(library, cell, Lookup(tokens, inputs["x"]), inputs["h0"]))
        wanted, kink = wanted_of(case, inputs, upstream, tokens, lengths)
        assume(cell != "elman-relu" or kink > FROM_THE_KINK)
        found = run(library, case, inputs, upstream, tokens, lengths)
        agree(found, wanted, said=str(case))
        assert same_bits(run(library, case, inputs, upstream, tokens, lengths), found)


@pytest.mark.parametrize("bad", [-1, 4, 2**40])
def test_tokens_outside_the_table(library: Library, bad: int) -> None:
    case = Case("lstm", 3, 4, 2, 5)
    inputs, upstream = drawn(case, 4)
    tokens = tokens_of(case, 4, None)
    tokens[2, 3] = bad
    with pytest.raises(
        UserError, match=rf"Tokens must be within 0 to 3, the rows of their table. Got {bad}\."
    ):
        run(library, case, inputs, upstream, tokens, None)


def test_the_token_that_is_named_stands_before_the_padding(library: Library) -> None:
    case, lengths = Case("lstm", 3, 4, 2, 5), torch.tensor([4, 1, 3])
    inputs, upstream = drawn(case, 4)
    tokens = tokens_of(case, 4, lengths)
    run(library, case, inputs, upstream, tokens, lengths)
    tokens[2, 2] = 7
    with pytest.raises(UserError, match="Got 7"):
        run(library, case, inputs, upstream, tokens, lengths)


def test_tokens_that_were_changed_before_the_backward_pass(library: Library) -> None:
    """Where torch cannot see it: through the array that they share."""
    case = Case("lstm", 3, 4, 2, 5)
    inputs, _ = drawn(case, 4)
    array = tokens_of(case, 4, None).numpy()
    lookup = Lookup(torch.from_numpy(array), inputs["x"].requires_grad_())
    weights = Weights(*(inputs[name] for name in Weights._fields))
    y, _ = native_scan(library, "lstm", lookup, None, (inputs["h0"], inputs["c0"]), weights)
    array[1, 1] = 9
    with pytest.raises(UserError, match="Got 9"):
        y.sum().backward()


def test_a_table_that_is_not_worth_it_is_looked_up(library: Library) -> None:
    """More rows than half the tokens, or than the caches hold; and layers that are not small."""
    lookup = Lookup(torch.zeros(8, 10, dtype=torch.int64), torch.zeros(40, 3))
    assert reads_tokens(library, "lstm", lookup, torch.zeros(8, 5))
    for tokens, table, H in (
        (lookup.tokens, torch.zeros(41, 3), 5),
        (torch.zeros(100, 100, dtype=torch.int64), torch.zeros(5000, 3), 16),
        (torch.zeros(100, 100, dtype=torch.int64), torch.zeros(40, 3), 300),
        (lookup.tokens.int(), lookup.table, 5),
    ):
        assert not reads_tokens(library, "lstm", Lookup(tokens, table), torch.zeros(len(tokens), H))


@pytest.mark.parametrize("kernels", choice.available())
@pytest.mark.parametrize("V", [7, 100])
@pytest.mark.parametrize("cell", CELLS)
def test_a_stack_of_both_directions_and_two_layers(cell: str, V: int, kernels: str) -> None:
    """Whether it reads the table or looks its rows up, as it would be of vectors; fixed tables, too."""
    stack = RecurrentStack(cell, 6, 9, layers=2, bidirectional=True, generator=seeded(0))
    table = torch.randn(V, 6, generator=seeded(1)).requires_grad_()
    tokens = torch.randint(V, (5, 8), generator=seeded(2))
    lengths = torch.tensor([8, 3, 0, 8, 1])
    leaves = [table, *stack.parameters()]
    with choice.using(kernels):
        results = []
        for x in (Lookup(tokens, table), table[tokens]):
            y, _, state = stack(x, lengths)
            assert state is not None
            loss = y.square().sum() + sum(part.sum() for part in state.values())
            results.append([y.detach(), *torch.autograd.grad(loss, leaves)])
        fixed, _, _ = stack(Fixed(table.detach()).lookup(tokens), lengths)
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(fixed.detach(), results[0][0], rtol=0, atol=0)


def test_where_vectors_come_from() -> None:
    """From the table while nothing is dropped and no reader keeps its rows."""
    embedding, tokens = Embedding(5, 3), torch.tensor([[1, 4]])
    dropout = Dropout(0.5)
    dropout.generator = seeded(0)
    dropped = embedded(embedding, dropout, tokens)
    assert isinstance(dropped, Tensor)
    dropout.eval()
    for idle in (dropout, Dropout(0.0)):
        found = embedded(embedding, idle, tokens)
        assert isinstance(found, Lookup)
        assert torch.equal(found.vectors, embedding(tokens))
        assert (found.shape, found.dtype, found.device) == (
            found.vectors.shape,
            found.vectors.dtype,
            found.vectors.device,
        )
    embedding.reader = lambda tokens: torch.zeros(*tokens.shape, 3)
    read = embedding.lookup(tokens)
    assert isinstance(read, Tensor)
    assert torch.equal(read, torch.zeros(1, 2, 3))
    assert isinstance(embedding.eval().lookup(tokens), Lookup)


def test_a_table_that_is_part_of_a_wider_one(library: Library) -> None:
    """It is read where it lies, and gives what its vectors give."""
    case = Case("gru", 9, 6, 5, 12, ragged=True)
    lengths = case.lengths()
    tokens = tokens_of(case, 11, lengths)
    inputs, upstream = drawn(case, 11)
    wide = torch.full((11, 10), float("nan"))
    wide[:, :5] = inputs["x"]
    first = run(library, case, inputs, upstream, tokens, lengths)
    assert same_bits(run(library, case, {**inputs, "x": wide[:, :5]}, upstream, tokens, lengths), first)
    real = tokens.clamp(0, 10)
    vectors = {**inputs, "x": inputs["x"][real]}
    agree({"y": scan(library, case, vectors, lengths)[0]}, {"y": first["y"].double()})
