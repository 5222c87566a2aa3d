import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.data.batch import Batch
from seqlab.data.batches import Batches, SelectedBatches
from seqlab.data.batching import SequencesConfig, TokensConfig
from seqlab.data.dataset import Split
from seqlab.data.ragged import Ragged
from seqlab.data.stream_batching import StreamConfig
from seqlab.measure import evaluate as evaluation
from seqlab.measure.evaluate import evaluate
from seqlab.measure.item_collector import ItemCollector
from seqlab.models.input_spec import InputSpec
from seqlab.models.model import SequenceModel
from seqlab.models.model_kinds import MODELS
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError, WorkError
from seqlab.schema.records import Curve, Scalar
from seqlab.tasks.classify import ClassifyTask
from seqlab.tasks.language_modelling import LanguageModelTask

VOCABULARY = 11
START, END = 0, 1
LANGUAGE = LanguageModelTask(START, END, label_smoothing=0.1)
SPEC = InputSpec(vocabulary=VOCABULARY, outputs=VOCABULARY)
CARRYING = [("recurrent-lm", cell) for cell in ("elman", "gru-reset-before", "gru", "lstm")]


class Listed(Batches):
    """Batches from a list, not carried."""

    def __init__(self, batches: list[Batch]):
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def batch(self, index: int) -> Batch:
        return self._batches[index]


def build(kind: str, spec: InputSpec = SPEC, **table) -> SequenceModel:
    generator = torch.Generator().manual_seed(3)
    model = parse(MODELS[kind], {"kind": kind, "dropout": 0.5, **table}).build(spec, generator)
    with torch.no_grad():  # so that the loss depends on far more than the last token
        for parameter in model.parameters():
            parameter.mul_(3)
    return model.double()


def recurrent(cell: str) -> SequenceModel:
    return build("recurrent-lm", cell=cell, embedding_size=6, hidden_size=8)


def adaptive() -> SequenceModel:
    clusters = {"cutoffs": [3, 7], "projection_divisor": 2}
    return build("recurrent-lm", SPEC, embedding_size=6, hidden_size=8, **clusters)


def transformer() -> SequenceModel:
    return build("transformer-lm", hidden_size=8, heads=2, layers=2, feed_forward_size=12)


def classifier(pooling: str) -> SequenceModel:
    spec = InputSpec(vocabulary=VOCABULARY, outputs=3)
    sizes = {"embedding_size": 6, "hidden_size": 5, "linear_size": 7}
    return build("recurrent-classifier", spec, pooling=pooling, **sizes)


def stream(length: int, seed: int = 0) -> Split:
    tokens = np.random.default_rng(seed).integers(2, VOCABULARY, length).astype(np.int32)
    return Split(Ragged(tokens, np.array([0, length])), running=True)


def sequences(lengths: list[int], seed: int = 0, labels: int | None = None) -> Split:
    random = np.random.default_rng(seed)
    tokens = random.integers(2, VOCABULARY, sum(lengths)).astype(np.int32)
    given_labels = None if labels is None else random.integers(0, labels, len(lengths))
    return Split(Ragged(tokens, np.cumsum([0, *lengths])), targets=given_labels)


def from_scratch(batches: Batches) -> Batches:
    """The same batches, no state carried from one to the next."""
    return SelectedBatches(batches, range(len(batches)))


def value(model, task, batches, metric="loss") -> float:
    (record,) = evaluate(model, task, batches, split="valid", metrics=[metric])
    assert isinstance(record, Scalar)
    return record.value


def loss_token_by_token(model: SequenceModel, tokens) -> float:
    """Mean nats of a text fed one token at a time."""
    model.eval()
    state, last, total = model.start(1), START, 0.0
    with torch.no_grad():
        for token in tokens.tolist():
            logits, state = model.step(torch.tensor([last]), state)
            total -= logits.log_softmax(dim=-1)[0, token].item()
            last = token
    return total / len(tokens)


@pytest.mark.parametrize(("kind", "cell"), CARRYING)
@settings(max_examples=10, deadline=None)
@given(length=st.integers(1, 60), window=st.integers(1, 70))
def test_cutting_a_stream_into_windows_changes_nothing(kind, cell, length, window):
    model, split = recurrent(cell), stream(length)
    batches = LANGUAGE.batches(split, StreamConfig(batch_size=1, sequence_length=window), None)
    assert batches.carried
    found = value(model, LANGUAGE, batches)
    assert found == pytest.approx(loss_token_by_token(model, split.text.tokens), rel=1e-6)


def test_the_loss_of_an_adaptive_softmax_needs_no_outputs(monkeypatch: pytest.MonkeyPatch):
    """It is that of all log-probabilities, which are not computed; a metric of outputs has them."""
    model, split = adaptive(), stream(60)
    batches = LANGUAGE.batches(split, StreamConfig(batch_size=1, sequence_length=25), None)
    wanted = loss_token_by_token(model, split.text.tokens)
    both = evaluate(model, LANGUAGE, batches, split="valid", metrics=["loss", "accuracy"])
    assert isinstance(both[0], Scalar)
    assert both[0].value == pytest.approx(wanted, rel=1e-6)
    monkeypatch.setattr(model.head, "forward", None)
    assert value(model, LANGUAGE, batches) == pytest.approx(wanted, rel=1e-6)
    with pytest.raises(TypeError):
        value(model, LANGUAGE, batches, "accuracy")
    with pytest.raises(TypeError):  # items say which targets are right
        evaluate(model, LANGUAGE, batches, split="valid", metrics=["loss"], items=ItemCollector(None))


@settings(max_examples=10, deadline=None)
@given(rows=st.integers(1, 9), first=st.integers(1, 30), second=st.integers(1, 30))
def test_number_and_length_of_the_windows_change_nothing(rows, first, second):
    model, split = recurrent("lstm"), stream(47)
    found = [
        value(
            model,
            LANGUAGE,
            LANGUAGE.batches(split, StreamConfig(batch_size=rows, sequence_length=window), None),
        )
        for window in (first, second)
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-6)


@pytest.mark.parametrize("make", [lambda: recurrent("gru-reset-before"), transformer])
@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(0, 12), min_size=1, max_size=15), rows=st.integers(1, 16))
def test_batch_size_and_padding_change_no_sequence_loss(make, lengths, rows):
    model, split = make(), sequences(lengths)
    batched = value(model, LANGUAGE, LANGUAGE.batches(split, SequencesConfig(batch_size=rows), None))
    shuffled = value(model, LANGUAGE, LANGUAGE.batches(split, TokensConfig(tokens=40), 5))
    alone = value(model, LANGUAGE, LANGUAGE.batches(split, SequencesConfig(batch_size=1), None))
    assert batched == pytest.approx(alone, rel=1e-6)
    assert shuffled == pytest.approx(alone, rel=1e-6)


@pytest.mark.parametrize("pooling", ["max", "mean", "last"])
@pytest.mark.parametrize("metric", ["loss", "accuracy"])
@settings(max_examples=5, deadline=None)
@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=15), rows=st.integers(1, 16))
def test_batch_size_and_padding_change_no_text(pooling, metric, lengths, rows):
    model, task, split = classifier(pooling), ClassifyTask(0.1), sequences(lengths, labels=3)
    batched = value(model, task, task.batches(split, SequencesConfig(batch_size=rows), None), metric)
    alone = value(model, task, task.batches(split, SequencesConfig(batch_size=1), None), metric)
    assert batched == pytest.approx(alone, rel=1e-6)


@pytest.mark.parametrize("pieces", [1, 3, 7, 10_000])
def test_targets_at_once_change_nothing(pieces, monkeypatch):
    model, split = recurrent("lstm"), sequences([3, 9, 4, 12, 1])
    batches = LANGUAGE.batches(split, SequencesConfig(batch_size=5), None)
    metrics = ["loss", "accuracy", "loss_per_position"]
    expected = evaluate(model, LANGUAGE, batches, split="valid", metrics=metrics)
    monkeypatch.setattr(evaluation, "TARGETS_AT_ONCE", pieces)
    sizes = []
    model.head.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    found = evaluate(model, LANGUAGE, batches, split="valid", metrics=metrics)
    assert max(sizes) <= pieces
    for one, other in zip(expected, found, strict=True):
        assert numbers(one) == pytest.approx(numbers(other), rel=1e-6, abs=1e-6)


def numbers(record) -> list[float]:
    assert isinstance(record, Scalar | Curve)
    return [record.value] if isinstance(record, Scalar) else list(record.y)


def test_positions_are_those_in_the_window():
    model, split = recurrent("elman"), stream(20)
    batches = LANGUAGE.batches(split, StreamConfig(batch_size=2, sequence_length=4), None)
    mean, *_ = evaluate(model, LANGUAGE, from_scratch(batches), split="train", metrics=["loss_per_position"])
    assert isinstance(mean, Curve)
    assert mean.x == (1, 2, 3, 4)
    first = Listed([batch.truncate(1) for batch in batches])
    assert all(batch.inputs.lengths.eq(1).all() for batch in first)
    assert mean.y[0] == pytest.approx(value(model, LANGUAGE, first), rel=1e-6)


def test_without_a_carried_state_every_window_starts_from_scratch():
    model, split = recurrent("lstm"), stream(40)
    batches = LANGUAGE.batches(split, StreamConfig(batch_size=1, sequence_length=5), None)
    alone = np.mean([value(model, LANGUAGE, Listed([batch])) for batch in batches])
    assert value(model, LANGUAGE, from_scratch(batches)) == pytest.approx(alone, rel=1e-6)
    assert value(model, LANGUAGE, batches) != pytest.approx(alone, rel=1e-4)


def test_the_model_is_left_as_found_and_progress_is_reported():
    model, split = recurrent("lstm"), stream(20)
    model.train()
    model.head.eval()
    modes = [module.training for module in model.modules()]
    reported = []
    evaluate(
        model,
        LANGUAGE,
        LANGUAGE.batches(split, StreamConfig(batch_size=1, sequence_length=7), None),
        split="valid",
        metrics=LANGUAGE.metrics,
        progress=lambda done, total: reported.append((done, total)),
    )
    assert reported == [(1, 3), (2, 3), (3, 3)]
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None for parameter in model.parameters())


def test_modes_come_back_after_an_error():
    model = recurrent("lstm")
    with pytest.raises(UserError, match=r"There is no metric 'los'. Nearest: 'loss'"):
        evaluate(model, LANGUAGE, Listed([]), split="valid", metrics=["los"])
    with torch.no_grad():
        next(model.head.parameters()).fill_(math.nan)
    batches = LANGUAGE.batches(stream(9), StreamConfig(), None)
    with pytest.raises(WorkError, match=r"loss of every target must be finite. Got nan in split 'test'"):
        evaluate(model, LANGUAGE, batches, split="test", metrics=["accuracy"])
    assert all(module.training for module in model.modules())


def test_nothing_to_score_is_an_error():
    with pytest.raises(UserError, match=r"must score at least 1 target. Got 0 in split 'valid'"):
        value(recurrent("lstm"), LANGUAGE, Listed([]))


def test_a_transformer_does_not_carry():
    batches = LANGUAGE.batches(stream(9), StreamConfig(), None)
    with pytest.raises(
        UserError, match=r"need a model that carries .*Got LanguageModel.*: overlapping windows"
    ):
        value(transformer(), LANGUAGE, batches)
