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
    TokenDropoutConfig,
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
    (RecurrentClassifierConfig, "token_dropout", 0.5),
    (LinearClassifierConfig, "embedding_size", 3),
    (LinearClassifierConfig, "embedding_std", 0.5),
    (LinearClassifierConfig, "linear_size", 3),
    (LinearClassifierConfig, "pooling", "mean"),
    (LinearClassifierConfig, "dropout", 0.5),
    (LinearClassifierConfig, "token_dropout", 0.5),
    (SequentialClassifierConfig, "embedding", "one-hot"),
    (SequentialClassifierConfig, "embedding", "numbers"),
    (SequentialClassifierConfig, "embedding", "ids"),
    (SequentialClassifierConfig, "embedding_size", 3),
    (SequentialClassifierConfig, "embedding_std", 0.5),
    (SequentialClassifierConfig, "layers", ()),
    (SequentialClassifierConfig, "layers", (TokenLinearConfig(size=3),)),
    (SequentialClassifierConfig, "layers", (DropoutConfig(),)),
    (SequentialClassifierConfig, "layers", (TokenDropoutConfig(),)),
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
    (RecurrentLanguageModelConfig, "input_dropout", 0.5),
    (RecurrentLanguageModelConfig, "hidden_dropout", 0.5),
    (RecurrentLanguageModelConfig, "output_dropout", 0.5),
    (RecurrentLanguageModelConfig, "locked_dropout", True),
    (RecurrentLanguageModelConfig, "embedding_dropout", 0.5),
    (RecurrentLanguageModelConfig, "weight_drop", 0.5),
    (RecurrentLanguageModelConfig, "layer_norm", True),
    (RecurrentLanguageModelConfig, "residual", True),
    (RecurrentLanguageModelConfig, "tied_projection", True),
    (RecurrentLanguageModelConfig, "tied", True),
    (RecurrentLanguageModelConfig, "cutoffs", (3,)),
    (RecurrentLanguageModelConfig, "cutoffs", (4,)),
    (RecurrentLanguageModelConfig, "projection_divisor", 2),
    (RecurrentLanguageModelConfig, "init_range", 0.2),
    (TransformerLanguageModelConfig, "hidden_size", 8),
    (TransformerLanguageModelConfig, "layers", 2),
    (TransformerLanguageModelConfig, "heads", 3),
    (TransformerLanguageModelConfig, "feed_forward_size", 7),
    (TransformerLanguageModelConfig, "dropout", 0.5),
    (TransformerLanguageModelConfig, "attention_dropout", 0.5),
    (TransformerLanguageModelConfig, "tied", True),
    (TransformerLanguageModelConfig, "cutoffs", (3,)),
    (TransformerLanguageModelConfig, "cutoffs", (4,)),
    (TransformerLanguageModelConfig, "projection_divisor", 2),
    (TransformerLanguageModelConfig, "init_range", 0.2),
]
NEEDS: dict[str, dict[str, Any]] = {
    "projection_divisor": {"cutoffs": (3,)},
    "locked_dropout": {"dropout": 0.5},
    "tied_projection": {"tied": True},
}
"""By setting, others without which it is refused."""


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
    small = {**SMALL[cls], **NEEDS.get(key, {})}
    config = cls(**small)
    assert getattr(config, key) != value
    assert not torch.equal(logits(config), logits(cls(**{**small, key: value})))


def test_every_setting_of_every_model_is_in_the_list():
    # An implementation changes no result but for rounding; of `init_from` there is a test with runs. A
    # learned start is zero at first, penalties act on gradients: test_regularised_language_model.py.
    others = ("kind", "implementation", "init_from")
    others += ("learned_initial_state", "activation_penalty", "temporal_penalty")
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
        UserError,
        match=r"^'model\.tied' needs 'model\.embedding_size' to be equal to 'model\.hidden_size'. Got 200 ",
    ):
        parse(RecurrentLanguageModelConfig, table, "model")
    with pytest.raises(ValidationError, match="'tied' needs 'embedding_size'"):
        RecurrentLanguageModelConfig(tied=True, embedding_size=200, hidden_size=650)


def test_heads_must_divide_the_hidden_size():
    with pytest.raises(
        UserError,
        match=r"^'model\.heads' must divide 'model\.hidden_size'. Got heads 7, .* Nearest: model\.heads=6",
    ):
        parse(TransformerLanguageModelConfig, {"hidden_size": 12, "heads": 7}, "model")


ADAPTIVE = pytest.mark.parametrize(
    ("cls", "table"),
    [
        (RecurrentLanguageModelConfig, {"embedding_size": 16, "hidden_size": 16}),
        (TransformerLanguageModelConfig, {"hidden_size": 16, "heads": 2}),
    ],
)


@ADAPTIVE
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cutoffs": [9, 4]}, r"^'model\.cutoffs' must ascend\. Got \[9, 4\]\. Nearest: \[4, 9\]\."),
        ({"cutoffs": [4, 4]}, r"'model\.cutoffs' must ascend\. Got \[4, 4\]\. Nearest: \[4\]\."),
        ({"cutoffs": [0, 4]}, r"'model\.cutoffs' must be greater than or equal to 1\. Got 0"),
        (
            {"cutoffs": [4], "tied": True},
            r"'model\.tied' must be false where there are 'model\.cutoffs', .*Got true\.",
        ),
        ({"cutoffs": [4, 9, 12]}, r"cluster a feature: .* 16, 3 times\. Got 4\. Nearest: 2\."),
        ({"cutoffs": [4], "projection_divisor": 17}, r"16, 1 times\. Got 17\. Nearest: 16\."),
        (
            {"projection_divisor": 2},
            r"'model\.projection_divisor' must be 4 without 'model\.cutoffs', .*Got 2\.",
        ),
    ],
)
def test_an_adaptive_output_that_does_not_fit_is_refused(cls, table, settings, message):
    with pytest.raises(UserError, match=message):
        parse(cls, {**table, **settings}, "model")


@ADAPTIVE
def test_cutoffs_must_fit_the_vocabulary(cls, table):
    config = parse(cls, {**table, "cutoffs": [4, 6]})
    assert config.least_tokens == 7
    for tokens in (7, 100):
        config.build(InputSpec(vocabulary=tokens, outputs=tokens), random())
    with pytest.raises(
        UserError,
        match=r"'model.cutoffs' must be less than 6, the number of tokens. Got \[4, 6\]. Nearest: \[4\]",
    ):
        config.build(InputSpec(vocabulary=6, outputs=6), random())
    with pytest.raises(UserError, match=r"unless the tokenizer orders its ids by frequency.*unicode-words"):
        config.build(InputSpec(vocabulary=9, outputs=9, frequent_first=False), random())


@ADAPTIVE
def test_sizes_of_an_adaptive_model_can_be_varied(cls, table):
    config = parse(cls, {**table, "cutoffs": [4, 6]})
    for width in config.widths:
        assert config.at(width, width.step).build(InputSpec(vocabulary=9, outputs=9), random())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"pooling": "flatten"},
            r"^'model\.window' must be given where 'model\.pooling' is 'flatten': .* Nearest: model"
            r"\.window=500 with data\.max_length=500 ",
        ),
        (
            {
                "pooling": "last",
                "layers": [{"kind": "recurrent", "bidirectional": True}, {"kind": "dropout"}],
            },
            r"^'model\.layers\.0' must not be bidirectional where 'model\.pooling' is 'last', .* "
            r"Nearest: model\.pooling=max\.$",
        ),
    ],
)
def test_layers_that_do_not_fit_the_pooling_are_refused(table, message):
    with pytest.raises(UserError, match=message):
        parse(SequentialClassifierConfig, table, "model")


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
