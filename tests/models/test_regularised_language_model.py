"""Options of recurrent language models against plain PyTorch in float64, with the same masks.

Legend: B sequences, T steps, H units, V tokens.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from seqlab.data.batch import Batch, unlabelled
from seqlab.data.sequences import Padded
from seqlab.models.input_spec import InputSpec
from seqlab.models.model import SequenceModel
from seqlab.models.model_config import ModelConfig
from seqlab.models.recurrent_language_model import RecurrentLanguageModelConfig
from seqlab.models.transformer_language_model import TransformerLanguageModelConfig
from seqlab.nn.dropout import Dropout, bind_generator
from seqlab.nn.vocabulary_dropout import VocabularyDropout
from seqlab.schema.config import Table, canonical, parse
from seqlab.schema.errors import UserError

V, E, H, T = 11, 4, 6, 7
LENGTHS = (7, 4, 1)
CELLS = ("elman", "elman-concat", "elman-relu", "gru-reset-before", "gru", "lstm")
OWN = Path(__file__).parents[1] / "own_cells.py"
SIZES: Table = {"embedding_size": E, "hidden_size": H, "layers": 2, "init_range": 0.8}
EQUAL: Table = {**SIZES, "embedding_size": H}
OPTIONS: dict[str, Table] = {
    "dropouts": {**SIZES, "dropout": 0.5, "input_dropout": 0.2, "hidden_dropout": 0.4, "output_dropout": 0.1},
    "the-rest": {**SIZES, "dropout": 0.5, "hidden_dropout": 0.0},
    "locked": {**SIZES, "dropout": 0.4, "locked_dropout": True},
    "embedding": {**SIZES, "embedding_dropout": 0.3},
    "weights": {**SIZES, "weight_drop": 0.5},
    "activation": {**SIZES, "dropout": 0.3, "activation_penalty": 2.0},
    "temporal": {**SIZES, "dropout": 0.3, "temporal_penalty": 3.0},
    "norm": {**SIZES, "layer_norm": True, "dropout": 0.2},
    "residual": {**EQUAL, "residual": True, "dropout": 0.2},
    "start": {**SIZES, "learned_initial_state": True},
    "projected": {**SIZES, "tied": True, "tied_projection": True, "dropout": 0.2},
    "everything": {
        **EQUAL,
        "layers": 3,
        "dropout": 0.3,
        "input_dropout": 0.2,
        "locked_dropout": True,
        "embedding_dropout": 0.1,
        "weight_drop": 0.4,
        "activation_penalty": 2.0,
        "temporal_penalty": 1.0,
        "layer_norm": True,
        "residual": True,
        "learned_initial_state": True,
        "tied": True,
        "sum_layers": True,
    },
}
options = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
cells = pytest.mark.parametrize("cell", CELLS)


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def configured(cell: str, table: Table, **more: Any) -> RecurrentLanguageModelConfig:
    return parse(RecurrentLanguageModelConfig, {**table, "cell": cell, **more}, "model")


def build(config: ModelConfig) -> SequenceModel:
    """A model with learned starts that are not zero, and norms that are not plain."""
    model = config.build(InputSpec(vocabulary=V, outputs=V), random())
    for name, weight in model.named_parameters():
        if "start_" in name or "norm" in name:
            nn.init.uniform_(weight, 0.5, 1.5, generator=random(5))
    return model


def batch() -> Batch:
    tokens = torch.randint(0, V, (len(LENGTHS), T), generator=random(3))
    return unlabelled(Padded(tokens, torch.tensor(LENGTHS)))


def targets() -> Tensor:
    return torch.randint(0, V, (sum(LENGTHS),), generator=random(4))


def objective(model: SequenceModel, seed: int) -> Tensor:
    """Mean loss of the real tokens, with the penalty."""
    bind_generator(model, random(seed))
    features, _, penalty = model.training_features(batch(), None)
    logits = model.head(features[batch().inputs.mask])
    loss = functional.cross_entropy(logits, targets())
    return loss if penalty is None else loss + penalty


class Plain:
    """The same model as one loop over time, of plain torch; masks in the order in which they are needed."""

    def __init__(self, weights: dict[str, Tensor], config: RecurrentLanguageModelConfig, seed: int):
        self.w, self.c, self.random = weights, config, random(seed)

    def mask(self, p: float | None, *shape: int) -> Tensor:
        p = self.c.dropout if p is None else p
        if not p:
            return torch.ones(shape, dtype=torch.float64)
        drawn = torch.rand(shape, generator=self.random, dtype=torch.float64)
        return (drawn >= p).double() / (1 - p)

    def dropped(self, x: Tensor, p: float | None) -> Tensor:
        B, steps, size = x.shape
        return x * self.mask(p, B, 1 if self.c.locked_dropout else steps, size)

    def objective(self) -> Tensor:
        raw = self.outputs()
        dropped = self.dropped(raw, self.c.output_dropout)
        real = [(b, t) for b, n in enumerate(LENGTHS) for t in range(n)]
        features = torch.stack([dropped[b, t] for b, t in real])
        if self.c.tied_projection:
            features = features @ self.w["projection.weight"].T
        table = self.w["embedding.weight" if self.c.tied else "head.weight"]
        loss = functional.cross_entropy(features @ table.T + self.w["head.bias"], targets())
        squares = torch.stack([dropped[b, t] for b, t in real]).pow(2)
        changes = torch.stack([raw[b, t] - raw[b, t - 1] for b, t in real if t]).pow(2)
        return loss + self.c.activation_penalty * squares.mean() + self.c.temporal_penalty * changes.mean()

    def outputs(self) -> Tensor:
        tokens = batch().inputs.tokens
        words = self.mask(self.c.embedding_dropout, V, 1)
        x = self.dropped((self.w["embedding.weight"] * words)[tokens], self.c.input_dropout)
        total = torch.zeros(())
        for layer in range(self.c.layers):
            read = x if layer == 0 else self.dropped(x, self.c.hidden_dropout)
            y = self.recurrence(read, layer)
            if self.c.layer_norm:
                norm = f"body.connections.{layer}.norm"
                y = functional.layer_norm(y, (H,), self.w[f"{norm}.weight"], self.w[f"{norm}.bias"])
            x = x + y if self.c.residual else y
            total = total + x
        return total if self.c.sum_layers else x

    def recurrence(self, x: Tensor, layer: int) -> Tensor:
        get = {name: self.w.get(f"body.{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih")}
        W, U, b = get["weight_ih"], get["weight_hh"], get["bias_ih"]
        assert W is not None
        assert U is not None
        assert b is not None
        U = U * self.mask(self.c.weight_drop, *U.shape)
        b_hh = self.w.get(f"body.bias_hh_l{layer}", torch.zeros_like(b))
        h = c = torch.zeros(len(x), H, dtype=torch.float64)
        if self.c.learned_initial_state:
            h = self.w[f"body.start_h_l{layer}"].expand(len(x), H)
            c = self.w.get(f"body.start_c_l{layer}", h[0]).expand(len(x), H)
        outputs = []
        for t in range(x.shape[1]):
            h, c = self.step(x[:, t] @ W.T + b, U, b_hh, h, c)
            outputs.append(h)
        return torch.stack(outputs, 1)

    def step(self, a: Tensor, U: Tensor, b: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        s, tanh = torch.sigmoid, torch.tanh
        match self.c.cell:
            case "elman" | "elman-concat":
                return tanh(a + h @ U.T + b), c
            case "elman-relu":
                return (a + h @ U.T + b).clamp(min=0), c
            case "gru-reset-before":
                r, z = s(a[:, :H] + h @ U[:H].T), s(a[:, H : 2 * H] + h @ U[H : 2 * H].T)
                n = tanh(a[:, 2 * H :] + (r * h) @ U[2 * H :].T)
                return (1 - z) * h + z * n, c
            case "gru":
                u = h @ U.T + b
                r, z = s(a[:, :H] + u[:, :H]), s(a[:, H : 2 * H] + u[:, H : 2 * H])
                n = tanh(a[:, 2 * H :] + r * u[:, 2 * H :])
                return (1 - z) * n + z * h, c
            case _:
                i, f, g, o = (a + h @ U.T + b).split(H, dim=1)
                c = s(f) * c + s(i) * tanh(g)
                return s(o) * tanh(c), c


@options
@cells
def test_objective_and_gradients_equal_plain_torch(cell: str, options: Table) -> None:
    config = configured(cell, options)
    model = build(config).double()
    found = objective(model, seed=9)
    found.backward()
    weights = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}
    expected = Plain(weights, config, seed=9).objective()
    expected.backward()
    torch.testing.assert_close(found, expected)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(
            parameter.grad, weights[name].grad, msg=lambda text, name=name: f"{name} {text}"
        )


@options
@cells
@pytest.mark.parametrize("implementation", ["torch", "equations"])
def test_every_implementation_gives_what_the_kernels_give(
    cell: str, options: Table, implementation: str
) -> None:
    found = {}
    for each in ("kernels", implementation):
        model = build(configured(cell, options, implementation=each))
        loss = objective(model, seed=9)
        loss.backward()
        found[each] = [loss.detach(), *(p.grad for p in model.parameters())]
    for one, other in zip(found["kernels"], found[implementation], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


TRAINING_ONLY = ("dropouts", "locked", "embedding", "weights", "activation", "temporal")


@pytest.mark.parametrize("name", TRAINING_ONLY)
@pytest.mark.parametrize("cell", [*CELLS, f"{OWN}:minimal_gated_unit"])
def test_in_evaluation_it_is_the_plain_model(cell: str, name: str) -> None:
    regularised, plain = build(configured(cell, OPTIONS[name])).eval(), build(configured(cell, SIZES)).eval()
    plain.load_state_dict(regularised.state_dict())
    assert torch.equal(regularised(batch())[0], plain(batch())[0])


@options
def test_steps_equal_the_whole_sequence(options: Table) -> None:
    model = build(configured("lstm", options)).double().eval()
    inputs = Padded(batch().inputs.tokens, torch.full((len(LENGTHS),), T))
    whole, _ = model(unlabelled(inputs))
    state = model.start(len(LENGTHS))
    for t in range(T):
        logits, state = model.step(inputs.tokens[:, t], state)
        torch.testing.assert_close(logits, whole[:, t])


def test_a_learned_start_is_one_state_for_all_sequences_and_zero_at_first() -> None:
    model = configured("lstm", SIZES, learned_initial_state=True).build(
        InputSpec(vocabulary=V, outputs=V), random()
    )
    start = model.start(5).tensors
    assert {name: tuple(tensor.shape) for name, tensor in start.items()} == dict.fromkeys("hc", (5, 2, H))
    assert not any(tensor.any() for tensor in start.values())
    nn.init.normal_(model.get_parameter("body.start_c_l1"), generator=random())
    assert torch.equal(model.start(2).tensors["c"][1, 1], model.get_parameter("body.start_c_l1"))
    carried = {name: tensor + 1 for name, tensor in start.items()}
    assert not model.start(5).tensors["h"].any(), "what is carried is another tensor"
    assert carried["h"].any()


def test_a_locked_mask_is_that_of_all_steps_of_a_sequence() -> None:
    dropout = Dropout(0.4, locked=True)
    bind_generator(dropout, random(2))
    kept = dropout(torch.ones(300, 9, 50)) != 0
    assert torch.equal(kept, kept[:, :1].expand_as(kept))
    assert kept.double().mean().item() == pytest.approx(0.6, abs=0.01)
    assert not torch.equal(kept[0, 0], kept[1, 0]), "each sequence has its own mask"
    assert repr(dropout) == "Dropout(p=0.4, locked)"


def test_dropped_words_are_dropped_wherever_they_occur() -> None:
    dropout, tokens = VocabularyDropout(0.3, V), torch.randint(0, V, (50, 40), generator=random())
    bind_generator(dropout, random(2))
    y = dropout(torch.ones(50, 40, 3), tokens)
    for token in range(V):
        assert y[tokens == token].unique().tolist() in ([0.0], [pytest.approx(1 / 0.7)])
    assert {0.0} < set(y.unique().tolist())
    x = torch.ones(2, 2, 3)
    assert dropout.eval()(x, tokens[:2, :2]) is x


@pytest.mark.parametrize("key", ["weight_drop", "embedding_dropout"])
def test_what_is_multiplied_keeps_its_expectation(key: str) -> None:
    """The mean over many masks of recurrent weights, and of vectors, is what is used in evaluation."""
    model = build(configured("elman", {**SIZES, "layers": 1}, **{key: 0.5}))
    bind_generator(model, random(1))
    name, module = {
        "weight_drop": ("body.weight_hh_l0", model.get_submodule("body.weight_drop")),
        "embedding_dropout": ("embedding.weight", model.get_submodule("embedding_dropout")),
    }[key]
    weight = model.get_parameter(name).detach()
    tokens = () if key == "weight_drop" else (torch.arange(V).unsqueeze(0),)
    x = weight if key == "weight_drop" else weight.unsqueeze(0)
    mean = torch.stack([module(x, *tokens) for _ in range(4000)]).mean(0)
    assert (mean - x).abs().max() < 5 * weight.abs().max() / 4000**0.5
    assert torch.equal(module.eval()(x, *tokens), x)


def test_weight_drop_leaves_the_weights_of_inputs_alone() -> None:
    """With a state of zeros, the first step has no product that could be dropped."""
    config = configured("gru", {**SIZES, "layers": 1}, weight_drop=0.9)
    model, plain = build(config), build(config).eval()
    bind_generator(model, random(1))
    found, expected = model(batch())[0], plain(batch())[0]
    assert torch.allclose(found[:, 0], expected[:, 0], atol=1e-6)
    assert not torch.allclose(found[0, 1:], expected[0, 1:], atol=1e-3)


ADDED = set().union(*OPTIONS.values()) - {*SIZES, "dropout", "tied", "sum_layers"}


def test_options_with_their_defaults_are_no_part_of_a_fingerprint() -> None:
    assert len(ADDED) == 12
    assert not ADDED & set(json.loads(canonical(RecurrentLanguageModelConfig())))
    assert ADDED - {"hidden_dropout", "output_dropout", "tied_projection"} <= set(
        json.loads(canonical(configured("lstm", OPTIONS["everything"])))
    )


REFUSED: list[tuple[Table, str]] = [
    (
        {"tied": True, "embedding_size": 5},
        r"^'model\.tied' needs 'model\.embedding_size' to be equal to 'model\.hidden_size'\. Got 5 and 6\. "
        r"Nearest: .*embedding_size=6, or .*tied_projection=true\.",
    ),
    (
        {"residual": True, "embedding_size": 5},
        r"^'model\.residual' needs 'model\.embedding_size' to be equal to 'model\.hidden_size'\. Got 5 and 6",
    ),
    (
        {"residual": True, "tied": True, "tied_projection": True},
        r"^'model\.residual' needs 'model\.embedding_size'",
    ),
    ({"tied_projection": True}, r"^'model\.tied_projection' must be false unless 'model\.tied' is true"),
    (
        {"hidden_dropout": 0.3, "layers": 1},
        r"^'model\.hidden_dropout' must be none or 0 with one layer, .* Got 0\.3",
    ),
    ({"weight_drop": 1.0}, r"^'model\.weight_drop' must be less than 1\. Got 1\.0"),
    ({"input_dropout": -0.1}, r"^'model\.input_dropout' must be greater than or equal to 0"),
    ({"temporal_penalty": -1.0}, r"^'model\.temporal_penalty' must be greater than or equal to 0"),
]


@pytest.mark.parametrize(("table", "message"), REFUSED)
def test_what_does_not_fit_is_refused(table: Table, message: str) -> None:
    with pytest.raises(UserError, match=message):
        configured("lstm", {**SIZES, **table})


def test_weight_drop_is_refused_without_recurrent_weights(tmp_path: Path) -> None:
    path = tmp_path / "cells.py"
    path.write_text(
        "import torch\n"
        "def leaky(x, h, u):\n    return 0.9 * h + 0.1 * torch.tanh(x.n)\n"
        "def full(x, h, u):\n    return 0.9 * h + 0.1 * torch.tanh(x.n + u.n(h))\n",
        encoding="utf-8",
    )
    with pytest.raises(
        UserError,
        match=r"'weight_drop' must be 0 for the cell '.*leaky', which has no recurrent weights\. Got 0\.5",
    ):
        build(configured(f"{path}:leaky", SIZES, weight_drop=0.5))
    build(configured(f"{path}:leaky", SIZES))
    build(configured(f"{path}:full", SIZES, weight_drop=0.5))


def test_a_transformer_has_no_recurrent_weights_to_drop() -> None:
    with pytest.raises(UserError, match=r"^There is no setting 'model\.weight_drop'"):
        parse(TransformerLanguageModelConfig, {"weight_drop": 0.5}, "model")


def test_layer_groups_have_every_parameter_once() -> None:
    model = build(configured("lstm", OPTIONS["everything"]))
    grouped = [id(p) for group in model.layer_groups() for p in group.parameters]
    assert set(grouped) == {id(p) for p in model.parameters()}
    projected = build(configured("lstm", OPTIONS["projected"]))
    assert id(projected.get_parameter("projection.weight")) in {
        id(p) for p in projected.layer_groups()[0].parameters
    }


def test_widths_of_tied_and_residual_models_change_together() -> None:
    for key in ("tied", "residual"):
        (width,) = configured("lstm", EQUAL, **{key: True}).widths
        assert width.keys == ("hidden_size", "embedding_size")
    assert len(configured("lstm", OPTIONS["projected"]).widths) == 2
