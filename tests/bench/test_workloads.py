"""Both sides of each comparison do the same work, and it is the described work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_workloads import SMALL
from torch import Tensor, nn

from seqlab.bench import plain_pytorch, python_loop
from seqlab.bench.seqlab_step import SeqlabStep, initial_weights
from seqlab.bench.workload import (
    SEED,
    WORD_SKEW,
    Classifying,
    Convolving,
    Labelling,
    RecurrentModelling,
    TrainingStep,
    Workload,
)
from seqlab.bench.workloads import PLAIN, PYTHON_LOOP, WORKLOADS, named
from seqlab.data.batch import Batch
from seqlab.data.sources.ndfa import WORDS
from seqlab.data.tokenizers.tokenizer import END, PAD, START, UNKNOWN
from seqlab.nn.dropout import Dropout
from seqlab.schema.config import plain as as_table
from seqlab.schema.errors import UserError

each = pytest.mark.parametrize("name", WORKLOADS)
ONE_BIAS = "ndfa-lstm-loop"
"""The reference has one bias per gate, seqlab two, whose sum moves twice as far."""
each_alike = pytest.mark.parametrize("name", [name for name in WORKLOADS if name != ONE_BIAS])
LANGUAGE_MODELS = [name for name, work in WORKLOADS.items() if isinstance(work, RecurrentModelling)]


def losses(step: TrainingStep, batches: list[Batch]) -> list[float]:
    return [step(batch) for batch in batches]


@each
def test_both_sides_start_from_the_same_weights(name: str) -> None:
    work = SMALL[name]
    seqlab = SeqlabStep(work)
    reference = work.reference_step(seqlab.model.state_dict())
    batch = work.batches()[0]
    assert seqlab(batch) == pytest.approx(reference(batch), rel=1e-5)


@each_alike
def test_both_sides_take_the_same_steps(name: str) -> None:
    """From equal weights without dropout; the loss of each step depends on all steps before it."""
    work = SMALL[name]
    seqlab = SeqlabStep(work)
    reference = work.reference_step(seqlab.model.state_dict())
    batches = [*work.batches()[:2], work.batches()[0]]
    found, expected = losses(seqlab, batches), losses(reference, batches)
    assert found == pytest.approx(expected, rel=1e-4)
    assert abs(expected[2] - expected[0]) > 1e-3 * expected[0], "weights moved"


def test_one_bias_moves_half_as_far_as_two() -> None:
    """One step without clipping: all other weights move equally."""
    work = replace(SMALL[ONE_BIAS], clip_norm=1e9)
    assert isinstance(work, RecurrentModelling)
    seqlab = SeqlabStep(work)
    reference = work.reference_step(seqlab.model.state_dict())
    before = python_loop.by_gate(initial_weights(work), work)
    batch = work.batches()[0]
    assert seqlab(batch) == pytest.approx(reference(batch), rel=1e-5)
    found, expected = python_loop.by_gate(seqlab.model.state_dict(), work), reference.model.state_dict()
    assert set(found) == set(expected)
    for key, moved in expected.items():
        share = 0.5 if key.startswith("cells.") and key.endswith(".bias") else 1.0
        assert (moved - before[key]).abs().max() > 1e-6, key
        by = share * (found[key] - before[key])
        torch.testing.assert_close(moved - before[key], by, rtol=1e-3, atol=1e-6, msg=key)


@each_alike
def test_sizes_momentum_and_clipping_act_on_both_sides(name: str) -> None:
    """Another value gives both sides another loss, and the same one."""
    work = SMALL[name]
    changes = [{"learning_rate": 0.1 * work.learning_rate}]
    # Adam divides a gradient by its size, so that only a tiny one moves the weights less.
    changes += [{"clip_norm": 0.01 if work.optimizer == "sgd" else 1e-9}]
    changes += [{"momentum": 0.0 if work.momentum else 0.9}] if work.optimizer == "sgd" else []
    batches = [work.batches()[0]] * 4
    unchanged = losses(SeqlabStep(work), batches)
    for change in changes:
        changed = replace(work, **change)
        seqlab = SeqlabStep(changed)
        reference = changed.reference_step(seqlab.model.state_dict())
        found, expected = losses(seqlab, batches), losses(reference, batches)
        assert found == pytest.approx(expected, rel=1e-4), change
        assert found != pytest.approx(unchanged, rel=1e-6), change


@each
def test_both_sides_drop_the_same_share(name: str) -> None:
    work = replace(SMALL[name], dropout=0.3)
    seqlab = SeqlabStep(work)
    reference = work.reference_step(seqlab.model.state_dict())
    assert {m.p for m in seqlab.model.modules() if isinstance(m, Dropout) and m.p} == {0.3}
    assert {m.p for m in reference.model.modules() if isinstance(m, nn.Dropout)} == {0.3}
    stacks = [m for m in reference.model.modules() if isinstance(m, nn.RNNBase)]
    assert all(m.dropout == (0.3 if m.num_layers > 1 else 0.0) for m in stacks)
    assert seqlab.model.training
    assert reference.model.training


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_language_models_continue_from_their_state(name: str) -> None:
    """With weights that do not move, only the state can change the loss of the same batch."""
    work = replace(SMALL[name], learning_rate=1e-30)
    batch = work.batches()[0]
    for step in (SeqlabStep(work), work.reference_step(initial_weights(work))):
        first, second = step(batch), step(batch)
        assert first != second


@pytest.mark.parametrize("name", ["imdb-lstm", "imdb-linear"])
def test_padding_has_no_effect_on_the_plain_classifier(name: str) -> None:
    work = SMALL[name]
    assert isinstance(work, Classifying)
    model = plain_pytorch.Classifier(work)
    check_padding(model, work)


def test_padding_has_no_effect_on_the_plain_convolution() -> None:
    work = SMALL["imdb-cnn"]
    assert isinstance(work, Convolving)
    check_padding(plain_pytorch.ConvolutionalClassifier(work), work)


def check_padding(model: nn.Module, work: Workload) -> None:
    tokens = work.batches()[0].inputs.tokens
    lengths = torch.tensor([5, 2, 4])
    logits = model(tokens, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = model(tokens[row : row + 1, :length], torch.tensor([length]))
        torch.testing.assert_close(logits[row : row + 1], alone)


def _gates_by_hand(w: dict[str, Tensor], x: Tensor) -> Callable[[str, Tensor], Tensor]:
    """A gate's linear part in float64, with the two parts of its weight separated."""

    def gate(name: str, inside: Tensor) -> Tensor:
        weight, bias = w[f"{name}.weight"].double(), w[f"{name}.bias"].double()
        return x.double() @ weight[:, : x.shape[1]].T + inside @ weight[:, x.shape[1] :].T + bias

    return gate


def test_the_gru_of_the_python_loop_computes_its_equations() -> None:
    random = torch.Generator().manual_seed(1)
    cell = python_loop.GruCell(3, 4)
    x, h = torch.randn(2, 3, generator=random), torch.randn(2, 4, generator=random)
    gate, old = _gates_by_hand(cell.state_dict(), x), h.double()
    r, z = torch.sigmoid(gate("reset", old)), torch.sigmoid(gate("update", old))
    expected = (1 - z) * old + z * torch.tanh(gate("new", r * old))
    (found,) = cell(x, (h,))
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)


def test_the_lstm_of_the_python_loop_computes_its_equations() -> None:
    random = torch.Generator().manual_seed(1)
    cell = python_loop.LstmCell(3, 4)
    x, h, c = (torch.randn(2, size, generator=random) for size in (3, 4, 4))
    gate = _gates_by_hand(cell.state_dict(), x)
    i, f, o = (torch.sigmoid(gate(name, h.double())) for name in ("input", "forget", "output"))
    expected = f * c.double() + i * torch.tanh(gate("new", h.double()))
    found_h, found_c = cell(x, (h, c))
    torch.testing.assert_close(found_c.double(), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found_h.double(), o * torch.tanh(expected), rtol=1e-5, atol=1e-6)


def test_operations_of_a_step_by_hand() -> None:
    # Two layers of four gates, each with 650 inputs and 650 states; the output; 700 tokens; 3 products.
    lstm = 2 * 4 * 650 * 1300 + 650 * 10_000
    assert WORKLOADS["ptb-lstm"].gflop == pytest.approx(6 * 700 * lstm / 1e9)
    gru = 3 * 1500 * (200 + 1500) + 3 * 1500 * 3000 + 1500 * 10_000
    assert WORKLOADS["gru-1500"].gflop == pytest.approx(6 * 700 * gru / 1e9)
    assert WORKLOADS["gru-1500-loop"].gflop == WORKLOADS["gru-1500"].gflop
    block = 4 * 512 * 512 + 2 * 512 * 2048
    assert WORKLOADS["transformer-512"].gflop == pytest.approx(6 * 4480 * (6 * block + 512 * 10_000) / 1e9)
    ndfa = 4 * 16 * (32 + 16) + 16 * 15
    assert WORKLOADS["ndfa-lstm"].gflop == pytest.approx(6 * 256 * 40 * ndfa / 1e9)
    linear = 32 * (235 * 300 * 300 + 300 * 2)
    assert WORKLOADS["imdb-linear"].gflop == pytest.approx(6 * linear / 1e9)
    convolutions = 32 * (235 * 300 * 100 * (3 + 4 + 5) + 300 * 2)
    assert WORKLOADS["imdb-cnn"].gflop == pytest.approx(6 * convolutions / 1e9)
    dense = 64 * (500 * 100 * 250 + 250 * 2)
    assert WORKLOADS["battlefield-dense"].gflop == pytest.approx(6 * dense / 1e9)
    assert WORKLOADS["imdb-lstm"].gflop == pytest.approx(6 * (linear + 32 * 235 * 4 * 300 * 600) / 1e9)


@each
def test_operations_are_those_of_the_weights(name: str) -> None:
    """Every weight matrix but a table is multiplied with every token, or every text where it is the head."""
    work = SMALL[name]
    each_token, tokens = 0, work.batch_size * work.sequence_length
    for key, weight in initial_weights(work).items():
        if weight.dim() >= 2 and not key.startswith("embedding"):
            on_texts = isinstance(work, Labelling) and key.startswith(("head", "dense"))
            each_token += weight.numel() * (work.batch_size if on_texts else tokens)
    assert work.gflop == pytest.approx(6 * each_token / 1e9)


@each
def test_batches_have_the_given_size_and_are_the_same_each_time(name: str) -> None:
    work = SMALL[name]
    batches = work.batches()
    assert {tuple(batch.inputs.tokens.shape) for batch in batches} == {(3, 5)}
    assert all(bool((batch.inputs.lengths == 5).all()) for batch in batches)
    assert all(
        torch.equal(a.inputs.tokens, b.inputs.tokens) for a, b in zip(batches, work.batches(), strict=True)
    )
    assert not torch.equal(batches[0].inputs.tokens, batches[1].inputs.tokens)
    assert max(int(batch.inputs.tokens.max()) for batch in batches) < work.vocabulary
    assert len(work.dataset().tokenizer.vocabulary) == work.vocabulary


def test_reviews_have_about_5000_different_words_per_batch() -> None:
    work = WORKLOADS["imdb-lstm"]
    ids = work.split().text.tokens[: work.batch_size * work.sequence_length]
    assert 4_900 < len(np.unique(ids)) < 5_100
    assert WORKLOADS["imdb-linear"].split().text.tokens.tolist() == work.split().text.tokens.tolist()
    assert (SEED, WORD_SKEW) == (1, 4.5)


def _settings(work: Workload, *keys: str) -> list[object]:
    table = as_table(work.config())
    found = []
    for key in keys:
        value = table
        for part in key.split("."):
            value = value.get(part, 0.0)
        found.append(value)
    return found


def test_the_workloads_have_these_settings() -> None:
    model = ("model.kind", "model.embedding_size", "model.dropout")
    training = ("training.optimizer.kind", "training.optimizer.learning_rate", "training.optimizer.momentum")
    keys = (*model, *training, "training.clip_norm", "batching.batch_size")
    descent = ["sgd", 1.0, 0.0, 0.25, 20]
    assert _settings(WORKLOADS["ptb-lstm"], *keys) == ["recurrent-lm", 650, 0.5, *descent]
    for name in ("gru-1500", "gru-1500-loop"):
        assert _settings(WORKLOADS[name], *keys) == ["recurrent-lm", 200, 0.65, *descent]
    descent = ["sgd", 0.03, 0.9, 1.0, 256]
    for name in ("ndfa-lstm", "ndfa-lstm-loop"):
        assert _settings(WORKLOADS[name], *keys) == ["recurrent-lm", 32, 0.0, *descent]
    descent = ["sgd", 0.01, 0.9, 1.0, 32]
    assert _settings(WORKLOADS["imdb-lstm"], *keys) == ["recurrent-classifier", 300, 0.0, *descent]
    assert _settings(WORKLOADS["imdb-linear"], *keys) == ["linear-classifier", 300, 0.0, *descent]
    adam = ["adam", 0.001, 0.0, 1.0]
    for name, size, batch_size in (("imdb-cnn", 300, 32), ("battlefield-dense", 100, 64)):
        dropout = WORKLOADS[name].dropout
        assert _settings(WORKLOADS[name], *keys) == [
            "sequential-classifier",
            size,
            dropout,
            *adam,
            batch_size,
        ]
    sizes = ("model.hidden_size", "model.layers", "model.heads", "model.feed_forward_size")
    keys = (*sizes, "model.dropout", "model.attention_dropout", *training, "batching.sequence_length")
    adam = ["adam", 0.0001, 0.0]
    assert _settings(WORKLOADS["transformer-512"], *keys) == [512, 6, 16, 2048, 0.1, 0.1, *adam, 35]
    recurrence = ("model.cell", "model.hidden_size", "model.layers", "model.tied", "batching.sequence_length")
    assert _settings(WORKLOADS["ptb-lstm"], *recurrence) == ["lstm", 650, 2, True, 35]
    assert _settings(WORKLOADS["gru-1500"], *recurrence) == ["gru", 1500, 2, False, 35]
    assert _settings(WORKLOADS["gru-1500-loop"], *recurrence) == ["gru-reset-before", 1500, 2, False, 35]
    for name in ("ndfa-lstm", "ndfa-lstm-loop"):
        assert _settings(WORKLOADS[name], *recurrence) == ["lstm", 16, 1, False, 40]
    sizes = ("model.hidden_size", "model.linear_size")
    assert _settings(WORKLOADS["imdb-lstm"], *sizes) == [300, 300]
    assert _settings(WORKLOADS["imdb-linear"], *sizes) == [0.0, 300]


def test_references_and_goals() -> None:
    goals = {name: (work.against, work.goal) for name, work in WORKLOADS.items()}
    assert goals == {
        "ptb-lstm": (PLAIN, 1.8),
        "imdb-lstm": (PLAIN, 2.0),
        "imdb-linear": (PLAIN, 3.0),
        "imdb-cnn": (PLAIN, 1.3),
        "battlefield-dense": (PLAIN, 1.3),
        "transformer-512": (PLAIN, 1.25),
        "gru-1500": (PLAIN, 2.5),
        "gru-1500-loop": (PYTHON_LOOP, 6.0),
        "ndfa-lstm": (PLAIN, 3.0),
        "ndfa-lstm-loop": (PYTHON_LOOP, 8.0),
    }


def test_the_formal_languages_vocabulary_is_its_own() -> None:
    tokens = {*"s", *"".join(WORDS), PAD, START, END, UNKNOWN}
    assert WORKLOADS["ndfa-lstm"].vocabulary == len(tokens) == 15


def test_workloads_by_name() -> None:
    assert [work.name for work in named([])] == list(WORKLOADS)
    assert [work.name for work in named(["gru-1500", "ptb-lstm", "gru-1500"])] == ["gru-1500", "ptb-lstm"]
    with pytest.raises(UserError, match=r"There is no workload 'ptb-lsm'\. Nearest: 'ptb-lstm'"):
        named(["ptb-lsm"])
