"""Batches without sequences or steps are computed; sizes and states that do not exist are refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seqlab.data.batch import unlabelled
from seqlab.data.sequences import Padded
from seqlab.models.input_spec import InputSpec
from seqlab.models.model_kinds import MODELS
from seqlab.nn.cells import CELLS
from seqlab.nn.embedding import Fixed, Lookup
from seqlab.nn.fused_head import linear_cross_entropy
from seqlab.nn.implementation import Implementation
from seqlab.nn.initial import linear, normal_embedding, uniform_embedding
from seqlab.nn.layer import Layer
from seqlab.nn.native.builds import active_library
from seqlab.nn.native.output import multiply
from seqlab.nn.pooling import POOLINGS
from seqlab.nn.recurrent import RecurrentStack
from seqlab.nn.transformer_stack import TransformerStack
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError

E, H = 4, 6


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def recurrent(cell: str = "lstm", inputs: int = E, units: int = H, **options) -> RecurrentStack:
    return RecurrentStack(cell, inputs, units, generator=generator(), **options)


def transformer(size: int = E, heads: int = 2, inner: int = 8, layers: int = 2) -> TransformerStack:
    return TransformerStack(
        size, heads, inner, layers=layers, dropout=0.0, attention_dropout=0.0, generator=generator()
    )


LAYERS: dict[str, Callable[[], Layer]] = {"transformer": transformer}
for cell in CELLS:
    for implementation in get_args(Implementation):
        layer = partial(recurrent, cell, layers=2, implementation=implementation)
        LAYERS[f"{cell}-{implementation}"] = layer
        LAYERS[f"{cell}-{implementation}-both"] = partial(layer, bidirectional=True)


@st.composite
def small_batches(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Inputs (B, T, E), of which B and T may be 0, and lengths."""
    rows, steps = draw(st.integers(0, 3)), draw(st.sampled_from([0, 0, 1, 3, 9]))
    lengths = draw(st.lists(st.integers(0, steps), min_size=rows, max_size=rows))
    return torch.randn(rows, steps, E, generator=generator()), torch.tensor(lengths, dtype=torch.int64)


def finite(*tensors: Tensor | None) -> bool:
    return all(tensor is not None and bool(tensor.isfinite().all()) for tensor in tensors)


@pytest.mark.parametrize("name", list(LAYERS))
@settings(max_examples=25)
@given(batch=small_batches())
def test_layers(name: str, batch: tuple[Tensor, Tensor]) -> None:
    layer = LAYERS[name]()
    x, lengths = batch[0].requires_grad_(), batch[1]
    y, _, state = layer(x, lengths, layer.start(len(lengths)))
    assert state is not None
    assert y.shape == (*x.shape[:2], layer.output_size)
    assert {key: len(value) for key, value in state.items()} == dict.fromkeys(layer.start(1), len(lengths))
    y.sum().backward()
    assert finite(y, x.grad, *(tensor for tensor in state.values()))
    for row, length in enumerate(lengths.tolist()):
        alone, _, _ = layer(x[row : row + 1, :length], lengths[row : row + 1])
        assert torch.allclose(y[row, :length], alone[0], atol=1e-5)
    if not x.shape[1] and not isinstance(layer, TransformerStack):
        before = layer.start(len(lengths))
        assert all(torch.equal(state[key], before[key]) for key in before), "nothing was read"


@pytest.mark.parametrize("name", list(POOLINGS))
@pytest.mark.parametrize("mapped", [False, True])
@settings(max_examples=25)
@given(batch=small_batches())
def test_poolings(name: str, mapped: bool, batch: tuple[Tensor, Tensor]) -> None:
    x, lengths = batch[0].requires_grad_(), batch[1]
    y = POOLINGS[name](x, linear(E, H, generator=generator()) if mapped else None, lengths)
    y.sum().backward()
    assert y.shape == (len(lengths), H if mapped else E)
    assert finite(y, x.grad)
    assert not y[lengths == 0].any()


SMALL = {
    "recurrent-classifier": {"embedding_size": 4, "hidden_size": 4, "linear_size": 4},
    "linear-classifier": {"embedding_size": 4, "linear_size": 4},
    "recurrent-lm": {"embedding_size": 4, "hidden_size": 4},
    "transformer-lm": {"hidden_size": 4, "heads": 2, "feed_forward_size": 4, "layers": 1},
}


@pytest.mark.parametrize("kind", list(SMALL))
@pytest.mark.parametrize(("rows", "steps"), [(0, 0), (0, 5), (3, 0), (3, 5)])
def test_models_of_nothing(kind: str, rows: int, steps: int) -> None:
    model = parse(MODELS[kind], {"kind": kind, **SMALL[kind]}).build(
        InputSpec(vocabulary=9, outputs=5), generator()
    )
    tokens = torch.zeros(rows, steps, dtype=torch.int64)
    logits, _ = model.eval()(unlabelled(Padded(tokens, torch.zeros(rows, dtype=torch.int64))))
    assert logits.shape == ((rows, steps, 5) if model.capabilities.causal else (rows, 5))
    assert finite(logits)
    if model.capabilities.causal:
        assert model.step(tokens[:0, 0] if steps else tokens.new_zeros(0), model.start(0))[0].shape == (0, 5)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: recurrent(inputs=0), "'input_size' must be at least 1. Got 0"),
        (lambda: recurrent(units=0), "'hidden_size' must be at least 1. Got 0"),
        (lambda: recurrent(units=-3), "'hidden_size' must be at least 1. Got -3"),
        (lambda: recurrent(layers=0), "'layers' must be at least 1. Got 0"),
        (lambda: transformer(size=0), "'hidden_size' must be at least 1. Got 0"),
        (lambda: transformer(heads=0), "'heads' must be at least 1. Got 0"),
        (lambda: transformer(heads=-2), "'heads' must be at least 1. Got -2"),
        (lambda: transformer(inner=0), "'feed_forward_size' must be at least 1. Got 0"),
        (lambda: transformer(layers=0), "'layers' must be at least 1. Got 0"),
        (lambda: linear(0, 3, generator=generator()), "'inputs' must be at least 1. Got 0"),
        (lambda: linear(3, 0, generator=generator()), "'outputs' must be at least 1. Got 0"),
        (
            lambda: normal_embedding(0, 3, std=1.0, generator=generator()),
            "'tokens' must be at least 1. Got 0",
        ),
        (
            lambda: uniform_embedding(3, 0, bound=1.0, generator=generator()),
            "'size' must be at least 1. Got 0",
        ),
        (lambda: recurrent().start(-1), "'batch_size' must be at least 0. Got -1"),
        (lambda: transformer().start(-1), "'batch_size' must be at least 0. Got -1"),
    ],
)
def test_sizes_that_do_not_exist(build: Callable[[], object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        build()


@pytest.mark.parametrize("name", ["lstm-kernels", "gru-equations", "transformer"])
@pytest.mark.parametrize("change", ["lacks", "unknown", "other shape"])
def test_states_that_do_not_fit(name: str, change: str) -> None:
    layer = LAYERS[name]()
    x, lengths = torch.zeros(2, 3, E), torch.tensor([3, 3])
    state = layer.start(2)
    last = list(state)[-1]
    if change == "lacks":
        del state[last]
        words = rf"'s state must be named .*{last}\. Got "
    elif change == "unknown":
        state["z"] = state[last]
        words = r"'s state must be named .*\. Got .*z\.$"
    else:
        state[last] = state[last][:, :1]
        words = rf"'s state '{last}' must be \(2, .*\. Got \(2, 1, "
    with pytest.raises(UserError, match=words):
        layer(x, lengths, state)


def test_a_transformer_checks_what_it_reads() -> None:
    layer, x, lengths = transformer(), torch.zeros(2, 3, E), torch.tensor([3, 3])
    with pytest.raises(UserError, match=r"A Transformer stack's inputs must be \(batch, steps, 4\)"):
        layer(torch.zeros(2, 3, E + 1), lengths)
    with pytest.raises(UserError, match=r"A Transformer stack's lengths must be within 0 to 3\. Got 4"):
        layer(x, torch.tensor([4, 3]))
    with pytest.raises(UserError, match=r"A Transformer stack's inputs must be torch\.float32"):
        layer(x.double(), lengths)


@pytest.mark.parametrize("token", [-1, 9])
def test_tokens_outside_of_the_table(token: int) -> None:
    tokens = torch.full((2, 3), token)
    learned, fixed = normal_embedding(9, E, std=1.0, generator=generator()), Fixed(torch.eye(9))
    calls = (
        lambda: learned(tokens),
        lambda: fixed(tokens),
        lambda: Lookup(tokens, learned.weight).vectors,
    )
    for call in calls:
        with pytest.raises(UserError, match=rf"Tokens must be within 0 to 8, .* Got {token}\."):
            call()


def test_output_layers_of_no_targets_and_of_other_sizes() -> None:
    weight, bias = torch.randn(5, E, requires_grad=True), torch.zeros(5)
    nothing = torch.zeros(0, dtype=torch.int64)
    total = linear_cross_entropy(torch.zeros(0, E), weight, bias, nothing)
    total.backward()
    assert total.item() == 0
    assert weight.grad is not None
    assert not weight.grad.any()
    unchecked = inspect.unwrap(linear_cross_entropy)  # without the checks of shapes that only tests have
    with pytest.raises(UserError, match=r"Features must be of shape \(targets, 4\)\. Got \(2, 5\)"):
        unchecked(torch.zeros(2, E + 1), weight, bias, torch.tensor([0, 1]))
    with pytest.raises(UserError, match=r"A bias must be of shape \(5,\)\. Got \(4,\)"):
        unchecked(torch.zeros(2, E), weight, bias[:4], torch.tensor([0, 1]))


def test_native_products_of_other_sizes() -> None:
    library, a = active_library(), torch.zeros(2, 3)
    if library is None:
        pytest.skip("needs the native library")
    assert multiply(library, torch.zeros(0, 3), torch.zeros(3, 4)).shape == (0, 4)
    unchecked = inspect.unwrap(multiply)
    with pytest.raises(UserError, match=r"Matrices must be of shapes \(M, K\) and \(K, N\)"):
        unchecked(library, a, torch.zeros(5, 4))
    with pytest.raises(UserError, match=r"a bias \(N,\)"):
        unchecked(library, a, torch.zeros(3, 4), torch.zeros(5))
