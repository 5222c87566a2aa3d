"""What both language models promise: whole = pieces = steps, causal, blind to padding."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seqlab.data.batch import Batch, unlabelled
from seqlab.data.sequences import Padded
from seqlab.models.input_spec import InputSpec
from seqlab.models.model import SequenceModel, State
from seqlab.models.model_config import ModelConfig
from seqlab.models.recurrent_language_model import RecurrentLanguageModelConfig
from seqlab.models.transformer_language_model import TransformerLanguageModelConfig
from seqlab.nn.dropout import bind_generator

V, H = 11, 6
CONFIGS: dict[str, ModelConfig] = {
    **{
        cell: RecurrentLanguageModelConfig(cell=cell, embedding_size=4, hidden_size=H, layers=2)
        for cell in ("elman", "elman-concat", "elman-relu", "gru-reset-before", "gru", "lstm")
    },
    "transformer": TransformerLanguageModelConfig(
        hidden_size=H, layers=2, heads=2, feed_forward_size=5, dropout=0.0, init_range=0.5
    ),
    "adaptive": RecurrentLanguageModelConfig(
        embedding_size=4, hidden_size=H, cutoffs=(3, 7), projection_divisor=2
    ),
}
NAMES = list(CONFIGS)


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(config: ModelConfig) -> SequenceModel:
    return config.build(InputSpec(vocabulary=V, outputs=V), random()).double()


def tokens(rows: int, steps: int) -> Tensor:
    return torch.randint(0, V, (rows, steps), generator=random(3))


def batch(ids: Tensor, lengths: Tensor | None = None) -> Batch:
    return unlabelled(Padded(ids, torch.full((len(ids),), ids.shape[1]) if lengths is None else lengths))


def count(config: ModelConfig, vocabulary: int) -> int:
    model = config.build(InputSpec(vocabulary=vocabulary, outputs=vocabulary), random())
    return sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_steps_from_the_start_equal_the_whole_sequence(name):
    model, ids = build(CONFIGS[name]), tokens(3, 5)
    whole, final = model(batch(ids))
    state = model.start(3)
    for t in range(5):
        logits, state = model.step(ids[:, t], state)
        torch.testing.assert_close(logits, whole[:, t])
    assert state.tensors.keys() == final.tensors.keys()
    for key, tensor in state.tensors.items():
        torch.testing.assert_close(tensor, final.tensors[key])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(0, 6), min_size=1, max_size=4), data=st.data())
def test_pieces_with_the_state_carried_equal_the_whole(name, lengths, data):
    """Sequences end at different steps, some before a piece begins; then each continues by steps."""
    model, sizes = build(CONFIGS[name]), torch.tensor(lengths)
    ids, more = tokens(len(lengths), 6), tokens(len(lengths), 2)
    cut = data.draw(st.integers(1, 5))
    first, state = model(batch(ids[:, :cut], sizes.clamp(max=cut)))
    second, state = model(batch(ids[:, cut:], (sizes - cut).clamp(min=0)), state)
    pieces = torch.cat([first, second], dim=1)
    steps = []
    for t in range(2):
        logits, state = model.step(more[:, t], state)
        steps.append(logits)
    for row, n in enumerate(lengths):
        alone, _ = model(batch(torch.cat([ids[row, :n], more[row]])[None]))
        torch.testing.assert_close(pieces[row, :n], alone[0, :n])
        torch.testing.assert_close(torch.stack(steps, 1)[row], alone[0, n:])


@pytest.mark.parametrize("name", NAMES)
def test_selected_sequences_continue_as_they_would_have(name):
    model, ids, rows = build(CONFIGS[name]), tokens(3, 5), torch.tensor([2, 0, 0])
    _, state = model(batch(ids, torch.tensor([5, 2, 3])))
    logits, _ = model.step(ids[:, 0], state)
    selected, _ = model.step(ids[rows, 0], state.select(rows))
    torch.testing.assert_close(selected, logits[rows])


@pytest.mark.parametrize("name", NAMES)
def test_later_tokens_and_padding_change_nothing(name):
    model, ids = build(CONFIGS[name]), tokens(2, 6)
    changed = ids.clone()
    changed[:, 3:] = (changed[:, 3:] + 1) % V
    sizes = torch.tensor([3, 2])
    torch.testing.assert_close(model(batch(ids))[0][:, :3], model(batch(changed))[0][:, :3])
    one, two = (model.features(batch(rows, sizes), None) for rows in (ids, changed))
    torch.testing.assert_close(one[0], two[0])
    assert not one[0][0, 3:].any()
    assert not one[0][1, 2:].any()


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_gets_a_gradient(name):
    model = build(CONFIGS[name])
    model(batch(tokens(4, 9), torch.tensor([9, 8, 3, 1])))[0].square().sum().backward()
    for key, weight in model.named_parameters():
        assert weight.grad is not None, key
        assert weight.grad.isfinite().all(), key
        assert weight.grad.any(), key


@pytest.mark.parametrize("name", NAMES)
def test_state_is_batch_first_and_starts_on_the_parameters_kind(name):
    model = build(CONFIGS[name])
    _, state = model(batch(tokens(4, 3)))
    for tensor in (*state.tensors.values(), *model.start(4).tensors.values()):
        assert tensor.shape[0] == 4
        assert not tensor.is_floating_point() or tensor.dtype == torch.float64
    assert model.capabilities.causal
    assert model.capabilities.carries_state is (name != "transformer")


def test_a_carried_state_changes_what_follows():
    model, ids = build(CONFIGS["gru-reset-before"]), tokens(2, 3)
    _, state = model(batch(ids))
    assert isinstance(state, State)
    assert not torch.allclose(model(batch(ids), state)[0], model(batch(ids))[0])


@pytest.mark.parametrize(
    "config",
    [
        RecurrentLanguageModelConfig(embedding_size=H, hidden_size=H, tied=True),
        TransformerLanguageModelConfig(hidden_size=H, heads=2, layers=1, tied=True),
    ],
)
def test_tied_weights_are_one_tensor(config):
    model = build(config)
    assert model.head.weight is model.get_parameter("embedding.weight")
    names = [name for name, _ in model.named_parameters()]
    assert "embedding.weight" in names
    assert "head.weight" not in names
    untied = type(config)(**{**config.model_dump(), "tied": False})
    assert count(untied, V) - count(config, V) == V * H


@pytest.mark.parametrize(
    "config",
    [
        RecurrentLanguageModelConfig(embedding_size=40, hidden_size=30, init_range=0.2),
        TransformerLanguageModelConfig(hidden_size=32, heads=2, layers=1, init_range=0.2),
    ],
)
def test_embedding_and_output_are_drawn_as_documented(config):
    model = config.build(InputSpec(vocabulary=100, outputs=100), random())
    for name in ("embedding.weight", "head.weight"):
        assert 0.19 < model.get_parameter(name).abs().max() <= 0.2
    assert not model.get_parameter("head.bias").any()


@pytest.mark.parametrize(
    ("cell", "gates", "biases"), [("elman", 1, 2), ("gru-reset-before", 3, 1), ("lstm", 4, 2)]
)
def test_parameter_count_of_a_recurrent_model(cell, gates, biases):
    config = RecurrentLanguageModelConfig(cell=cell, embedding_size=20, hidden_size=30, layers=3)
    layers = sum(gates * 30 * (inputs + 30 + biases) for inputs in (20, 30, 30))
    assert count(config, 100) == 100 * 20 + layers + 30 * 100 + 100


def test_parameter_count_of_a_transformer():
    config = TransformerLanguageModelConfig(hidden_size=32, layers=3, heads=4, feed_forward_size=50)
    layer = 4 * (32 * 32 + 32) + (32 * 50 + 50) + (50 * 32 + 32) + 2 * (32 + 32)
    assert count(config, 100) == 100 * 32 + 3 * layer + 2 * 32 + 32 * 100 + 100


def test_transformer_without_layers_work_is_scaled_embedding_plus_position():
    """With every layer's outputs zeroed only norm(embedding * sqrt(H) + sinusoid) is left."""
    model = build(CONFIGS["transformer"])
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "out_proj" in name or "linear2" in name:
                weight.zero_()
    ids = tokens(1, 4)
    features, _ = model.features(batch(ids), None)
    table = model.get_parameter("embedding.weight")
    for t in range(4):
        angles = [t / 10000 ** (2 * (i // 2) / H) for i in range(H)]
        wave = torch.tensor([math.cos(a) if i % 2 else math.sin(a) for i, a in enumerate(angles)]).double()
        x = table[ids[0, t]] * math.sqrt(H) + wave
        wanted = (x - x.mean()) / torch.sqrt(x.var(correction=0) + 1e-5)
        torch.testing.assert_close(features[0, t], wanted, rtol=1e-5, atol=1e-6)


def test_recurrent_dropout_acts_on_embedding_and_output():
    config = RecurrentLanguageModelConfig(
        cell="elman", embedding_size=4, hidden_size=H, layers=1, dropout=0.5
    )
    model, plain, ids = build(config), build(config).eval(), tokens(2, 3)
    bind_generator(model, random(1))
    masks = random(1)
    below = (torch.rand(2, 3, 4, generator=masks, dtype=torch.float64) >= 0.5) * 2.0
    above = (torch.rand(2, 3, H, generator=masks, dtype=torch.float64) >= 0.5) * 2.0
    embedded = plain.get_parameter("embedding.weight")[ids] * below
    wanted, _, _ = plain.get_submodule("body")(embedded, torch.tensor([3, 3]))
    torch.testing.assert_close(model.features(batch(ids), None)[0], wanted * above)
