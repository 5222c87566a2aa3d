"""What no layer can read or be made with is refused in one sentence by every layer, however implemented."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any, get_args

import jaxtyping
import numpy as np
import pytest
import torch
from torch import Tensor

from seqlab.data.batch import unlabelled
from seqlab.data.sequences import Padded
from seqlab.models.input_spec import InputSpec
from seqlab.models.model_kinds import MODELS
from seqlab.nn.attention import SelfAttention
from seqlab.nn.cells import CELLS
from seqlab.nn.dropout import Dropout
from seqlab.nn.embedding import Fixed, Lookup
from seqlab.nn.fused_head import linear_cross_entropy
from seqlab.nn.implementation import Implementation
from seqlab.nn.initial import linear, normal_embedding, uniform_embedding
from seqlab.nn.layer import Layer
from seqlab.nn.pooling import POOLINGS
from seqlab.nn.recurrent import RecurrentStack
from seqlab.nn.transformer_stack import TransformerStack
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError

B, T, E, H = 3, 8, 4, 6
X, LENGTHS = torch.zeros(B, T, E), torch.tensor([8, 3, 0])
INPUTS: dict[str, Any] = {
    "a list": X.tolist(),
    "an array": X.numpy(),
    "None": None,
    "two axes": X[0],
    "whole numbers": X.long(),
    "bool": X.bool(),
}
OF_WEIGHTS: dict[str, Any] = {
    "more features": torch.zeros(B, T, E + 1),
    "double": X.double(),
    "half": X.half(),
    "another device": X.to("meta"),
}
OTHER_LENGTHS: dict[str, Any] = {
    "a list": [8, 3, 0],
    "an array": LENGTHS.numpy(),
    "None": None,
    "a number": 8,
    "texts": ["8", "3", "0"],
    "float": LENGTHS.float(),
    "int32": LENGTHS.int(),
    "bool": LENGTHS.bool(),
    "negative": torch.tensor([8, -3, 0]),
    "too long": torch.tensor([8, 9, 0]),
    "too few": LENGTHS[:2],
    "two axes": LENGTHS.unsqueeze(1),
    "another device": LENGTHS.to("meta"),
}
STATES: dict[str, Callable[[Tensor], Any]] = {
    "None": lambda state: None,
    "a list": lambda state: state.tolist(),
    "an array": lambda state: state.numpy(),
    "another batch size": lambda state: state[:2],
    "no axes": lambda state: torch.zeros(()),
    "half": lambda state: state.half(),
    "int32": lambda state: state.int(),
    "another device": lambda state: state.to("meta"),
}
SIZES: dict[str, Any] = {
    "3.5": 3.5,
    "4.0": 4.0,
    "text": "4",
    "None": None,
    "True": True,
    "a list": [4],
    "NaN": float("nan"),
    "infinity": float("inf"),
    "of numpy": np.float32(4),
    "two numbers": torch.tensor([4, 4]),
    "-1": -1,
}
VAST = (10**9, 10**30)


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures are checked in tests only; here it must be the code itself that checks."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def recurrent(cell: Any = "lstm", inputs: Any = E, units: Any = H, **settings: Any) -> RecurrentStack:
    return RecurrentStack(cell, inputs, units, generator=random(), **settings)


def transformer(
    size: Any = E, heads: Any = 2, inner: Any = 5, layers: Any = 1, dropout: Any = 0.0
) -> TransformerStack:
    return TransformerStack(
        size, heads, inner, layers=layers, dropout=dropout, attention_dropout=0.0, generator=random()
    )


LAYERS: dict[str, Callable[[], Layer]] = {
    "transformer": transformer,
    **{
        f"{cell} {implementation}": partial(recurrent, cell, implementation=implementation)
        for cell, implementation in product(CELLS, get_args(Implementation))
    },
}
every_layer = pytest.mark.parametrize("name", list(LAYERS))


def refused(call: Callable[[], object], *words: str) -> None:
    with pytest.raises(UserError) as caught:
        call()
    message = str(caught.value)
    assert "must " in message
    assert "Got " in message
    assert "\n" not in message
    for word in words:
        assert word in message


@every_layer
def test_inputs(name: str) -> None:
    layer = LAYERS[name]()
    for wrong in (*INPUTS.values(), *OF_WEIGHTS.values()):
        refused(lambda wrong=wrong: layer(wrong, LENGTHS), "'s inputs must be ")


@every_layer
def test_lengths(name: str) -> None:
    layer = LAYERS[name]()
    for wrong in OTHER_LENGTHS.values():
        refused(lambda wrong=wrong: layer(X, wrong), "'s lengths must be ")


@every_layer
def test_states(name: str) -> None:
    layer = LAYERS[name]()
    state = layer(X, LENGTHS)[2]
    assert state is not None
    state = {key: tensor.detach() for key, tensor in state.items()}
    for key, change in product(state, STATES.values()):
        refused(lambda key=key, change=change: layer(X, LENGTHS, {**state, key: change(state[key])}), "state")
    for wrong in (X, (X, X), [X], "h", 0, {}, {0: X}, {**state, "z": X}):
        refused(lambda wrong=wrong: layer(X, LENGTHS, wrong), "'s state must be ")


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("name", list(POOLINGS))
def test_poolings(name: str, mapped: bool) -> None:
    pooling, matrix = POOLINGS[name], linear(E, H, generator=random()) if mapped else None
    for wrong in (*INPUTS.values(), *(OF_WEIGHTS.values() if mapped else ())):
        refused(lambda wrong=wrong: pooling(wrong, matrix, LENGTHS), "A pooling's inputs must be ")
    for wrong in OTHER_LENGTHS.values():
        refused(lambda wrong=wrong: pooling(X, matrix, wrong), "A pooling's lengths must be ")


@pytest.mark.parametrize("size", list(SIZES))
def test_sizes(size: str) -> None:
    wrong = SIZES[size]
    refused(lambda: recurrent(inputs=wrong), "'input_size'")
    refused(lambda: recurrent(units=wrong), "'hidden_size'")
    refused(lambda: recurrent(layers=wrong), "'layers'")
    refused(lambda: transformer(size=wrong), "'hidden_size'")
    refused(lambda: transformer(heads=wrong), "'heads'")
    refused(lambda: transformer(inner=wrong), "'feed_forward_size'")
    refused(lambda: transformer(layers=wrong), "'layers'")
    refused(lambda: linear(wrong, 3, generator=random()), "'inputs'")
    refused(lambda: linear(3, wrong, generator=random()), "'outputs'")
    refused(lambda: normal_embedding(wrong, 3, std=1.0, generator=random()), "'tokens'")
    refused(lambda: uniform_embedding(3, wrong, bound=1.0, generator=random()), "'size'")
    refused(lambda: recurrent().start(wrong), "'batch_size'")
    refused(lambda: transformer().start(wrong), "'batch_size'")


def test_the_nearest_whole_number_is_named() -> None:
    refused(lambda: recurrent(inputs=3.6), "'input_size' must be a whole number. Got 3.6. Nearest: 4.")
    refused(lambda: recurrent(units=0.2), "'hidden_size' must be a whole number. Got 0.2. Nearest: 1.")
    assert recurrent(inputs=np.int64(E))(X, LENGTHS)[0].shape == (B, T, H)


@pytest.mark.parametrize("size", VAST)
def test_sizes_that_fit_into_no_memory(size: int) -> None:
    refused(lambda: recurrent(units=size), "must fit into the ", f"hidden_size={size}")
    refused(lambda: recurrent(inputs=size, units=10**6), f"input_size={size}")
    refused(lambda: recurrent(units=10**4, layers=size), f"layers={size}")
    refused(lambda: transformer(size=size), f"hidden_size={size}")
    refused(lambda: transformer(inner=size, size=10**6), f"feed_forward_size={size}")
    refused(lambda: transformer(layers=size, size=10**4), f"layers={size}")
    refused(lambda: linear(size, 10**6, generator=random()), f"inputs={size}")
    refused(lambda: normal_embedding(size, 10**6, std=1.0, generator=random()), f"tokens={size}")
    refused(lambda: recurrent(units=10**3).start(10**4 * size), "batch_size=")
    refused(lambda: transformer().start(10**6 * size), "batch_size=")


def test_sizes_without_memory_of_their_own_are_not_refused() -> None:
    with torch.device("meta"):
        layer = RecurrentStack("elman", E, 10**6, generator=torch.Generator())
    assert sum(weight.numel() for weight in layer.parameters()) > 10**12


@pytest.mark.parametrize("wrong", ["4", None, True, float("nan"), -0.1, 1, [0.5]], ids=str)
def test_shares_that_are_dropped(wrong: Any) -> None:
    refused(lambda: Dropout(wrong), "Dropout must be at least 0 and less than 1. Got ")


@pytest.mark.parametrize("wrong", ["toch", "fast", "", None], ids=str)
def test_implementations_that_there_are_not(wrong: Any) -> None:
    with pytest.raises(UserError, match="There is no implementation"):
        recurrent(implementation=wrong)
    with pytest.raises(UserError, match="There is no implementation"):
        SelfAttention(4, 2, generator=random(), implementation=wrong)


@pytest.mark.parametrize("cell", [None, 5, ["lstm"]], ids=str)
def test_cells_that_are_no_names(cell: Any) -> None:
    with pytest.raises(UserError, match="There is no cell"):
        recurrent(cell)


TOKENS = torch.zeros(B, T, dtype=torch.int64)
OTHER_TOKENS: dict[str, Any] = {
    "bool": TOKENS.bool(),
    "float": TOKENS.float(),
    "int16": TOKENS.short(),
    "a list": TOKENS.tolist(),
    "an array": TOKENS.numpy(),
    "None": None,
    "one axis": TOKENS[0],
    "three axes": TOKENS.unsqueeze(2),
    "another device": TOKENS.to("meta"),
    "negative": TOKENS - 1,
    "too large": TOKENS + 9,
}
SMALL = {
    "recurrent-classifier": {"embedding_size": 4, "hidden_size": 4, "linear_size": 4},
    "linear-classifier": {"embedding_size": 4, "linear_size": 4},
    "recurrent-lm": {"embedding_size": 4, "hidden_size": 4},
    "transformer-lm": {"hidden_size": 4, "heads": 2, "feed_forward_size": 4, "layers": 1},
}


@pytest.mark.parametrize("kind", list(SMALL))
def test_models(kind: str) -> None:
    spec = InputSpec(vocabulary=9, outputs=5)
    model = parse(MODELS[kind], {"kind": kind, **SMALL[kind]}).build(spec, random()).eval()
    for wrong in OTHER_TOKENS.values():
        refused(lambda wrong=wrong: model(unlabelled(Padded(wrong, LENGTHS))))
    for wrong in OTHER_LENGTHS.values():
        refused(lambda wrong=wrong: model(unlabelled(Padded(TOKENS, wrong))), "A model's lengths must be ")
    if model.capabilities.causal:
        state = model.start(B)
        for wrong in (
            TOKENS,
            TOKENS[:2, 0],
            TOKENS[:, 0].bool(),
            TOKENS[:, 0].float(),
            [0, 0, 0],
            None,
            "abc",
        ):
            refused(lambda wrong=wrong: model.step(wrong, state))
        assert model.step(TOKENS[:, 0].int(), state)[0].shape == (B, 5)


@pytest.mark.parametrize("wrong", ["bool", "float", "int16", "a list", "None", "another device"])
def test_tokens_of_a_table(wrong: str) -> None:
    """The library would read the address of another device's memory."""
    tokens, table = OTHER_TOKENS[wrong], torch.zeros(9, E)
    refused(lambda: Lookup(tokens, table), "Tokens must be torch.int64 or torch.int32 on cpu")
    refused(lambda: Fixed(table)(tokens), "Tokens must be torch.int64 or torch.int32 on cpu")
    embedding = normal_embedding(9, E, std=1.0, generator=random())
    refused(lambda: embedding(tokens), "Tokens must be torch.int64 or torch.int32 on cpu")


def test_features_and_targets_of_the_fused_loss() -> None:
    x, weight, targets = torch.zeros(6, E), torch.zeros(5, E), torch.zeros(6, dtype=torch.int64)
    of_features: list[Any] = [x.double(), x.long(), x.to("meta"), x[0], x[None], x[:, 1:], x.tolist()]
    for wrong in of_features:
        refused(lambda wrong=wrong: linear_cross_entropy(wrong, weight, None, targets), "eatures must be ")
    others: list[Any] = [targets.float(), targets.int(), targets - 1, targets + 5, targets[1:], [0] * 6]
    for wrong in others:
        refused(lambda wrong=wrong: linear_cross_entropy(x, weight, None, wrong), "Targets must be ")
