"""Shares of saturated gates, against gates computed step by step from the equations of each cell."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from seqlab.data.batch import Batch
from seqlab.data.batches import Batches
from seqlab.data.sequences import Padded
from seqlab.measure.diagnosis import DiagnosedSplit
from seqlab.measure.saturation import diagnose
from seqlab.models.classifier import SequenceClassifier
from seqlab.models.input_spec import InputSpec
from seqlab.models.language_model import LanguageModel
from seqlab.models.recurrent_classifier import RecurrentClassifierConfig
from seqlab.models.recurrent_language_model import RecurrentLanguageModelConfig
from seqlab.nn.recurrent import RecurrentStack
from seqlab.schema.errors import UserError
from seqlab.schema.records import Matrix
from seqlab.tasks.classify import ClassifyTask
from seqlab.tasks.language_modelling import LanguageModelTask

V, H = 7, 5
LENGTHS = torch.tensor([9, 3, 1, 6])
LM = LanguageModelTask(1, 2)


class NoWindows(Batches):
    def __len__(self) -> int:
        return 0

    def batch(self, index: int) -> Batch:
        raise IndexError(index)


def data(lengths: Tensor = LENGTHS, *, labelled: bool = False) -> DiagnosedSplit:
    tokens = torch.randint(V, (len(lengths), int(lengths.max())), generator=torch.Generator().manual_seed(3))
    inputs = Padded(tokens, lengths)
    targets = torch.zeros(len(lengths), dtype=torch.int64) if labelled else inputs
    return DiagnosedSplit("valid", Batch(inputs, targets), NoWindows())


def language_model(cell: str, **settings: object) -> LanguageModel:
    config = RecurrentLanguageModelConfig.model_validate(
        {"cell": cell, "embedding_size": 4, "hidden_size": H, "layers": 2, "dropout": 0.5, **settings}
    )
    model = config.build(InputSpec(vocabulary=V, outputs=V), torch.Generator().manual_seed(5)).double()
    assert isinstance(model, LanguageModel)
    # Weights so large that gates do saturate.
    for parameter in model.body.parameters():
        parameter.data.mul_(6)
    return model.train()


def row_gates(stack: RecurrentStack, layer: int, suffix: str, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Outputs and saturating activations of one row (T, E), by the equations in the docstrings of cells."""
    w, u, b = (getattr(stack, f"{n}_l{layer}{suffix}") for n in ("weight_ih", "weight_hh", "bias_ih"))
    second = getattr(stack, f"bias_hh_l{layer}{suffix}", torch.zeros_like(b))
    index = layer * len(stack.suffixes) + stack.suffixes.index(suffix)
    start = {name: tensor[0, index] for name, tensor in stack.start(1).items()}
    h, c, s = start["h"], start.get("c", x.new_zeros(H)), torch.sigmoid
    blocks = {name: slice(i * H, (i + 1) * H) for i, name in enumerate("abcd")}
    outputs: list[Tensor] = []
    found: dict[str, list[Tensor]] = {}
    for t in reversed(range(len(x))) if suffix else range(len(x)):
        in_, re = w @ x[t] + b, u @ h + second
        part = {k: (in_[v], re[v], in_[v] + re[v]) for k, v in blocks.items()}
        match stack.cell_name:
            case "lstm":
                i, f, o = (s(part[k][2]) for k in "abd")
                c = f * c + i * torch.tanh(part["c"][2])
                h, gates = o * torch.tanh(c), {"input gate": i, "forget gate": f, "output gate": o}
            case "gru":
                r, z = s(part["a"][2]), s(part["b"][2])
                h = (1 - z) * torch.tanh(part["c"][0] + r * part["c"][1]) + z * h
                gates = {"reset gate": r, "update gate": z}
            case "gru-reset-before":
                r, z = s(part["a"][2]), s(part["b"][2])
                h = (1 - z) * h + z * torch.tanh(part["c"][0] + u[2 * H :] @ (r * h))
                gates = {"reset gate": r, "update gate": z}
            case _:
                h = torch.tanh(in_ + re)
                gates = {"state": h}
        outputs.append(h)
        for name, values in gates.items():
            found.setdefault(name, []).append(values)
    if suffix:
        outputs.reverse()
    return torch.stack(outputs), {name: torch.stack(values) for name, values in found.items()}


@torch.no_grad()
def expected(stack: RecurrentStack, rows: list[Tensor]) -> dict[str, tuple[float, float]]:
    """Shares of all rows together, each row for itself."""
    values: dict[str, list[Tensor]] = {}
    for layer in range(stack.layers):
        outputs: list[Tensor] = []
        for x in rows:
            by_direction = [row_gates(stack, layer, suffix, x) for suffix in stack.suffixes]
            for suffix, (_, gates) in zip(stack.suffixes, by_direction, strict=True):
                for name, found in gates.items():
                    key = f"layer {layer + 1}, {name}{', reverse' * bool(suffix)}"
                    values.setdefault(key, []).append(found.flatten())
            outputs.append(torch.cat([y for y, _ in by_direction], dim=1))
        rows = outputs
    low, high = (-0.9, 0.9) if stack.cell_name.startswith("elman") else (0.1, 0.9)
    every = {name: torch.cat(parts) for name, parts in values.items()}
    return {
        n: ((v < low).double().mean().item(), (v > high).double().mean().item()) for n, v in every.items()
    }


def found(records: list[object]) -> dict[str, tuple[float, ...]]:
    (matrix,) = records
    assert isinstance(matrix, Matrix)
    assert (matrix.name, matrix.split, matrix.columns) == ("saturation", "valid", ("low end", "high end"))
    return dict(zip(matrix.rows, matrix.values, strict=True))


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("cell", ["elman", "elman-concat", "gru", "gru-reset-before", "lstm"])
def test_equal_to_gates_step_by_step(cell: str, learned: bool) -> None:
    model, rows = language_model(cell, learned_initial_state=learned), data()
    random = torch.Generator().manual_seed(7)
    for name, parameter in model.named_parameters():
        if "start" in name or "initial" in name:
            parameter.data.normal_(generator=random)
    stack = model.body
    assert isinstance(stack, RecurrentStack)
    with torch.no_grad():
        embedded = model.embedding(rows.rows.inputs.tokens)
    texts = [row[:length] for row, length in zip(embedded, LENGTHS.tolist(), strict=True)]
    wanted = expected(stack, texts)
    shares = found(list(diagnose(model, LM, rows).records))
    assert shares == {name: pytest.approx(both, abs=1e-12) for name, both in wanted.items()}
    assert any(0 < share < 1 for both in shares.values() for share in both)
    assert model.training


def test_both_directions_of_a_classifier() -> None:
    config = RecurrentClassifierConfig(
        cell="gru", embedding_size=4, hidden_size=H, linear_size=3, bidirectional=True
    )
    model = config.build(InputSpec(vocabulary=V, outputs=3), torch.Generator().manual_seed(5)).double()
    assert isinstance(model, SequenceClassifier)
    stack, rows = model.body, data(labelled=True)
    assert isinstance(stack, RecurrentStack)
    for parameter in stack.parameters():
        parameter.data.mul_(6)
    with torch.no_grad():
        embedded = model.embedding(rows.rows.inputs.tokens)
    texts = [row[:length] for row, length in zip(embedded, LENGTHS.tolist(), strict=True)]
    shares = found(list(diagnose(model, ClassifyTask(0.0), rows).records))
    assert shares == {name: pytest.approx(both, abs=1e-12) for name, both in expected(stack, texts).items()}
    assert "layer 1, update gate, reverse" in shares


def test_sentences_name_the_ends() -> None:
    (first, *_) = diagnose(language_model("gru"), LM, data()).sentences
    assert first.startswith("Layer 1, reset gate: ")
    assert " % below 0.1, " in first
    (state, _) = diagnose(language_model("elman"), LM, data()).sentences
    assert " % below -0.9, " in state


@pytest.mark.parametrize("cell", ["elman-relu"])
def test_refused_where_nothing_saturates(cell: str) -> None:
    with pytest.raises(
        UserError, match="needs a model with recurrent layers of seqlab's whose cell has gates"
    ):
        diagnose(language_model(cell), LM, data())


def test_refused_without_tokens() -> None:
    with pytest.raises(UserError, match="at least one token"):
        diagnose(
            language_model("lstm"),
            LM,
            DiagnosedSplit(
                "valid",
                Batch(
                    Padded(torch.zeros(2, 1, dtype=torch.int64), torch.zeros(2, dtype=torch.int64)),
                    Padded(torch.zeros(2, 1, dtype=torch.int64), torch.zeros(2, dtype=torch.int64)),
                ),
                NoWindows(),
            ),
        )
