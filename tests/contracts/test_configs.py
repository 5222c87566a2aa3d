"""Everything that can be chosen by name keeps the same rules."""

from __future__ import annotations

import inspect

import pytest

from seqlab.baselines.baseline_kinds import BASELINES
from seqlab.data.data_kinds import BATCHING, DATASETS, TOKENIZERS
from seqlab.experiment.experiment_config import BaselineExperimentConfig, ExperimentConfig
from seqlab.experiment.training_config import (
    DiagnosticsConfig,
    EvaluationConfig,
    SamplesConfig,
    TrainingConfig,
)
from seqlab.experiment.training_kinds import AVERAGINGS, OPTIMIZERS, SCHEDULES
from seqlab.models.model_kinds import MODELS
from seqlab.schema.config import Config
from seqlab.schema.registry import Registry
from seqlab.tasks.task_kinds import TASKS

REGISTRIES = [DATASETS, TOKENIZERS, BATCHING, TASKS, MODELS, OPTIMIZERS, SCHEDULES, AVERAGINGS, BASELINES]
KINDS = [
    pytest.param(registry, kind, id=f"{registry.what}-{kind}") for registry in REGISTRIES for kind in registry
]


def _check_described(cls: type[Config]) -> None:
    assert inspect.getdoc(cls) != inspect.getdoc(Config), f"{cls.__name__} must have a docstring of its own"
    for name, field in cls.model_fields.items():
        assert field.description, f"{cls.__name__}.{name} must have a docstring"
        assert field.description.endswith("."), f"{cls.__name__}.{name} must be described in a sentence"


@pytest.mark.parametrize(("registry", "kind"), KINDS)
def test_a_kind_is_named_and_described(registry: Registry, kind: str) -> None:
    cls = registry[kind]
    assert cls.model_fields["kind"].default == kind
    assert registry.describe(kind)
    _check_described(cls)


@pytest.mark.parametrize(
    "cls",
    [
        ExperimentConfig,
        BaselineExperimentConfig,
        TrainingConfig,
        EvaluationConfig,
        SamplesConfig,
        DiagnosticsConfig,
    ],
)
def test_settings_of_an_experiment_are_described(cls: type[Config]) -> None:
    _check_described(cls)
