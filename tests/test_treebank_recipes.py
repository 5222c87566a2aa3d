"""The experiments on Penn Treebank: their settings, and their numbers of parameters by hand."""

from __future__ import annotations

import pytest
import torch

from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.experiment.schedules import Clock
from seqlab.models.input_spec import InputSpec
from seqlab.nn.dropout import Dropout
from seqlab.schema.config import plain
from seqlab.schema.settings import flat
from seqlab.studies import design
from seqlab.studies.design import Design

WORDS, EMBEDDING, INNER = 10_000, 200, 2_048
TABLE: dict[str, tuple[str, str, float, int, int, int, float]] = {
    "ptb-rnn-adam": ("elman", "adam", 1e-4, 20, 1500, 2, 0.35),
    "ptb-rnn-sgd": ("elman", "sgd", 1e-4, 20, 1500, 2, 0.35),
    "ptb-rnn-schedule": ("elman", "schedule", 1, 20, 512, 2, 0.35),
    "ptb-gru-adam": ("gru-reset-before", "adam", 1e-4, 20, 1500, 2, 0.35),
    "ptb-gru-sgd": ("gru-reset-before", "sgd", 10, 20, 1500, 2, 0.35),
    "ptb-gru-schedule": ("gru-reset-before", "schedule", 10, 20, 1500, 2, 0.35),
    "ptb-transformer-adam": ("transformer", "adam", 1e-3, 128, 512, 2, 0.9),
    "ptb-transformer-sgd": ("transformer", "sgd", 20, 128, 512, 6, 0.9),
    "ptb-transformer-schedule": ("transformer", "schedule", 20, 128, 512, 6, 0.9),
    "ptb-rnn-adam-2x2000": ("elman", "adam", 1e-4, 20, 2000, 2, 0.35),
    "ptb-rnn-adam-2x2000-batch128": ("elman", "adam", 1e-4, 128, 2000, 2, 0.35),
    "ptb-rnn-adam-3x2000": ("elman", "adam", 1e-4, 128, 2000, 3, 0.5),
    "ptb-gru-adam-3x1500": ("gru-reset-before", "adam", 1e-4, 20, 1500, 3, 0.35),
    "ptb-gru-adam-2x2000": ("gru-reset-before", "adam", 1e-4, 20, 2000, 2, 0.35),
    "ptb-gru-schedule-rate15": ("gru-reset-before", "schedule", 15, 20, 1500, 2, 0.35),
    "ptb-transformer-adam-6x512-batch256": ("transformer", "adam", 8e-5, 256, 512, 6, 0.75),
    "ptb-transformer-adam-6x512": ("transformer", "adam", 1e-4, 128, 512, 6, 0.75),
    "ptb-transformer-adam-6x1024": ("transformer", "adam", 1e-4, 128, 1024, 6, 0.75),
}
"""Cell or Transformer, optimizer, learning rate, batch, hidden size, layers, keep = 1 - dropout."""
COMMON = {
    "seed": 1,
    "data.kind": "ptb",
    "data.level": "word",
    "data.train_size": None,
    "model.init_range": 0.1,
    "model.tied": False,
    "batching.kind": "stream",
    "batching.sequence_length": 35,
    "training.epochs": 40,
    "training.max_steps": None,
    "training.clip_norm": 0.25,
    "training.result": "best",
    "training.validations_per_epoch": 1,
    "training.patience": None,
    "training.optimizer.weight_decay": 0.0,
    "training.averaging.kind": "none",
}
OF_KIND = {
    "recurrent-lm": {"model.embedding_size": EMBEDDING, "model.forget_bias": 0.0, "model.sum_layers": False},
    "transformer-lm": {"model.heads": 16, "model.feed_forward_size": INNER},
}
names = pytest.mark.parametrize("name", TABLE)


def configured(name: str) -> ExperimentConfig:
    return recipes.network(name, [])


@names
def test_settings_are_those_of_the_experiment(name: str) -> None:
    architecture, optimizer, rate, batch, hidden, layers, keep = TABLE[name]
    settings = flat(plain(configured(name)))
    kind = "transformer-lm" if architecture == "transformer" else "recurrent-lm"
    expected = {
        **COMMON,
        **OF_KIND[kind],
        "model.kind": kind,
        "model.cell": None if kind == "transformer-lm" else architecture,
        "model.hidden_size": hidden,
        "model.layers": layers,
        "batching.batch_size": batch,
        "training.optimizer.kind": "adam" if optimizer == "adam" else "sgd",
        "training.optimizer.learning_rate": rate,
        "training.optimizer.momentum": None if optimizer == "adam" else 0.0,
        "training.schedule.kind": "epoch-decay" if optimizer == "schedule" else "constant",
        "training.schedule.divisor": 1.15 if optimizer == "schedule" else None,
    }
    assert {key: settings.get(key) for key in expected} == expected
    assert settings["model.dropout"] == pytest.approx(1 - keep)
    if kind == "transformer-lm":
        assert settings["model.attention_dropout"] == settings["model.dropout"]


@names
def test_the_number_of_parameters_is_that_of_the_equations(name: str) -> None:
    architecture, _, _, _, H, layers, _ = TABLE[name]
    if architecture == "transformer":
        attention, norms = 4 * (H * H + H), 2 * 2 * H
        layer = attention + norms + (H * INNER + INNER) + (INNER * H + H)
        expected = WORDS * H + layers * layer + 2 * H
    else:
        # torch's RNN has two biases, a GRU whose reset gate acts first has one for each gate.
        gates, biases = {"elman": (1, 2), "gru-reset-before": (3, 1)}[architecture]
        inputs = [EMBEDDING, *[H] * (layers - 1)]
        expected = WORDS * EMBEDDING + sum(gates * H * (size + H + biases) for size in inputs)
    with torch.device("meta"):
        model = configured(name).model.build(InputSpec(vocabulary=WORDS, outputs=WORDS), torch.Generator())
    assert sum(each.numel() for each in model.parameters()) == expected + H * WORDS + WORDS


@pytest.mark.parametrize("name", ["ptb-rnn-adam", "ptb-gru-adam", "ptb-transformer-adam"])
def test_weights_are_drawn_from_the_ranges_of_the_experiments(name: str) -> None:
    """Embedding and output from U(-0.1, 0.1), its bias 0, all else from U(-1 / sqrt(H), 1 / sqrt(H))."""
    H = 64
    config = configured(name).model.at(configured(name).model.widths[0], H)
    model = config.build(InputSpec(vocabulary=500, outputs=500), torch.Generator().manual_seed(1))
    for key, weight in model.named_parameters():
        if "norm" in key:
            assert weight.unique().tolist() == [1.0 if key.endswith("weight") else 0.0]
        elif key == "head.bias":
            assert not weight.any()
        else:
            # The second map of the feed-forward part has more inputs than H.
            fan_in = INNER if "linear2" in key else H
            bound = 0.1 if key in ("embedding.weight", "head.weight") else fan_in**-0.5
            assert 0.9 * bound < weight.abs().max().item() <= bound, key


def test_dropout_is_where_the_experiments_have_it() -> None:
    gru = configured("ptb-gru-adam").model.build(InputSpec(vocabulary=50, outputs=50), torch.Generator())
    active = {key: part.p for key, part in gru.named_modules() if isinstance(part, Dropout) and part.p}
    assert active == dict.fromkeys(("input_dropout", "output_dropout", "body.dropout"), 0.65)
    small = configured("ptb-transformer-adam").model
    transformer = small.build(InputSpec(vocabulary=50, outputs=50), torch.Generator())
    active = {
        key: part.p for key, part in transformer.named_modules() if isinstance(part, Dropout) and part.p
    }
    layers = [f"body.layers.{k}.{part}" for k in range(2) for part in ("dropout", "self_attn.dropout")]
    assert active == dict.fromkeys(["body.dropout", *layers], 0.1)


def test_the_schedule_divides_the_rate_after_each_epoch() -> None:
    schedule = configured("ptb-gru-schedule").training.schedule.build()
    clocks = [Clock(step=100 * e, epoch=e, steps_per_epoch=100, total_steps=4000) for e in range(40)]
    assert [schedule.factor(clock) for clock in clocks] == pytest.approx([1.15**-e for e in range(40)])
    other = recipes.network("ptb-gru-schedule", ["training.schedule.kind=flat-then-compound"])
    factors = [other.training.schedule.build().factor(clock) for clock in clocks[13:18]]
    assert factors == pytest.approx([1, 1, 1.15**-1, 1.15**-3, 1.15**-6])


def test_the_study_has_all_of_them_and_a_baseline() -> None:
    study = Design(design.read("ptb-optimizers"))
    assert [each["base"] for each in study.architectures] == [
        *(name for name in TABLE if name.count("-") == 2),
        *(name for name in study.config.axes["base"] if name.count("-") > 2),
    ]
    assert {each["base"] for each in study.architectures} == set(TABLE)
    assert "ptb-5gram" in study.config.baselines


def test_the_small_study_has_the_same_architectures_and_optimizers() -> None:
    study = Design(design.read("ptb-optimizers-small"))
    configs = [study.experiment(setting, 1) for setting in study.single_settings()]
    found = {
        (
            config.model.kind if config.model.kind == "transformer-lm" else flat(plain(config))["model.cell"],
            f"{config.training.optimizer.kind}, {config.training.schedule.kind}",
        )
        for config in configs
    }
    optimizers = ("adam, constant", "sgd, constant", "sgd, epoch-decay")
    kinds = ("elman", "gru-reset-before", "transformer-lm")
    assert found == {(kind, optimizer) for kind in kinds for optimizer in optimizers}
