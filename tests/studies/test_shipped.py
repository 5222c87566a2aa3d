"""The shipped studies: what they compare is comparable."""

from __future__ import annotations

import pytest
import torch

from seqlab.experiment import recipes
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.schema.config import plain
from seqlab.studies import design
from seqlab.studies.design import Design

VOCABULARY = {"demo-brackets": 6, "demo-python": 256}  # .pad .start .end .unk ( ) | bytes


def experiments(name: str) -> list[ExperimentConfig]:
    work = Design(design.read(name))
    return [work.experiment(architecture, 1) for architecture in work.architectures]


@pytest.mark.parametrize("name", design.names())
def test_a_shipped_study_is_sound_and_says_what_it_expects(name: str) -> None:
    work = Design(design.read(name))
    work.check()
    assert design.about(name)
    assert work.config.expectation.strip()
    assert work.config.baselines or work.config.monitor, "something that tells good from bad"


@pytest.mark.parametrize("name", VOCABULARY)
def test_the_models_of_the_demonstration_are_of_nearly_equal_size_and_say_it(name: str) -> None:
    found, size = experiments(name), VOCABULARY[name]
    models = [one.model.build(vocabulary=size, outputs=size, generator=torch.Generator()) for one in found]
    counts = [sum(parameter.numel() for parameter in model.parameters()) for model in models]
    assert max(counts) / min(counts) < 1.02
    for one, count in zip(found, counts, strict=True):
        assert f"{count:,} parameters" in recipes.read(one.name).about


@pytest.mark.parametrize("name", VOCABULARY)
def test_they_differ_in_nothing_but_the_model_and_the_learning_rate(name: str) -> None:
    tables = [plain(one) for one in experiments(name)]
    for table in tables:
        del table["name"], table["model"], table["training"]["optimizer"]["learning_rate"]
    assert len(tables) == 4
    assert all(table == tables[0] for table in tables)


@pytest.mark.parametrize("name", design.names())
def test_baselines_have_the_data_of_the_other_runs(name: str) -> None:
    work = Design(design.read(name))
    data = str(data_of(experiments(name)[0]))
    for baseline in work.config.baselines:
        assert str(data_of(work.baseline(baseline, {}))) == data


def data_of(config: object) -> dict[str, object]:
    """Settings of the data but its tokenizer, which a baseline may have of its own."""
    return {key: value for key, value in plain(config)["data"].items() if key != "tokenizer"}  # type: ignore[arg-type]
