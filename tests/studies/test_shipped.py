"""The shipped studies: what they compare is comparable."""

from __future__ import annotations

import pytest
import torch

from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.models.input_spec import InputSpec
from seqlab.schema.config import plain
from seqlab.studies import design
from seqlab.studies.design import Design

VOCABULARY = {"demo-brackets": 6, "demo-names": 40}  # .pad .start .end .unk ( ) | letters


def experiments(name: str) -> list[ExperimentConfig]:
    study = Design(design.read(name))
    return [study.experiment(architecture, 1) for architecture in study.architectures]


@pytest.mark.parametrize("name", design.names())
def test_a_shipped_study_is_valid_and_states_its_expectation(name: str) -> None:
    study = Design(design.read(name))
    study.check()
    assert design.about(name)
    assert study.config.expectation.strip()
    assert study.config.baselines or study.config.monitor, "a reference that separates good from bad"


@pytest.mark.parametrize("name", VOCABULARY)
def test_the_models_of_the_demo_have_nearly_equal_sizes_and_state_them(name: str) -> None:
    configs = experiments(name)
    spec = InputSpec(vocabulary=VOCABULARY[name], outputs=VOCABULARY[name])
    models = [config.model.build(spec, torch.Generator()) for config in configs]
    counts = [sum(parameter.numel() for parameter in model.parameters()) for model in models]
    assert max(counts) / min(counts) < 1.02
    for config, count in zip(configs, counts, strict=True):
        assert f"{count:,} parameters" in recipes.read(config.name).about


@pytest.mark.parametrize("name", VOCABULARY)
def test_the_experiments_differ_only_in_model_and_learning_rate(name: str) -> None:
    tables = [plain(config) for config in experiments(name)]
    for table in tables:
        del table["name"], table["model"], table["training"]["optimizer"]["learning_rate"]
    assert len(tables) == 4
    assert all(table == tables[0] for table in tables)


@pytest.mark.parametrize("name", design.names())
def test_baselines_are_fitted_on_the_data_of_the_other_runs(name: str) -> None:
    study = Design(design.read(name))
    data = str(data_of(experiments(name)[0]))
    for baseline in study.config.baselines:
        assert str(data_of(study.baseline(baseline, {}))) == data


def data_of(config: object) -> dict[str, object]:
    """Settings of the data but its tokenizer, which a baseline may have of its own."""
    return {key: value for key, value in plain(config)["data"].items() if key != "tokenizer"}  # type: ignore[arg-type]
