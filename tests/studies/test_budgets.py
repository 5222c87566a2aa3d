"""Equal budgets: what every architecture gets alike, exactly or to within a per cent."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_studies import RATE, SMALL, Viewer, carry_out, design

from seqlab.compare.study_cells import trial_runs
from seqlab.data.sources.brackets import BracketsConfig
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.experiment.network_experiment import build
from seqlab.models.model_configs import ModelConfig
from seqlab.models.model_kinds import MODELS
from seqlab.schema.config import parse
from seqlab.schema.errors import UserError
from seqlab.studies import perform
from seqlab.studies.budgets import CLOSE, equaliser
from seqlab.studies.conduct import Resources
from seqlab.studies.estimate import Estimates
from seqlab.studies.study_config import BudgetConfig

LANGUAGE_MODELS: list[dict[str, Any]] = [
    {"kind": "recurrent-lm", "cell": "elman"},
    {"kind": "recurrent-lm", "cell": "lstm", "layers": 2},
    {"kind": "recurrent-lm", "cell": "gru", "tied": True, "embedding_size": 8, "hidden_size": 8},
    {"kind": "transformer-lm", "hidden_size": 8, "heads": 4, "layers": 2},
]


def never(config: ExperimentConfig) -> float:
    raise AssertionError("only seconds are measured")


def parameters(config: ExperimentConfig) -> int:
    model = build(config, config.dataset(), torch.device("cpu")).model
    return sum(parameter.numel() for parameter in model.parameters())


def experiment(model: dict[str, Any]) -> ExperimentConfig:
    return design(settings={"data": SMALL["data"]}, axes={"model": [model]}).experiment({"model": model}, 1)


@pytest.mark.parametrize("model", LANGUAGE_MODELS, ids=lambda model: model.get("cell", model["kind"]))
@pytest.mark.parametrize("amount", [20_000, 300_000])
def test_the_width_gives_so_many_parameters(model: dict[str, Any], amount: int) -> None:
    sized = equaliser(BudgetConfig(equal="parameters", amount=amount), never)(experiment(model))
    assert abs(parameters(sized) - amount) <= CLOSE * amount
    for key, value in model.items():
        assert getattr(sized.model, key) == value or key in ("embedding_size", "hidden_size")


@pytest.mark.parametrize("kind", list(MODELS))
def test_every_model_says_what_makes_it_wider(kind: str) -> None:
    cls: type[ModelConfig] = MODELS[kind]
    config = parse(cls, {"kind": kind})
    for width in config.widths:
        wider = config.at(width, 3 * width.step)
        assert all(getattr(wider, key) == 3 * width.step for key in width.keys)


def test_a_size_that_cannot_be_had_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"'budget.amount' must be .* within 1%. Got 7. Nearest: \d+"):
        equaliser(BudgetConfig(equal="parameters", amount=7), never)(experiment(LANGUAGE_MODELS[0]))


def test_equal_tokens_are_equal_to_within_a_step() -> None:
    axes = {"model.cell": ["elman", "lstm"], "batching.tokens": [40, 120]}
    study = carry_out(design(axes=axes, budget={"equal": "tokens", "amount": 2_000}))
    for one in trial_runs(study):
        assert one.summary is not None
        tokens, steps = one.summary["tokens"], one.summary["steps"]
        assert abs(tokens - 2_000) <= 1.5 * tokens / steps
        assert one.summary["stopped"] == f"{steps} steps done"


def test_equal_seconds_become_steps_before_the_first_run_and_stay() -> None:
    budget = BudgetConfig(equal="seconds", amount=3)
    found = equaliser(budget, lambda config: 0.5)(design().experiment({RATE: 0.1}, 1))
    assert found.training.max_steps == 6
    # A second is less than an epoch of so many texts, so that little but steps is done.
    settings = {**SMALL, "data": {**SMALL["data"], "train": 4_000}}
    work = design(budget={"equal": "seconds", "amount": 1}, axes={RATE: [0.1]}, settings=settings)
    with pytest.raises(UserError, match="'processes' must be 1 where seconds are to be equal"):
        perform.run_study(work, Resources(threads=1), processes=2, retry=False, viewer=Viewer())
    study = carry_out(work)
    (one,) = trial_runs(study)
    assert one.summary is not None
    assert one.summary["steps"] == one.trial.config["training"]["max_steps"]
    viewer = Viewer()
    carry_out(work, viewer=viewer)
    assert viewer.began == [], "a second measurement would make another run of it"


def test_estimates_count_steps_and_measure_each_kind_of_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from seqlab.studies import estimate

    measured = []
    real = estimate._measure
    monkeypatch.setattr(estimate, "_measure", lambda e: (measured.append(e.config), real(e))[1])
    estimates, work = Estimates(None, 1), design(axes={RATE: [0.1, 0.2], "model.cell": ["lstm", "elman"]})
    costs = [
        estimates.of(work.experiment({RATE: rate, "model.cell": cell}, seed))
        for rate in (0.1, 0.2)
        for cell in ("lstm", "elman")
        for seed in (1, 2)
    ]
    assert len(measured) == 2
    config = work.experiment({RATE: 0.1}, 1)
    dataset = BracketsConfig(**SMALL["data"]).build()
    batches = config.task.build(dataset).batches(dataset.splits["train"], config.batching, 0)
    assert {cost.steps for cost in costs} == {2 * len(batches)}
    assert all(cost.seconds > 0 and cost.bytes > 0 for cost in costs)
