"""What every model of the table must keep."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch

from seqlab.checkup import learning_probes as learning
from seqlab.checkup.examine import examine
from seqlab.checkup.model_subject import ModelSubject
from seqlab.data.batch import Batch
from seqlab.data.batches import Batches
from seqlab.data.sequences import Padded
from seqlab.measure.diagnosis import DiagnosedSplit
from seqlab.measure.metric_kinds import DIAGNOSTICS
from seqlab.models.input_spec import InputSpec
from seqlab.models.model import SequenceModel
from seqlab.models.model_config import CellName, ModelConfig
from seqlab.models.model_kinds import MODELS
from seqlab.nn.dropout import bind_generator
from seqlab.nn.trace import traced
from seqlab.schema.config import Table, parse, plain
from seqlab.schema.errors import UserError
from seqlab.schema.records import Moment, from_line, to_line
from seqlab.schema.settings import flat
from seqlab.tasks.classify import ClassifyTask
from seqlab.tasks.language_modelling import LanguageModelTask

VOCABULARY, CLASSES = 13, 3
CELLS = get_args(CellName)
RECURRENT = {"embedding_size": 6, "hidden_size": 7, "layers": 2, "dropout": 0.3}
SPAN = {"embedding_size": 6, "hidden_size": 5, "linear_size": 8, "dropout": 0.3}
OWN, OWN_CELLS = Path(__file__).parents[1] / "own_models.py", Path(__file__).parents[1] / "own_cells.py"
OWN_NAMES = ("TimeFirstLanguageModel", "DictLanguageModel", "TransformerLanguageModel", "MixesRows")
OWN_NAMES += ("PackedClassifier", "MaskClassifier", "LastStepClassifier")
TRANSFORMER = {"hidden_size": 8, "heads": 2, "layers": 2, "feed_forward_size": 11}

SEQUENTIAL = {"embedding_size": 6}
CONVOLUTION = {"kind": "convolution", "filters": 4, "widths": [3, 2]}
LSTM = {"kind": "recurrent", "cell": "lstm", "hidden_size": 5}

SIZES: dict[str, list[Table]] = {
    "recurrent-classifier": [
        *({**SPAN, "cell": cell} for cell in CELLS),
        {**SPAN, "pooling": "last", "layers": 2},
        {**SPAN, "cell": f"{OWN_CELLS}:Lstm", "bidirectional": True, "layers": 2},
        {**SPAN, "pooling": "mean", "bidirectional": True},
        {**SPAN, "embedding": "one-hot", "linear_size": 0, "pooling": "last"},
        {**SPAN, "embedding": "numbers", "linear_size": 0, "pooling": "last"},
        {**SPAN, "linear_size": 0, "pooling": "mean", "token_dropout": 0.2},
        {**SPAN, "linear_size": 0, "pooling": "max"},
    ],
    "linear-classifier": [
        {"embedding_size": 6, "linear_size": 8, "pooling": "max"},
        {"embedding_size": 6, "linear_size": 8, "pooling": "mean", "token_dropout": 0.2},
    ],
    "sequential-classifier": [
        {**SEQUENTIAL, "layers": [CONVOLUTION], "pooling": "max", "dropout": 0.3},
        {**SEQUENTIAL, "layers": [CONVOLUTION, {"kind": "max-pool", "width": 2}, LSTM], "pooling": "last"},
        {
            **SEQUENTIAL,
            "layers": [{"kind": "token-dropout"}, {"kind": "linear", "size": 7}],
            "pooling": "max",
        },
        {**SEQUENTIAL, "layers": [{**LSTM, "bidirectional": True}], "pooling": "last"},
        {**SEQUENTIAL, "layers": [{"kind": "dropout"}, LSTM], "pooling": "attention", "attention_size": 6},
        {**SEQUENTIAL, "layers": [LSTM, CONVOLUTION], "pooling": "flatten", "window": 7, "dense_sizes": [4]},
        {**SEQUENTIAL, "pooling": "flatten", "window": 9},
        {**SEQUENTIAL, "embedding": "ids", "pooling": "flatten", "window": 9, "dense_sizes": [4, 3]},
        {**SEQUENTIAL, "pooling": "mean", "dense_sizes": [4]},
        {**SEQUENTIAL, "pooling": "max", "window": 4},
    ],
    "recurrent-lm": [
        *({**RECURRENT, "cell": cell} for cell in (*CELLS, f"{OWN_CELLS}:minimal_gated_unit")),
        {**RECURRENT, "embedding_size": 7, "tied": True},
        {
            **RECURRENT,
            "embedding_size": 7,
            "layer_norm": True,
            "residual": True,
            "learned_initial_state": True,
            "weight_drop": 0.3,
            "locked_dropout": True,
            "embedding_dropout": 0.1,
            "activation_penalty": 0.1,
        },
        {**RECURRENT, "tied": True, "tied_projection": True, "hidden_dropout": 0.1},
        # A cluster of few features could not give every target a high probability.
        {**RECURRENT, "hidden_size": 12, "cutoffs": [4, 9], "projection_divisor": 2},
    ],
    "transformer-lm": [
        TRANSFORMER,
        {**TRANSFORMER, "attention_dropout": 0.2, "tied": True},
        {**TRANSFORMER, "cutoffs": [5]},
    ],
    "import": [
        {"path": f"{OWN}:GruLanguageModel", "arguments": {"size": 5}},
        *({"path": f"{OWN}:{name}"} for name in OWN_NAMES),
    ],
}
"""Tiny settings of every kind, one for each way its equations can go."""
VARIANTS = [
    pytest.param({"kind": kind, **table}, id=f"{kind}-{index}")
    for kind, tables in SIZES.items()
    for index, table in enumerate(tables)
]
variants = pytest.mark.parametrize("table", VARIANTS)


def config(table: Table) -> ModelConfig:
    return parse(MODELS[table["kind"]], table, "model")


def build(table: Table, seed: int = 0) -> SequenceModel:
    labels = "classifier" in f"{table['kind']} {table.get('path')}".lower()
    numbers = [(k / 3, (-1.0) ** k) for k in range(VOCABULARY)]
    outputs, output = (CLASSES, "class") if labels else (VOCABULARY, "text")
    spec = InputSpec(vocabulary=VOCABULARY, outputs=outputs, output=output, numbers=numbers)
    return config(table).build(spec, torch.Generator().manual_seed(seed))


def batch(model: SequenceModel) -> Batch:
    generator = torch.Generator().manual_seed(4)
    tokens = torch.randint(VOCABULARY, (5, 9), generator=generator)
    inputs = Padded(tokens, torch.tensor([4, 9, 1, 7, 6]))
    if model.capabilities.causal:
        return Batch(inputs, replace(inputs, tokens=tokens.roll(-1, dims=1)))
    return Batch(inputs, torch.tensor([0, 2, 1, 2, 0]))


def logits(model: SequenceModel) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(batch(model))[0]


@variants
def test_a_tabulated_model_is_the_same_function(table: Table):
    model = build(table).eval()
    with torch.no_grad():
        found = model.tabulated()(batch(model))[0]
    torch.testing.assert_close(found, logits(model), rtol=1e-5, atol=1e-6)


@variants
def test_given_vectors_take_the_place_of_embedded_tokens(table: Table) -> None:
    """Of sequences of the same tokens; a model without an embedding of tokens says so."""
    model = build(table)
    if model.capabilities.causal:
        return
    model.eval()
    one = batch(model).select(torch.zeros(1, dtype=torch.long))
    vectors = model.token_vectors(one).detach()
    rows = one.select(torch.zeros(3, dtype=torch.long))
    given = torch.stack([vectors[0], 0.5 * vectors[0], vectors[0]]).requires_grad_()
    found = model.from_vectors(rows, given)
    torch.testing.assert_close(found[[0, 2]], model(rows)[0][:2])
    (gradient,) = torch.autograd.grad(found[1].sum(), given)
    assert gradient[1].any()
    assert not gradient[[0, 2]].any()
    torch.testing.assert_close(model(one)[0], found[:1])


def test_every_registered_kind_has_sizes():
    assert set(SIZES) == set(MODELS)


@variants
def test_shapes(table):
    model = build(table).eval()
    data = batch(model)
    features, state = model.features(data, None)
    if not model.capabilities.causal:
        assert features.shape[:-1] == (5,)
        assert logits(model).shape == (5, CLASSES)
        with pytest.raises(NotImplementedError, match="reads whole sequences"):
            model.start(5)
        return
    assert features.shape[:-1] == (5, 9)
    assert logits(model).shape == (5, 9, VOCABULARY)
    assert state is not None
    start = model.start(5)
    assert {name: len(tensor) for name, tensor in start.tensors.items()} == dict.fromkeys(state.tensors, 5)
    one, after = model.step(data.inputs.tokens[:, 0], start)
    assert one.shape == (5, VOCABULARY)
    assert set(after.tensors) == set(start.tensors)


def subject(model: SequenceModel, smoothing: float = 0.0) -> ModelSubject:
    task = (
        LanguageModelTask(0, 1, label_smoothing=smoothing)
        if model.capabilities.causal
        else ClassifyTask(smoothing)
    )
    return ModelSubject("model", model, batch(model), task)


@variants
def test_every_probe_that_applies_passes(table, monkeypatch):
    monkeypatch.setattr(learning, "SECONDS", 120.0)
    model = build(table)
    # This module mixes the sequences of a batch, which its adapter avoids in evaluation alone.
    skip = ["training_equals_evaluation"] if "MixesRows" in str(table) else []
    report = examine(lambda: subject(model, 0.1), label="model", skip=skip)
    assert report.healthy, str(report)
    assert not [finding for finding in report if finding.status == "not examined"], str(report)
    sound = {finding.probe for finding in report if finding.status == "sound"}
    assert sound >= {"batch_independence", "every_input_used", "outputs_alive", "gradients_reach_parameters"}
    assert sound >= {"repeatable", "saved_equals_loaded", "one_batch_overfitted"}
    assert "padding_changes_nothing" in sound or not model.capabilities.variable_length
    if model.capabilities.causal:
        assert sound >= {"no_look_ahead", "whole_equals_steps"}
        assert "initial_state_used" in sound or table["kind"] != "recurrent-lm"


@variants
def test_the_checkup_leaves_weights_modes_and_dropouts_as_found(table, monkeypatch):
    monkeypatch.setattr(learning, "STEPS", 2)
    model = build(table).train()
    generator = torch.Generator().manual_seed(8)
    bind_generator(model, generator)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    noise, world = generator.get_state(), torch.get_rng_state()
    examine(lambda: subject(model), label="model")
    assert torch.equal(generator.get_state(), noise)
    assert torch.equal(torch.get_rng_state(), world)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@variants
def test_saved_and_loaded_weights_give_equal_outputs(table):
    model, other = build(table, seed=1), build(table, seed=2)
    assert not torch.equal(logits(model), logits(other))
    other.load_state_dict({name: value.clone() for name, value in model.state_dict().items()})
    assert torch.equal(logits(model), logits(other))


@variants
def test_equal_seeds_give_equal_weights_and_unequal_seeds_others(table):
    world = torch.get_rng_state()
    first, same, other = (build(table, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), world)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert all(
        not torch.equal(value, other[name]) for name, value in first.items() if value.unique().numel() > 1
    )


@variants
def test_config_round_trip(table):
    settings = config(table)
    assert parse(type(settings), plain(settings)) == settings
    assert flat(plain(settings)).items() >= flat(table).items()


@variants
def test_targets_are_not_read(table):
    model = build(table)
    data = batch(model)
    with torch.no_grad():
        zeros = data.target_values * 0
        targets = Padded(zeros, data.inputs.lengths) if model.capabilities.causal else zeros
        found = model.eval()(replace(data, targets=targets))[0]
    assert torch.equal(found, logits(model))


class Rows(Batches):
    """A split of one batch."""

    def __init__(self, batch: Batch):
        self._batch = batch

    def __len__(self) -> int:
        return 1

    def batch(self, index: int) -> Batch:
        return self._batch


def refused(kind: str, model: SequenceModel, table: Table) -> str | None:
    """Why a diagnostic does not fit a model; None where it does."""
    if kind in ("loss-per-position", "free-running"):
        return None if model.capabilities.causal else "needs a model that predicts tokens"
    with traced(model) as traces:
        traceable = bool(traces)
    assert traceable or table["kind"] in ("linear-classifier", "sequential-classifier", "import")
    if kind == "saturation":
        known = {*CELLS} - {"elman-relu"}
        own = table["kind"] == "transformer-lm" or ("cell" in table and table["cell"] not in known)
        return None if traceable and not own else "needs a model with recurrent layers of seqlab's whose cell"
    return None if traceable else "needs a model with recurrent layers or attention"


@variants
@pytest.mark.parametrize("kind", list(DIAGNOSTICS))
def test_a_diagnostic_finds_the_same_twice_and_leaves_the_model_as_found(kind: str, table: Table) -> None:
    model = build(table).train()
    task = LanguageModelTask(0, 1) if model.capabilities.causal else ClassifyTask(0.0)
    data = DiagnosedSplit("valid", batch(model), Rows(batch(model)))
    if (refusal := refused(kind, model, table)) is not None:
        with pytest.raises(UserError, match=refusal):
            DIAGNOSTICS[kind](model, task, data)
        return
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found, again = (DIAGNOSTICS[kind](model, task, data) for _ in range(2))
    assert found == again
    assert found.records
    assert found.sentences
    moment = Moment(step=1, epoch=0.5, tokens=9)
    assert [from_line(to_line(r, moment), "test:1") for r in found.records] == [
        (r, moment) for r in found.records
    ]
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
