"""The gradient through time, against a loop in which each state is a tensor, differences, and known laws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from seqlab.data.batch import Batch
from seqlab.data.sequences import Padded
from seqlab.measure.gradients import NAME, OF_MEAN, diagnose_rows, gradient_through_time, horizon
from seqlab.models.classifier import SequenceClassifier
from seqlab.models.input_spec import InputSpec
from seqlab.models.language_model import LanguageModel
from seqlab.models.linear_classifier import LinearClassifierConfig
from seqlab.models.model import SequenceModel
from seqlab.models.model_config import ModelConfig
from seqlab.models.recurrent_classifier import RecurrentClassifierConfig
from seqlab.models.recurrent_language_model import RecurrentLanguageModelConfig
from seqlab.models.transformer_language_model import TransformerLanguageModelConfig
from seqlab.nn.cells import CELLS
from seqlab.nn.dropout import bind_generator
from seqlab.nn.native import builds
from seqlab.nn.recurrent import RecurrentStack
from seqlab.nn.trace import traced
from seqlab.nn.transformer_stack import TransformerStack
from seqlab.schema.errors import UserError
from seqlab.schema.records import Curve, Scalar
from seqlab.tasks.classify import ClassifyTask
from seqlab.tasks.language_modelling import LanguageModelTask
from seqlab.tasks.task import Task

B, T, V, H = 4, 9, 7, 5
LENGTHS = torch.tensor([9, 3, 1, 6])
LM = LanguageModelTask(1, 2)
LABELS = ClassifyTask(0.0)
TRANSFORMER = TransformerLanguageModelConfig(
    hidden_size=8, layers=2, heads=2, feed_forward_size=6, dropout=0.5, init_range=1.0
)


def rows(*, labelled: bool = False, lengths: Tensor = LENGTHS) -> Batch:
    random = torch.Generator().manual_seed(3)
    steps = int(lengths.max())
    tokens = torch.randint(V, (len(lengths), steps), generator=random)
    targets = torch.randint(V, (len(lengths),) if labelled else tokens.shape, generator=random)
    return Batch(Padded(tokens, lengths), targets if labelled else Padded(targets, lengths))


def built(config: ModelConfig, dtype: torch.dtype = torch.float32) -> SequenceModel:
    model = config.build(InputSpec(vocabulary=V, outputs=V), torch.Generator().manual_seed(5)).to(dtype)
    bind_generator(model, torch.Generator().manual_seed(6))
    return model


def language_model(cell: str, layers: int, **settings: bool) -> RecurrentLanguageModelConfig:
    return RecurrentLanguageModelConfig.model_validate(
        {"cell": cell, "embedding_size": 4, "hidden_size": H, "layers": layers, "dropout": 0.5, **settings}
    )


def averaged(gradients: list[list[Tensor]], lengths: Tensor) -> tuple[list[list[float]], list[list[float]]]:
    """Norms of each layer by distance, from gradients[layer][step] (B, H): row by row, by the definition."""
    norms, of_mean = [], []
    for layer in gradients:
        by_distance = [
            [
                layer[int(length) - 1 - distance][row]
                for row, length in enumerate(lengths)
                if length > distance
            ]
            for distance in range(int(lengths.max()))
        ]
        norms.append([float(torch.stack(found).norm(dim=1).mean()) for found in by_distance])
        of_mean.append([float(torch.stack(found).mean(dim=0).norm()) for found in by_distance])
    return norms, of_mean


def unrolled(model: LanguageModel, batch: Batch) -> list[list[Tensor]]:
    """dL_T/dh_t by autograd through a loop over layers, steps and rows' ends, cell by cell."""
    stack, every = model.body, []
    assert isinstance(stack, RecurrentStack)
    x, total = model.embedding(batch.inputs.tokens), torch.zeros(())
    for depth in range(stack.layers):
        step = stack.cell.equations(stack._weights(depth, ""))
        w_ih, b_ih = (getattr(stack, f"{name}_l{depth}") for name in ("weight_ih", "bias_ih"))
        state, hidden = tuple(x.new_zeros(len(x), H) for _ in stack.cell.states), []
        for t in range(x.shape[1]):
            state = step(x[:, t] @ w_ih.T + b_ih, state)
            hidden.append(state[0])
        every.append(hidden)
        x = torch.stack(hidden, 1)
        total = total + x if stack.summed else x
    last = torch.arange(len(x)), batch.inputs.lengths - 1
    loss = functional.cross_entropy(model.head(total[last]), batch.target_values[last], reduction="sum")
    flat = torch.autograd.grad(loss, [h for hidden in every for h in hidden])
    return [list(flat[i : i + x.shape[1]]) for i in range(0, len(flat), x.shape[1])]


@pytest.mark.parametrize(("layers", "summed"), [(1, False), (2, True), (3, False)])
@pytest.mark.parametrize("cell", list(CELLS))
def test_equal_to_a_loop_over_cells(cell: str, layers: int, summed: bool) -> None:
    config = language_model(cell, layers, sum_layers=summed)
    model = built(config, torch.float64)
    assert isinstance(model, LanguageModel)
    batch = rows()
    norms, of_mean = averaged(unrolled(model, batch), batch.inputs.lengths)
    found = gradient_through_time(model, LM, batch)
    np.testing.assert_allclose(found.norms, norms, rtol=1e-10)
    np.testing.assert_allclose(found.of_mean, of_mean, rtol=1e-10)
    assert all(rows.tolist() == [4, 3, 3, 2, 2, 2, 1, 1, 1] for rows in found.rows)
    single = built(config)
    for kernels in (*builds.available_builds(), "reference"):
        with builds.use_build(kernels):
            np.testing.assert_allclose(
                gradient_through_time(single, LM, batch).norms, norms, rtol=2e-4, atol=1e-7
            )


def test_a_transformers_gradients_are_those_of_what_its_layers_read() -> None:
    model = built(TRANSFORMER, torch.float64).eval()
    assert isinstance(model, LanguageModel)
    stack = model.body
    assert isinstance(stack, TransformerStack)
    batch = rows()
    x, read = stack._positioned(model.embedding(batch.inputs.tokens), None), []
    for layer in stack.layers:
        read.append(x)
        x, _ = layer(x)
    last = torch.arange(B), batch.inputs.lengths - 1
    logits = model.head(stack.norm(x)[last])
    loss = functional.cross_entropy(logits, batch.target_values[last], reduction="sum")
    gradients = [list(gradient.unbind(1)) for gradient in torch.autograd.grad(loss, read)]
    norms, of_mean = averaged(gradients, batch.inputs.lengths)
    found = gradient_through_time(model, LM, batch)
    np.testing.assert_allclose(found.norms, norms, rtol=1e-9)
    np.testing.assert_allclose(found.of_mean, of_mean, rtol=1e-9)
    with traced(model) as traces:
        model.features(batch, None)
        states = traces["body"].states
    padding = ~batch.inputs.mask
    torch.testing.assert_close(states, [r.detach().masked_fill(padding.unsqueeze(2), 0) for r in read])


@pytest.mark.parametrize(
    ("cell", "pooling", "bidirectional"),
    [("elman", "max", False), ("gru", "mean", True), ("lstm", "max", True), ("lstm", "mean", False)],
)
def test_a_classifiers_gradients_are_differences_of_its_loss(
    cell: str, pooling: str, bidirectional: bool
) -> None:
    """A step's state is moved by hand, one unit after the other, and the change of the loss measured."""
    config = RecurrentClassifierConfig.model_validate(
        {
            "cell": cell,
            "embedding_size": 4,
            "hidden_size": 3,
            "linear_size": 4,
            "dropout": 0.5,
            "pooling": pooling,
            "bidirectional": bidirectional,
        }
    )
    model, batch = built(config, torch.float64).eval(), rows(labelled=True, lengths=torch.tensor([5]))
    found = gradient_through_time(model, LABELS, batch).norms[0]
    for distance in range(5):
        moves = torch.eye(6 if bidirectional else 3, dtype=torch.float64) * 1e-6
        differences = [
            (_moved(model, batch, distance, m) - _moved(model, batch, distance, -m)) for m in moves
        ]
        assert found[distance] == pytest.approx(np.linalg.norm(differences) / 2e-6, rel=1e-5)


@torch.no_grad()
def _moved(model: SequenceModel, batch: Batch, distance: int, move: Tensor) -> float:
    """The loss after h_t has moved, by the equations of the cell alone."""
    assert isinstance(model, SequenceClassifier)
    stack = model.body
    assert isinstance(stack, RecurrentStack)
    x, outputs, T = model.embedding(batch.inputs.tokens), [], batch.inputs.steps
    for index, suffix in enumerate(stack.suffixes):
        step = stack.cell.equations(stack._weights(0, suffix))
        w_ih, b_ih = (getattr(stack, f"{name}_l0{suffix}") for name in ("weight_ih", "bias_ih"))
        state, hidden = tuple(x.new_zeros(1, 3) for _ in stack.cell.states), [torch.empty(0)] * T
        for t in reversed(range(T)) if suffix else range(T):
            state = step(x[:, t] @ w_ih.T + b_ih, state)
            if t == T - 1 - distance:
                state = (state[0] + move[3 * index : 3 * index + 3], *state[1:])
            hidden[t] = state[0]
        outputs.append(torch.stack(hidden, 1))
    pooled = model.pooling(torch.cat(outputs, 2), model.linear, batch.inputs.lengths)
    return float(functional.cross_entropy(model.head(pooled), batch.target_values))


def test_a_linear_recurrence_falls_as_a_power_of_its_factor() -> None:
    """h_t = tanh(a h_(t-1) + x_t) with small x is h_t = a h_(t-1) + x_t."""
    model = built(language_model("elman", 1), torch.float64)
    state = model.state_dict()
    state["body.weight_hh_l0"].copy_(0.8 * torch.eye(H))
    for name in ("body.bias_ih_l0", "body.bias_hh_l0"):
        state[name].zero_()
    state["embedding.weight"].mul_(1e-6)
    batch = rows(lengths=torch.full((3,), 40))
    norms = gradient_through_time(model, LM, batch).norms[0]
    np.testing.assert_allclose(norms, norms[0] * 0.8 ** np.arange(40), rtol=1e-6)
    assert horizon(norms) == int(np.ceil(np.log(0.01) / np.log(0.8)))


@pytest.mark.parametrize(("bias", "factor"), [(50.0, 1.0), (0.0, 0.5)])
def test_an_lstms_gradient_goes_through_its_forget_gate(bias: float, factor: float) -> None:
    """After one step h acts only through c, of which each step keeps the share that its forget gate gives."""
    model = built(language_model("lstm", 1), torch.float64)
    state = model.state_dict()
    for name, tensor in state.items():
        if name.startswith("body"):
            tensor.mul_(1e-4)
    state["body.bias_ih_l0"][H : 2 * H] = bias
    batch = rows(lengths=torch.full((3,), 30))
    norms = gradient_through_time(model, LM, batch).norms[0]
    np.testing.assert_allclose(norms[1:], norms[1] * factor ** np.arange(29), rtol=1e-2)


def test_horizon() -> None:
    assert horizon(np.array([1.0])) is None
    assert horizon(np.array([1.0, 0.011, 0.02])) is None
    assert horizon(np.array([2.0, 0.019, 0.0])) == 1
    assert horizon(np.array([2.0, 0.0, 0.03, 0.0])) == 3
    assert horizon(np.array([1.0, 0.0, np.inf])) is None
    assert horizon(np.zeros(3)) is None


def test_the_model_is_left_as_found() -> None:
    model = built(language_model("lstm", 2)).train()
    model(rows())[0].sum().backward()
    before = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    dropout = torch.Generator().manual_seed(8)
    bind_generator(model, dropout)
    drawn = dropout.get_state()
    with torch.no_grad():
        first = gradient_through_time(model, LM, rows())
    assert model.training
    assert torch.equal(dropout.get_state(), drawn)
    assert all(
        torch.equal(p.grad, before[name]) for name, p in model.named_parameters() if p.grad is not None
    )
    np.testing.assert_array_equal(gradient_through_time(model.eval(), LM, rows()).norms, first.norms)


@pytest.mark.parametrize("config", [language_model("gru", 2), TRANSFORMER], ids=["recurrent", "attention"])
def test_padding_and_the_other_rows_change_nothing(config: ModelConfig) -> None:
    model, batch = built(config, torch.float64), rows()
    rows_alone = (batch.select(torch.tensor([row])) for row in range(B))
    alone = [np.stack(gradient_through_time(model, LM, row).norms) for row in rows_alone]
    whole = np.stack(gradient_through_time(model, LM, batch).norms)
    for distance in range(T):
        there = [norms[:, distance] for norms in alone if norms.shape[1] > distance]
        np.testing.assert_allclose(whole[:, distance], np.mean(there, axis=0), rtol=1e-9)


def test_records() -> None:
    found = diagnose_rows(
        built(language_model("elman", 2)), LM, rows(lengths=torch.tensor([40, 40])), "valid"
    )
    curves = {record.name: record for record in found.records if isinstance(record, Curve)}
    assert list(curves) == [f"{name}_layer_{layer}" for layer in (1, 2) for name in (NAME, OF_MEAN)]
    horizons = {record.name: record for record in found.records if isinstance(record, Scalar)}
    for layer, sentence in enumerate(found.sentences, start=1):
        curve = curves[f"{NAME}_layer_{layer}"]
        assert (curve.split, curve.x[:3], len(curve.x)) == ("valid", (0.0, 1.0, 2.0), 40)
        at = horizon(np.array(curve.y))
        assert at is not None
        assert horizons[f"gradient_horizon_layer_{layer}"].value == at
        assert horizons[f"gradient_horizon_layer_{layer}"].unit == "tokens"
        assert sentence == f"Layer {layer}: under 1 % from {at} tokens back"


def test_what_is_too_large_is_in_no_curve() -> None:
    model = built(language_model("elman-relu", 1))
    state = model.state_dict()
    state["body.weight_hh_l0"].fill_(1.0)
    state["body.weight_ih_l0"].zero_()
    state["body.bias_ih_l0"].fill_(1e-30)
    state["body.bias_hh_l0"].zero_()
    found = diagnose_rows(model, LM, rows(lengths=torch.full((2,), 90)), "valid")
    curve = next(record for record in found.records if isinstance(record, Curve))
    assert 1 < len(curve.x) < 90
    assert found.sentences == [f"Layer 1: too large for a number from {len(curve.x)} tokens back"]
    assert not any(isinstance(record, Scalar) for record in found.records)


@pytest.mark.parametrize(
    ("config", "task", "batch", "words"),
    [
        (LinearClassifierConfig(), LABELS, rows(labelled=True), "needs a model with recurrent layers or att"),
        (
            RecurrentClassifierConfig(embedding_size=2, hidden_size=2, linear_size=2),
            LABELS,
            Batch(
                Padded(torch.zeros(2, 1, dtype=torch.int64), torch.zeros(2, dtype=torch.int64)),
                torch.zeros(2).long(),
            ),
            "needs at least one token. Got rows without any",
        ),
    ],
    ids=["no layers", "no tokens"],
)
def test_refused(config: ModelConfig, task: Task, batch: Batch, words: str) -> None:
    with pytest.raises(UserError, match=words):
        gradient_through_time(built(config), task, batch)
