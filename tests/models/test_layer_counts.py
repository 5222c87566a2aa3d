"""The formula of every layer gives its count, by a parser that knows nothing of models."""

from __future__ import annotations

import re

import pytest
import torch
from contracts.test_models import VARIANTS, build
from torch import nn

from seqlab.experiment import recipes
from seqlab.models.input_spec import InputSpec
from seqlab.models.layer_counts import LayerCount, layer_counts
from seqlab.models.model_config import ModelConfig
from seqlab.models.model_kinds import MODELS
from seqlab.models.recurrent_language_model import RecurrentLanguageModelConfig
from seqlab.schema.config import parse


def value(formula: str) -> int:
    """The value of sums, products (`x`), brackets and numbers with thousands separators."""
    tokens = re.findall(r"[\d,]+|[x+()]", formula)
    assert "".join(tokens) == formula.replace(" ", ""), formula
    result = _sum(tokens)
    assert not tokens, formula
    return result


def _sum(tokens: list[str]) -> int:
    total = _product(tokens)
    while tokens and tokens[0] == "+":
        tokens.pop(0)
        total += _product(tokens)
    return total


def _product(tokens: list[str]) -> int:
    total = _number(tokens)
    while tokens and tokens[0] == "x":
        tokens.pop(0)
        total *= _number(tokens)
    return total


def _number(tokens: list[str]) -> int:
    token = tokens.pop(0)
    if token == "(":
        inner = _sum(tokens)
        assert tokens.pop(0) == ")"
        return inner
    return int(token.replace(",", ""))


def check(model: nn.Module) -> list[LayerCount]:
    """Every formula is right, every tensor is counted once, and nothing is left out."""
    rows = layer_counts(model)
    for row in rows:
        assert row.parameters == (value(row.numbers) if row.numbers else 0), row
        assert len(re.findall(r"[x+]", row.formula)) == len(re.findall(r"[x+]", row.numbers))
    shapes = {name: tuple(tensor.shape) for name, tensor in model.named_parameters()}
    counted = [(name, shape) for row in rows for name, shape in row.tensors.items()]
    assert len(counted) == len(shapes)
    assert dict(counted) == shapes
    assert sum(row.parameters for row in rows) == sum(tensor.numel() for tensor in model.parameters())
    return rows


def test_the_parser():
    assert value("4 x 300 x (300 + 300) + 2 x 4 x 300") == 722_400
    assert value("1,000 x 2 + 3") == 2003


@pytest.mark.parametrize("table", VARIANTS)
def test_every_model_and_cell(table):
    check(build(table))


@pytest.mark.parametrize("name", [name for name in recipes.names() if "model" in recipes.read(name).table])
def test_every_recipe(name):
    # Without the data; 1,000 tokens take the role of its vocabulary.
    table = recipes.read(name).table
    outputs = {"classify": 2, "regress": 1}.get(table["task"]["kind"], 1000)
    config: ModelConfig = parse(MODELS[table["model"]["kind"]], table["model"])
    spec = InputSpec(vocabulary=1000, outputs=outputs, numbers=[(0.0, 1.0)] * 1000)
    check(config.build(spec, torch.Generator()))


def test_the_issue_s_example():
    table = {"kind": "recurrent-classifier", "cell": "lstm", "embedding_size": 300, "hidden_size": 300}
    (row,) = [row for row in check(build(table)) if "body" in row.layer]
    assert row.layer == "body layer 1"
    assert row.formula == "gates x units x (inputs + units) + 2 x gates x units"
    assert row.numbers == "4 x 300 x (300 + 300) + 2 x 4 x 300"
    assert row.parameters == 722_400


def test_two_layers_of_256_over_words_of_100_and_2_classes_have_223_746_without_the_words():
    config = RecurrentLanguageModelConfig(cell="elman", embedding_size=100, hidden_size=256, layers=2)
    model = config.build(InputSpec(vocabulary=10_000, outputs=2), torch.Generator())
    rows = {row.layer: row for row in check(model)}
    assert sum(row.parameters for row in rows.values()) - rows["embedding"].parameters == 223_746
    # With one bias a unit and layer it would be 223,234.
    assert [row.formula.split(" + ")[-1] for row in rows.values()][1:3] == ["2 x gates x units"] * 2
    assert 223_746 - 2 * 256 == 223_234


def test_an_lstm_s_layers_and_directions_are_rows():
    table = {"kind": "recurrent-classifier", "cell": "gru-reset-before", "bidirectional": True, "layers": 2}
    rows = check(build({**table, "embedding_size": 6, "hidden_size": 5}))
    assert [row.layer for row in rows if "body" in row.layer] == [
        "body layer 1",
        "body layer 1 backward",
        "body layer 2",
        "body layer 2 backward",
    ]
    assert rows[3].numbers == "3 x 5 x (10 + 5) + 3 x 5"


def test_tied_weights_are_counted_where_they_first_occur():
    table = {"kind": "recurrent-lm", "embedding_size": 7, "hidden_size": 7, "layers": 1, "tied": True}
    head = check(build(table))[-1]
    assert head.tied == {"head.weight": "embedding.weight"}
    assert (head.formula, head.numbers, head.parameters) == ("outputs", "13", 13)


def test_the_clusters_of_an_adaptive_softmax_are_rows():
    """H features, K = 2 clusters of 300 and 600 tokens: H (100 + K) + 100 + K, then H H/4 + H/4 300, ..."""
    table = {"hidden_size": 32, "embedding_size": 8, "layers": 1, "cutoffs": [100, 400]}
    config = parse(RecurrentLanguageModelConfig, table)
    model = config.build(InputSpec(vocabulary=1000, outputs=1000), torch.Generator())
    rows = {row.layer: row.numbers for row in check(model) if row.layer.startswith("head")}
    assert rows == {
        "head.head": "32 x 102 + 102",
        "head.tail.0.0": "32 x 8",
        "head.tail.0.1": "8 x 300",
        "head.tail.1.0": "32 x 2",
        "head.tail.1.1": "2 x 600",
    }


def test_a_layer_without_a_formula_is_counted_by_its_shapes():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.scale = nn.Parameter(torch.zeros(1200, 3, 2)), nn.Parameter(torch.zeros(()))

    rows = check(nn.Sequential(Own(), nn.ConvTranspose1d(4, 3, 5), nn.Linear(2, 2, bias=False)))
    assert [row.numbers for row in rows] == ["1,200 x 3 x 2 + 1", "4 x 3 x 5 + 3", "2 x 2"]
    assert [row.layer for row in rows] == ["0", "1", "2"]
