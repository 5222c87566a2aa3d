"""Equal budgets: the same for every architecture, exactly or to within 1 %."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_studies import RATE, SMALL, StudyRecorder, run_small, small_design

from seqlab.comparison.study_cells import trial_runs
from seqlab.data.sources.brackets import BracketsConfig
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.models.model_config import ModelConfig
from seqlab.models.model_kinds import MODELS
from seqlab.runs import environment
from seqlab.schema.config import parse, plain
from seqlab.schema.errors import UserError
from seqlab.schema.settings import flat
from seqlab.studies.budgets import TOLERANCE, adjustment
from seqlab.studies.estimate import Estimates
from seqlab.studies.resources import Resources
from seqlab.studies.run_study import run_study
from seqlab.studies.study_config import BudgetConfig

LANGUAGE_MODELS: list[dict[str, Any]] = [
    {"kind": "recurrent-lm", "cell": "elman"},
    {"kind": "recurrent-lm", "cell": "lstm", "layers": 2},
    {"kind": "recurrent-lm", "cell": "gru", "tied": True, "embedding_size": 8, "hidden_size": 8},
    {"kind": "transformer-lm", "hidden_size": 8, "heads": 4, "layers": 2},
]


def never(config: ExperimentConfig) -> float:
    raise AssertionError("nothing is measured unless seconds are to be equal")


def parameters(config: ExperimentConfig) -> int:
    model = NetworkExperiment(config, config.dataset(), torch.device("cpu")).model
    return sum(parameter.numel() for parameter in model.parameters())


def experiment(model: dict[str, Any]) -> ExperimentConfig:
    return small_design(settings={"data": SMALL["data"]}, axes={"model": [model]}).experiment(
        {"model": model}, 1
    )


@pytest.mark.parametrize("model", LANGUAGE_MODELS, ids=lambda model: model.get("cell", model["kind"]))
@pytest.mark.parametrize("amount", [20_000, 300_000])
def test_the_width_is_chosen_by_the_number_of_parameters(model: dict[str, Any], amount: int) -> None:
    sized = adjustment(BudgetConfig(equal="parameters", amount=amount), never)(experiment(model))
    assert abs(parameters(sized) - amount) <= TOLERANCE * amount
    for key, value in model.items():
        assert getattr(sized.model, key) == value or key in ("embedding_size", "hidden_size")


def test_a_number_of_parameters_that_no_model_has_needs_no_memory() -> None:
    """The widest models that are tried have over 10^9 weights: gigabytes, if they were built."""
    environment.forget_peak_memory()
    before = environment.peak_memory_mib()
    with pytest.raises(UserError, match=r"Got 1,000,000,000,000\. Nearest: \d+,\d{3},\d{3},\d{3}\."):
        adjustment(BudgetConfig(equal="parameters", amount=10**12), never)(experiment(LANGUAGE_MODELS[1]))
    assert environment.peak_memory_mib() < before + 400


@pytest.mark.parametrize("kind", list(MODELS))
def test_every_model_has_widths_that_can_be_varied(kind: str) -> None:
    cls: type[ModelConfig] = MODELS[kind]
    own = {"path": "net.py:Net", "scale_by": ["size"], "arguments": {"size": 1}} if kind == "import" else {}
    config = parse(cls, {"kind": kind, **own})
    for width in config.widths:
        wider = config.at(width, 3 * width.step)
        assert all(flat(plain(wider))[key] == 3 * width.step for key in width.keys)


def test_an_impossible_size_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"'budget.amount' must be .* within 1%. Got 7. Nearest: \d+"):
        adjustment(BudgetConfig(equal="parameters", amount=7), never)(experiment(LANGUAGE_MODELS[0]))


def test_equal_tokens_are_equal_to_within_a_step() -> None:
    axes = {"model.cell": ["elman", "lstm"], "batching.tokens": [40, 120]}
    study = run_small(small_design(axes=axes, budget={"equal": "tokens", "amount": 2_000}))
    for run in trial_runs(study):
        assert run.summary is not None
        tokens, steps = run.summary["tokens"], run.summary["steps"]
        assert abs(tokens - 2_000) <= 1.5 * tokens / steps
        assert run.summary["stopped"] == f"{steps} steps done"


def test_equal_seconds_become_steps_before_the_first_run_and_are_kept() -> None:
    budget = BudgetConfig(equal="seconds", amount=3)
    adjusted = adjustment(budget, lambda config: 0.5)(small_design().experiment({RATE: 0.1}, 1))
    assert adjusted.training.max_steps == 6
    # One second is less than an epoch of this many texts, so little time is spent on anything but steps.
    settings = {**SMALL, "data": {**SMALL["data"], "train": 4_000}}
    design = small_design(budget={"equal": "seconds", "amount": 1}, axes={RATE: [0.1]}, settings=settings)
    with pytest.raises(UserError, match="'processes' must be 1 where seconds are to be equal"):
        run_study(design, Resources(threads=1), processes=2, retry=False, callback=StudyRecorder())
    study = run_small(design)
    (run,) = trial_runs(study)
    assert run.summary is not None
    assert run.summary["steps"] == run.trial.config["training"]["max_steps"]
    recorder = StudyRecorder()
    run_small(design, recorder=recorder)
    assert recorder.started_numbers == [], "a second measurement would make it another run"


def test_estimates_count_steps_and_measure_each_kind_of_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from seqlab.studies import estimate

    measured = []
    real = estimate._measure
    monkeypatch.setattr(estimate, "_measure", lambda e: (measured.append(e.config), real(e))[1])
    estimates, design = (
        Estimates(None, 1),
        small_design(axes={RATE: [0.1, 0.2], "model.cell": ["lstm", "elman"]}),
    )
    costs = [
        estimates.of(design.experiment({RATE: rate, "model.cell": cell}, seed))
        for rate in (0.1, 0.2)
        for cell in ("lstm", "elman")
        for seed in (1, 2)
    ]
    assert len(measured) == 2
    config = design.experiment({RATE: 0.1}, 1)
    dataset = BracketsConfig(**SMALL["data"]).build()
    batches = config.task.build(dataset).batches(dataset.splits["train"], config.batching, 0)
    assert {cost.steps for cost in costs} == {2 * len(batches)}
    assert all(cost.seconds > 0 and cost.bytes > 0 for cost in costs)
