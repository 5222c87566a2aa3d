"""Settings of the models: each acts, wrong ones are refused in words."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, get_args

import pytest
import torch
from pydantic import ValidationError

from seqlab.data.batch import unlabelled
from seqlab.data.sequences import Padded
from seqlab.models.input_spec import InputSpec
from seqlab.models.layer_configs import (
    ConvolutionConfig,
    DropoutConfig,
    MaxPoolConfig,
    RecurrentConfig,
    TokenLinearConfig,
)
from seqlab.models.linear_classifier import LinearClassifierConfig
from seqlab.models.model_config import ModelConfig
from seqlab.models.model_kinds import MODELS
from seqlab.models.recurrent_classifier import RecurrentClassifierConfig
from seqlab.models.recurrent_language_model import RecurrentLanguageModelConfig
from seqlab.models.sequential_classifier import SequentialClassifierConfig
from seqlab.models.transformer_language_model import TransformerLanguageModelConfig
from seqlab.nn.dropout import bind_generator
from seqlab.nn.implementation import Implementation
from seqlab.schema.config import parse, plain
from seqlab.schema.errors import UserError

SMALL: dict[type[ModelConfig], dict[str, Any]] = {
    RecurrentClassifierConfig: {"embedding_size": 4, "hidden_size": 6, "linear_size": 5},
    LinearClassifierConfig: {"embedding_size": 4, "linear_size": 5},
    SequentialClassifierConfig: {
        "embedding_size": 4,
        "layers": (ConvolutionConfig(filters=5), MaxPoolConfig(), RecurrentConfig(hidden_size=3)),
        "attention_size": 3,
        "pooling": "attention",
        "dense_sizes": (4,),
    },
    RecurrentLanguageModelConfig: {"embedding_size": 6, "hidden_size": 6, "layers": 2},
    TransformerLanguageModelConfig: {
        "hidden_size": 6,
        "layers": 1,
        "heads": 2,
        "feed_forward_size": 5,
        "dropout": 0.0,
    },
}
CHANGES = [
    *(
        (RecurrentClassifierConfig, "cell", cell)
        for cell in ("elman", "elman-concat", "elman-relu", "gru-reset-before", "gru")
    ),
    (RecurrentClassifierConfig, "embedding_size", 3),
    (RecurrentClassifierConfig, "embedding", "one-hot"),
    (RecurrentClassifierConfig, "embedding", "numbers"),
    (RecurrentClassifierConfig, "embedding_std", 0.5),
    (RecurrentClassifierConfig, "hidden_size", 7),
    (RecurrentClassifierConfig, "layers", 2),
    (RecurrentClassifierConfig, "forget_bias", 1.0),
    (RecurrentClassifierConfig, "bidirectional", True),
    (RecurrentClassifierConfig, "linear_size", 3),
    (RecurrentClassifierConfig, "linear_size", 0),
    (RecurrentClassifierConfig, "pooling", "mean"),
    (RecurrentClassifierConfig, "pooling", "last"),
    (RecurrentClassifierConfig, "dropout", 0.5),
    (LinearClassifierConfig, "embedding_size", 3),
    (LinearClassifierConfig, "embedding_std", 0.5),
    (LinearClassifierConfig, "linear_size", 3),
    (LinearClassifierConfig, "pooling", "mean"),
    (LinearClassifierConfig, "dropout", 0.5),
    (SequentialClassifierConfig, "embedding", "one-hot"),
    (SequentialClassifierConfig, "embedding", "numbers"),
    (SequentialClassifierConfig, "embedding", "ids"),
    (SequentialClassifierConfig, "embedding_size", 3),
    (SequentialClassifierConfig, "embedding_std", 0.5),
    (SequentialClassifierConfig, "layers", ()),
    (SequentialClassifierConfig, "layers", (TokenLinearConfig(size=3),)),
    (SequentialClassifierConfig, "layers", (DropoutConfig(),)),
    (SequentialClassifierConfig, "pooling", "max"),
    (SequentialClassifierConfig, "pooling", "mean"),
    (SequentialClassifierConfig, "pooling", "last"),
    (SequentialClassifierConfig, "window", 3),
    (SequentialClassifierConfig, "attention_size", 2),
    (SequentialClassifierConfig, "dense_sizes", ()),
    (SequentialClassifierConfig, "dropout", 0.5),
    *(
        (RecurrentLanguageModelConfig, "cell", cell)
        for cell in ("elman", "elman-concat", "elman-relu", "gru-reset-before", "gru")
    ),
    (RecurrentLanguageModelConfig, "embedding_size", 3),
    (RecurrentLanguageModelConfig, "hidden_size", 7),
    (RecurrentLanguageModelConfig, "layers", 3),
    (RecurrentLanguageModelConfig, "forget_bias", 1.0),
    (RecurrentLanguageModelConfig, "sum_layers", True),
    (RecurrentLanguageModelConfig, "dropout", 0.5),
    (RecurrentLanguageModelConfig, "tied", True),
    (RecurrentLanguageModelConfig, "init_range", 0.2),
    (TransformerLanguageModelConfig, "hidden_size", 8),
    (TransformerLanguageModelConfig, "layers", 2),
    (TransformerLanguageModelConfig, "heads", 3),
    (TransformerLanguageModelConfig, "feed_forward_size", 7),
    (TransformerLanguageModelConfig, "dropout", 0.5),
    (TransformerLanguageModelConfig, "attention_dropout", 0.5),
    (TransformerLanguageModelConfig, "tied", True),
    (TransformerLanguageModelConfig, "init_range", 0.2),
]


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def logits(config: ModelConfig) -> torch.Tensor:
    spec = InputSpec(vocabulary=7, outputs=7, numbers=[(float(k),) for k in range(7)])
    model = config.build(spec, random())
    bind_generator(model, random(1))
    tokens = torch.tensor([[1, 2, 3, 4], [4, 6, 5, 0]])
    return model(unlabelled(Padded(tokens, torch.tensor([4, 3]))))[0]


@pytest.mark.parametrize(("cls", "key", "value"), CHANGES)
def test_every_setting_acts(cls, key, value):
    config = cls(**SMALL[cls])
    assert getattr(config, key) != value
    assert not torch.equal(logits(config), logits(cls(**{**SMALL[cls], key: value})))


def test_every_setting_of_every_model_is_in_the_list():
    # An implementation changes no result but for rounding; of `init_from` there is a test with runs.
    others = ("kind", "implementation", "init_from")
    acting = {(cls, key) for cls in SMALL for key in cls.model_fields if key not in others}
    # It needs two labels: see the test of a single logit.
    acting.remove((SequentialClassifierConfig, "one_logit"))
    assert acting == {(cls, key) for cls, key, _ in CHANGES}


@pytest.mark.parametrize("implementation", get_args(Implementation))
@pytest.mark.parametrize("cls", [RecurrentClassifierConfig, RecurrentLanguageModelConfig])
def test_an_implementation_is_that_of_the_layers(cls, implementation):
    model = cls(**SMALL[cls], implementation=implementation).build(
        InputSpec(vocabulary=7, outputs=2), random()
    )
    assert model.body.implementation == implementation


@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != "import"])  # see test_imported_model.py
def test_round_trip_through_a_plain_table(kind):
    cls = MODELS[kind]
    assert cls in SMALL
    for config in (cls(), cls(**SMALL[cls])):
        assert config.kind == kind
        assert parse(cls, plain(config)) == config


@pytest.mark.parametrize("cls", SMALL)
def test_equal_seed_equal_weights(cls):
    one, two, other = (
        cls(**SMALL[cls]).build(InputSpec(vocabulary=7, outputs=2), random(seed)).state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_tied_needs_equal_sizes():
    table = {"tied": True, "embedding_size": 200, "hidden_size": 650}
    with pytest.raises(
        UserError, match=r"model: 'tied' needs 'embedding_size' to be equal to 'hidden_size'. Got 200 "
    ):
        parse(RecurrentLanguageModelConfig, table, "model")
    with pytest.raises(ValidationError, match="'tied' needs 'embedding_size'"):
        RecurrentLanguageModelConfig(tied=True, embedding_size=200, hidden_size=650)


def test_heads_must_divide_the_hidden_size():
    with pytest.raises(
        UserError, match=r"'heads' must divide 'hidden_size'. Got heads 7, hidden_size 12. Nearest: h.* 6"
    ):
        parse(TransformerLanguageModelConfig, {"hidden_size": 12, "heads": 7}, "model")


def test_unknown_cell_names_the_nearest():
    with pytest.raises(
        UserError, match=r"'model.cell' must be one of elman, .* Got 'gru-befor'. Nearest: 'gru-reset-before'"
    ):
        parse(RecurrentLanguageModelConfig, {"cell": "gru-befor"}, "model")


def test_tied_refuses_other_outputs_than_tokens():
    config = RecurrentLanguageModelConfig(tied=True, embedding_size=6, hidden_size=6)
    with pytest.raises(UserError, match=r"Got 2 outputs, 7 input tokens"):
        config.build(InputSpec(vocabulary=7, outputs=2), random())


def test_configs_do_not_import_torch():
    program = (
        "import sys; from seqlab.models.model_kinds import MODELS; "
        "print(len([MODELS[kind] for kind in MODELS]), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(list(MODELS))), "False"]


def test_numbers_need_tokens_that_are_numbers():
    config = RecurrentClassifierConfig(embedding="numbers")
    with pytest.raises(UserError, match=r"'model.embedding' must be 'learned' or 'one-hot'.*kind='numbers'"):
        config.build(InputSpec(vocabulary=7, outputs=1), random())


def test_one_hot_vectors_are_refused_where_they_would_fill_the_memory():
    config = RecurrentClassifierConfig(embedding="one-hot")
    with pytest.raises(UserError, match=r"must be 'learned' for more than 5,000 tokens.*for 5,001"):
        config.build(InputSpec(vocabulary=5_001, outputs=2), random())
