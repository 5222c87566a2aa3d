"""The content of padding changes no bit of outputs, states or gradients, in any layer and implementation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Literal, get_args

import pytest
import torch
from torch import Tensor, nn

from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded
from seqlab.models.input_spec import InputSpec
from seqlab.models.model_kinds import MODELS
from seqlab.nn.cells import CELLS
from seqlab.nn.embedding import Lookup
from seqlab.nn.implementation import Implementation
from seqlab.nn.layer import Layer
from seqlab.nn.native import builds
from seqlab.nn.pooling import POOLINGS
from seqlab.nn.recurrent import RecurrentStack
from seqlab.nn.trace import traced
from seqlab.nn.transformer import TransformerLayer
from seqlab.nn.transformer_stack import TransformerStack
from seqlab.schema.config import parse

IMPLEMENTATIONS: tuple[Implementation, ...] = get_args(Implementation)
B, T, E, H = 5, 6, 4, 3
LENGTHS = torch.tensor([4, 0, 6, 1, 3])
PADDING = (torch.arange(T) >= LENGTHS.unsqueeze(1)).unsqueeze(2)
CONTENTS = [float("nan"), -float("inf"), 1e30]
Bits = dict[str, Tensor]


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def transformer(implementation: Literal["torch", "equations"]) -> TransformerStack:
    stack = TransformerStack(E, 2, 5, layers=2, dropout=0.0, attention_dropout=0.0, generator=random())
    for layer in stack.layers:
        assert isinstance(layer, TransformerLayer)
        layer.self_attn.implementation = implementation
    return stack


def recurrent(cell: str, implementation: Implementation, bidirectional: bool) -> RecurrentStack:
    settings = {"layers": 2, "bidirectional": bidirectional, "implementation": implementation}
    return RecurrentStack(cell, E, H, generator=random(), **settings)


LAYERS: dict[str, Callable[[], Layer]] = {
    "transformer torch": lambda: transformer("torch"),
    "transformer equations": lambda: transformer("equations"),
}
LAYERS |= {
    f"{cell} {implementation}{' both ways' * both}": partial(recurrent, cell, implementation, both)
    for cell, implementation, both in product(CELLS, IMPLEMENTATIONS, (False, True))
}


def leaf(*shape: int, seed: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(*shape, generator=random(seed), dtype=torch.float64).to(dtype)


def run(layer: Layer, x: Tensor, *, continued: bool) -> Bits:
    """Outputs, final states and all gradients; the gradient of an output at padding is arbitrary."""
    x = x.clone().requires_grad_()
    state = None
    if continued:
        past = leaf(B, T, E, seed=5, dtype=x.dtype)
        _, _, state = layer(past, LENGTHS.flip(0))
        assert state is not None
        state = {
            name: tensor.detach().requires_grad_(tensor.is_floating_point()) for name, tensor in state.items()
        }
    y, _, final = layer(x, LENGTHS, state)
    assert final is not None
    found = {"y": y, **{f"final {name}": tensor for name, tensor in final.items()}}
    floats = [tensor for tensor in found.values() if tensor.is_floating_point()]
    leaves = {"x": x, **dict(layer.named_parameters())}
    leaves |= {f"state {name}": tensor for name, tensor in (state or {}).items() if tensor.requires_grad}
    upstream = [leaf(*tensor.shape, seed=9, dtype=x.dtype) for tensor in floats]
    gradients = torch.autograd.grad(floats, list(leaves.values()), upstream, allow_unused=True)
    for name, gradient in zip(leaves, gradients, strict=True):
        if gradient is not None:
            found[f"gradient of {name}"] = gradient
    return found


def assert_same_bits(found: Bits, expected: Bits) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert tensor.isfinite().all(), name
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("continued", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", list(LAYERS))
def test_layers(name: str, dtype: torch.dtype, continued: bool) -> None:
    layer = LAYERS[name]().to(dtype)
    x = leaf(B, T, E, seed=1, dtype=dtype)
    clean = run(layer, x.masked_fill(PADDING, 0.0), continued=continued)
    for content in CONTENTS:
        assert_same_bits(run(layer, x.masked_fill(PADDING, content), continued=continued), clean)
    assert not clean["gradient of x"][PADDING.expand(B, T, E)].any()


@pytest.mark.parametrize("kernels", builds.available_builds())
@pytest.mark.parametrize("cell", list(CELLS))
def test_every_build(cell: str, kernels: str) -> None:
    layer, x = LAYERS[f"{cell} kernels both ways"](), leaf(B, T, E, seed=1, dtype=torch.float32)
    with builds.use_build(kernels):
        clean = run(layer, x, continued=True)
        assert_same_bits(run(layer, x.masked_fill(PADDING, float("nan")), continued=True), clean)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("cell", list(CELLS))
def test_a_small_batch_and_no_final_state(cell: str, implementation: str) -> None:
    """Fewer tokens than the native library is used for, and the scan that computes no final state."""
    layer = LAYERS[f"{cell} {implementation}"]()
    lengths, real = torch.tensor([2, 0]), torch.tensor([[True, True, False], [False] * 3]).unsqueeze(2)
    found = []
    for content in (0.0, float("nan")):
        x = leaf(2, 3, E, seed=2, dtype=torch.float32).where(real, content).requires_grad_()
        y, _, _ = layer(x, lengths, need_state=False)
        gradients = torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])
        found.append({"y": y, **{str(i): gradient for i, gradient in enumerate(gradients)}})
    assert_same_bits(found[1], found[0])


@pytest.mark.parametrize("name", [name for name in LAYERS if not name.endswith("both ways")])
def test_traced_states_and_their_gradients(name: str) -> None:
    found = []
    for content in (0.0, float("nan")):
        layer, x = LAYERS[name](), leaf(B, T, E, seed=1, dtype=torch.float32)
        with traced(layer) as traces:
            y, _, _ = layer(x.masked_fill(PADDING, content).requires_grad_(), LENGTHS)
            y.square().sum().backward()
        trace = traces[""]
        found.append({str(i): tensor for i, tensor in enumerate([*trace.states, *trace.gradients])})
    assert_same_bits(found[1], found[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("cell", list(CELLS))
def test_tokens_at_padding_with_the_vectors_of_a_table(
    cell: str, implementation: str, dtype: torch.dtype
) -> None:
    """Also of a row that is not finite, which no real token has."""
    layer = LAYERS[f"{cell} {implementation}"]().to(dtype)
    table = leaf(9, E, seed=3, dtype=dtype)
    tokens = torch.randint(8, (B, T), generator=random(4))
    found = []
    for token in (0, 5, 8):
        weight = table.clone().requires_grad_()
        y, _, _ = layer(Lookup(tokens.masked_fill(PADDING.squeeze(2), token), weight), LENGTHS)
        gradients = torch.autograd.grad(y.square().sum(), [weight, *layer.parameters()])
        found.append({"y": y, **{str(i): gradient for i, gradient in enumerate(gradients)}})
    for other in found[1:]:
        assert_same_bits(other, found[0])


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("name", list(POOLINGS))
def test_poolings(name: str, mapped: bool) -> None:
    linear = nn.Linear(E, H) if mapped else None
    found: list[Bits] = []
    for content in (0.0, *CONTENTS):
        x = leaf(B, T, E, seed=1, dtype=torch.float32).masked_fill(PADDING, content).requires_grad_()
        y = POOLINGS[name](x, linear, LENGTHS)
        leaves = [x, *(linear.parameters() if linear is not None else ())]
        gradients = torch.autograd.grad(y.square().sum(), leaves)
        found.append({"y": y, **{str(i): gradient for i, gradient in enumerate(gradients)}})
    for dirty in found[1:]:
        assert_same_bits(dirty, found[0])


SMALL = {
    "recurrent-classifier": {"embedding_size": 4, "hidden_size": 4, "linear_size": 4},
    "linear-classifier": {"embedding_size": 4, "linear_size": 4},
    "recurrent-lm": {"embedding_size": 4, "hidden_size": 4},
    "transformer-lm": {"hidden_size": 4, "heads": 2, "feed_forward_size": 4, "layers": 1},
}


@pytest.mark.parametrize("kind", list(SMALL))
def test_tokens_at_padding_need_not_be_in_the_vocabulary(kind: str) -> None:
    spec = InputSpec(vocabulary=9, outputs=5)
    tokens = torch.randint(9, (B, T), generator=random(4))
    found: list[Bits] = []
    for token in (0, 3, -100, 2**40):
        model = parse(MODELS[kind], {"kind": kind, **SMALL[kind]}).build(spec, random()).eval()
        inputs = Padded(tokens.masked_fill(PADDING.squeeze(2), token), LENGTHS)
        logits, state = model(Batch(inputs, inputs))
        real = logits[~PADDING.squeeze(2)] if model.capabilities.causal else logits
        real.square().sum().backward()
        gradients = {
            name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None
        }
        states = {} if state is None else state.tensors
        found.append(
            {"logits": real, **{f"state {name}": value for name, value in states.items()}, **gradients}
        )
    for other in found[1:]:
        assert_same_bits(other, found[0])
