"""The courses' recipes for film reviews: their settings and their numbers of parameters, by hand."""

from __future__ import annotations

import pytest
import torch

from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.experiment.parameter_counts import count
from seqlab.models.input_spec import InputSpec
from seqlab.schema.config import plain
from seqlab.schema.settings import flat

WORDS, FINAL_WORDS = 67_089, 73_278
"""Tokens of the vocabulary of 20,000 and of all 25,000 reviews, `.pad .start .end .unk` among them."""
AROUND = (300 * 300 + 300) + (300 * 2 + 2)
"""Parameters of the linear map of each token and of the head."""
BODIES = {
    "linear": 0,
    "own-elman": 600 * 300 + 300,
    "elman": 600 * 300 + 2 * 300,
    "lstm": 4 * (600 * 300 + 2 * 300),
    "gru": 3 * (600 * 300 + 2 * 300),
}
"""Parameters of what differs between the models."""
COURSE = {
    "data.tokenizer.kind": "words",
    "data.tokenizer.max_size": None,
    "data.tokenizer.min_count": 1,
    "data.train_size": None,
    "data.valid_size": 5_000,
    "data.max_length": None,
    "model.embedding_size": 300,
    "model.embedding_std": 1.0,
    "model.linear_size": 300,
    "model.pooling": "max",
    "model.dropout": 0.0,
    "batching.kind": "sequences",
    "batching.batch_size": 128,
    "training.optimizer.kind": "sgd",
    "training.optimizer.learning_rate": 0.01,
    "training.optimizer.momentum": 0.9,
    "training.optimizer.nesterov": False,
    "training.optimizer.weight_decay": 0.0,
    "training.schedule.kind": "constant",
    "training.clip_norm": None,
    "training.patience": None,
    "training.validations_per_epoch": 1,
}


def configured(name: str) -> ExperimentConfig:
    config = recipes.configure(name, [])[0]
    assert isinstance(config, ExperimentConfig)
    return config


@pytest.mark.parametrize("model", BODIES)
def test_a_course_recipe_has_the_settings_of_the_course(model: str) -> None:
    settings = flat(plain(configured(f"imdb-{model}-course")))
    assert {key: settings.get(key) for key in COURSE} == COURSE
    epochs = 5 if model == "own-elman" else 70
    assert settings["training.epochs"] == epochs
    assert settings["training.result"] == ("best" if model == "own-elman" else "last")
    assert settings.get("model.cell") == {"linear": None, "own-elman": "elman-concat"}.get(model, model)


@pytest.mark.parametrize("words", [WORDS, FINAL_WORDS])
@pytest.mark.parametrize("model", BODIES)
def test_a_course_model_has_the_parameters_of_its_structure(model: str, words: int) -> None:
    with torch.device("meta"):
        built = configured(f"imdb-{model}-course").model.build(
            InputSpec(vocabulary=words, outputs=2), torch.Generator()
        )
    assert sum(each.numel() for each in built.parameters()) == words * 300 + BODIES[model] + AROUND


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(("settings", "words"), [([], WORDS), (["data.final=true"], FINAL_WORDS)])
def test_the_vocabulary_is_that_of_the_training_reviews(settings: list[str], words: int) -> None:
    counted = count("imdb-own-elman-course", settings)
    assert counted["total"] == words * 300 + BODIES["own-elman"] + AROUND


def test_the_own_layer_is_validated_after_each_of_five_epochs() -> None:
    training = configured("imdb-own-elman").training
    assert (training.epochs, training.patience, training.validations_per_epoch) == (5, None, 1)


TABLE, DENSE, HEAD = 10_000 * 100, 250, 250 + 1
"""Parameters of the embedding; features of the dense layer after the window; parameters of its one logit."""
LSTM_OF_MAPS = 4 * (250 * (200 + 250) + 2 * 250)
BATTLEFIELD = {
    "ids": (500 * DENSE + DENSE + HEAD, 125_501),
    "dense": (TABLE + 500 * 100 * DENSE + DENSE + HEAD, 13_500_501),
    "rnn": (TABLE + 250 * 350 + 500 + 500 * 250 * DENSE + DENSE + HEAD, 32_338_501),
    "lstm": (TABLE + 4 * (250 * 350 + 500) + 500 * 250 * DENSE + DENSE + HEAD, 32_602_501),
    "gru": (TABLE + 3 * (250 * 350 + 500) + 500 * 250 * DENSE + DENSE + HEAD, 32_514_501),
    "cnn": (TABLE + 3 * 100 * 200 + 200 + 500 * 200 * DENSE + DENSE + HEAD, 26_060_701),
    # Every fifth step of the window, and no dense layer between them and the logit.
    "cnn-lstm": (TABLE + 3 * 100 * 200 + 200 + LSTM_OF_MAPS + 100 * 250 + 1, 1_537_201),
}
"""By hand, and the same as one number: those of the course where the structure is the course's."""


@pytest.mark.parametrize("name", BATTLEFIELD)
def test_a_network_of_the_battlefield_has_the_parameters_of_its_structure(name: str) -> None:
    by_hand, number = BATTLEFIELD[name]
    model = configured(f"battlefield-{name}").model.build(
        InputSpec(vocabulary=10_000, outputs=2), torch.Generator()
    )
    assert sum(parameter.numel() for parameter in model.parameters()) == by_hand == number


@pytest.mark.parametrize(("tokens", "number"), [(10, 322_562), (40, 1_090_562)])
def test_two_dense_layers_over_a_window_have_the_course_s_parameters(tokens: int, number: int) -> None:
    """Without the embedding; 100 features of each token, two layers of 256, two labels."""
    settings = [f"data.max_length={tokens}", f"model.window={tokens}", "model.dense_sizes=256,256"]
    config = recipes.configure("battlefield-dense", [*settings, "model.one_logit=false"])[0]
    assert isinstance(config, ExperimentConfig)
    model = config.model.build(InputSpec(vocabulary=10_000, outputs=2), torch.Generator())
    assert sum(parameter.numel() for parameter in model.parameters()) - TABLE == number
