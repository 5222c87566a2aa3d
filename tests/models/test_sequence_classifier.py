from __future__ import annotations

import pytest
import torch

from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded
from seqlab.models.input_spec import InputSpec
from seqlab.models.linear_classifier import LinearClassifierConfig
from seqlab.models.model import SequenceModel
from seqlab.models.model_config import CellName, ModelConfig
from seqlab.models.recurrent_classifier import RecurrentClassifierConfig
from seqlab.nn.dropout import bind_generator

V, E, H, F, C = 11, 4, 6, 5, 3
CONFIGS: list[ModelConfig] = [
    LinearClassifierConfig(embedding_size=E, linear_size=F),
    RecurrentClassifierConfig(cell="lstm", embedding_size=E, hidden_size=H, linear_size=F),
    RecurrentClassifierConfig(
        cell="gru-reset-before",
        embedding_size=E,
        hidden_size=H,
        linear_size=F,
        layers=2,
        bidirectional=True,
        pooling="mean",
    ),
    RecurrentClassifierConfig(cell="elman", embedding_size=E, hidden_size=H, linear_size=F, pooling="last"),
]


def build(config: ModelConfig) -> SequenceModel:
    generator = torch.Generator().manual_seed(0)
    return config.build(InputSpec(vocabulary=V, outputs=C), generator).double()


def batch(*rows: list[int], filler: int = 0) -> Batch:
    longest = max(len(row) for row in rows)
    tokens = torch.tensor([row + [filler] * (longest - len(row)) for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    return Batch(Padded(tokens, lengths), torch.zeros(len(rows), dtype=torch.int64))


ROWS = [[1, 2, 3, 4, 5], [6, 7], [8, 9, 10]]


def count(config: ModelConfig, vocabulary: int, outputs: int) -> int:
    model = config.build(InputSpec(vocabulary=vocabulary, outputs=outputs), torch.Generator())
    return sum(weight.numel() for weight in model.parameters())


def test_parameter_counts_of_the_documents_models():
    """IMDb with 1,000 words: embedding 300, linear 300, two classes; torch's two biases a gate."""
    around = 1000 * 300 + (300 * 300 + 300) + (300 * 2 + 2)
    assert count(LinearClassifierConfig(), 1000, 2) == around
    cells: list[tuple[CellName, int]] = [("elman", 1), ("gru", 3), ("lstm", 4)]
    for cell, gates in cells:
        config = RecurrentClassifierConfig(cell=cell)
        assert count(config, 1000, 2) == around + gates * (300 * 300 + 300 * 300 + 2 * 300)
    config = RecurrentClassifierConfig(cell="gru-reset-before")
    assert count(config, 1000, 2) == around + 3 * (300 * 300 + 300 * 300 + 300)


def test_baseline_is_its_formula():
    model, rows = build(CONFIGS[0]), batch(*ROWS)
    weights = dict(model.named_parameters())
    for row, tokens in enumerate(ROWS):
        seen = torch.relu(
            weights["embedding.weight"][tokens] @ weights["linear.weight"].T + weights["linear.bias"]
        )
        wanted = weights["head.weight"] @ seen.amax(0) + weights["head.bias"]
        torch.testing.assert_close(model(rows)[0][row], wanted)


@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_whole_tokens_are_dropped_in_training(pooling):
    """Against the formula of a classifier without dropout, of vectors that are dropped by hand."""
    config = LinearClassifierConfig(embedding_size=E, linear_size=F, pooling=pooling, token_dropout=0.4)
    model = build(config)
    keep = torch.rand(3, 5, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64) >= 0.4
    weights = dict(model.named_parameters())
    for filler in (0, 7):
        bind_generator(model, torch.Generator().manual_seed(1))
        found = model(batch(*ROWS, filler=filler))[0]
        for row, tokens in enumerate(ROWS):
            vectors = weights["embedding.weight"][tokens] * keep[row, : len(tokens)] / 0.6
            seen = torch.relu(vectors @ weights["linear.weight"].T + weights["linear.bias"])
            pooled = seen.amax(0) if pooling == "max" else seen.mean(0)
            torch.testing.assert_close(found[row], weights["head.weight"] @ pooled + weights["head.bias"])
    assert 0 < keep.sum() < keep.numel()


@pytest.mark.parametrize("config", CONFIGS)
def test_rows_alone_and_other_padding_give_the_same(config):
    model = build(config).eval()
    together, state = model(batch(*ROWS))
    assert state is None
    assert together.shape == (3, C)
    torch.testing.assert_close(model(batch(*ROWS, filler=7))[0], together)
    torch.testing.assert_close(torch.cat([model(batch(row))[0] for row in ROWS]), together)


@pytest.mark.parametrize("config", CONFIGS)
def test_every_parameter_gets_a_gradient(config):
    model = build(config)
    model(batch(*ROWS))[0].square().sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        assert weight.grad.any(), name


def test_order_matters_to_a_recurrence_only():
    for config, blind in zip(CONFIGS, (True, False, False, False), strict=True):
        model = build(config)
        assert torch.allclose(model(batch([1, 2, 3]))[0], model(batch([3, 2, 1]))[0]) is blind


def test_a_text_without_tokens_has_finite_logits_and_gradients():
    for config in CONFIGS:
        model = build(config)
        logits, _ = model(batch([], [1, 2]))
        logits.sum().backward()
        assert logits.isfinite().all()
        assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in model.parameters())


def test_dropout_draws_from_the_bound_generator():
    model = build(RecurrentClassifierConfig(embedding_size=E, hidden_size=H, linear_size=F, dropout=0.5))
    outputs = []
    for seed in (1, 1, 2):
        bind_generator(model, torch.Generator().manual_seed(seed))
        outputs.append(model(batch(*ROWS))[0])
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


@pytest.mark.parametrize("config", CONFIGS)
def test_there_is_no_step_by_step_form(config):
    model = build(config)
    assert not model.capabilities.causal
    with pytest.raises(NotImplementedError, match="SequenceClassifier reads whole sequences"):
        model.start(2)


@pytest.mark.parametrize("cell", ["elman", "lstm"])
def test_the_course_model_is_torchs_on_one_hot_vectors(cell: CellName):
    """RNN or LSTM over one-hot vectors, the output at each row's last token, one linear layer."""
    model = build(
        RecurrentClassifierConfig(
            cell=cell, embedding="one-hot", hidden_size=H, layers=2, linear_size=0, pooling="last"
        )
    )
    layer = {"elman": torch.nn.RNN, "lstm": torch.nn.LSTM}[cell](V, H, 2, batch_first=True).double()
    weights = dict(model.named_parameters())
    assert sum(weight.numel() for weight in weights.values()) == sum(
        weight.numel() for weight in [*layer.parameters(), *torch.nn.Linear(H, C).parameters()]
    )
    layer.load_state_dict(model.get_submodule("body").state_dict())
    with torch.no_grad():
        for row, tokens in enumerate(ROWS):
            hidden, _ = layer(torch.nn.functional.one_hot(torch.tensor([tokens]), V).double())
            wanted = weights["head.weight"] @ hidden[0, -1] + weights["head.bias"]
            torch.testing.assert_close(model(batch(*ROWS))[0][row], wanted)


@pytest.mark.parametrize(("pooling", "naive"), [("max", torch.amax), ("mean", torch.mean)])
def test_without_a_linear_layer_the_features_are_pooled_as_they_are(pooling, naive):
    config = RecurrentClassifierConfig(embedding_size=E, hidden_size=H, linear_size=0, pooling=pooling)
    model = build(config)
    for row, tokens in enumerate(ROWS):
        alone = batch(tokens)
        embedded = model.get_submodule("embedding")(alone.inputs.tokens)
        hidden, _, _ = model.get_submodule("body")(embedded, alone.inputs.lengths)
        torch.testing.assert_close(model.features(batch(*ROWS), None)[0][row], naive(hidden[0], dim=0))
