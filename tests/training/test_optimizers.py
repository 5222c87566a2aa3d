"""Every registered optimizer and every class of torch.optim, in the training step and in checkpoints."""

from __future__ import annotations

import math
from pathlib import Path

import any_optimizer
import own_optimizers
import pytest
import tiny
import torch
from experiments import outcome
from torch.nn import functional

from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.experiment.training_kinds import OPTIMIZERS
from seqlab.schema.errors import UserError
from seqlab.training import run
from seqlab.training.step import Step

REFUSED = {
    "LBFGS": "evaluates the loss several times per step",
    "SparseAdam": "takes sparse gradients only",
    "Muon": "takes matrices only, and a model has biases",
}
TORCH = [
    name
    for name, cls in sorted(vars(torch.optim).items())
    if isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer) and cls is not torch.optim.Optimizer
]
OWN = {"import": [f"training.optimizer.path={own_optimizers.__file__}:SignMomentum"]}
CASES = [
    *[
        [f"training.optimizer.kind={kind}", "training.optimizer.learning_rate=0.01", *OWN.get(kind, [])]
        for kind in OPTIMIZERS
    ],
    [
        "training.optimizer.kind=sgd",
        "training.optimizer.learning_rate=0.01",
        "training.optimizer.momentum=0.9",
    ],
    *[
        ["training.optimizer.kind=any", f"training.optimizer.name={name}"]
        for name in [*TORCH, "NestedState"]
        if name not in REFUSED
    ],
]
every_optimizer = pytest.mark.parametrize(
    "settings", CASES, ids=lambda settings: "-".join(part.rpartition("=")[2] for part in settings)
)


@pytest.fixture(autouse=True)
def _registered(run_folders: None, monkeypatch: pytest.MonkeyPatch) -> None:
    any_optimizer.register(monkeypatch)


def built(*settings: str) -> NetworkExperiment:
    # A weight drawn from U(-1, 1) gives gradients that clipping has to shorten.
    config = tiny.configure([*tiny.BRACKETS, "model.init_range=1", *settings])
    return NetworkExperiment(config, config.data.build(), torch.device("cpu"))


def plain_steps(made: NetworkExperiment, clip: float, steps: int) -> None:
    """Mean loss, torch's clipping, and the optimizer's step, as in any tutorial."""
    batches = made.task.batches(made.dataset.splits["train"], made.config.batching, seed=3)
    for index in range(steps):
        batch = batches[index]
        logits, _ = made.model(batch)
        made.optimizer.zero_grad()
        functional.cross_entropy(*batch.real(logits)).backward()
        torch.nn.utils.clip_grad_norm_(list(made.model.parameters()), clip)
        made.optimizer.step()


@pytest.mark.parametrize("clip", ["none", "0.05"])
@every_optimizer
def test_steps_equal_those_of_a_plain_loop(settings: list[str], clip: str) -> None:
    ours, plain = (built(*settings, f"training.clip_norm={clip}") for _ in range(2))
    before = [parameter.clone() for parameter in ours.model.parameters()]
    step, rate = Step(ours), ours.config.training.optimizer.learning_rate
    batches = ours.task.batches(ours.dataset.splits["train"], ours.config.batching, seed=3)
    for index in range(4):
        step(batches[index], None, rate)
    plain_steps(plain, math.inf if clip == "none" else float(clip), 4)
    for (name, one), other in zip(ours.model.named_parameters(), plain.model.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6), name
    assert any(not torch.equal(a, b) for a, b in zip(before, ours.model.parameters(), strict=True))


@every_optimizer
def test_a_killed_run_resumes_bit_for_bit(settings: list[str], tmp_path: Path, monkeypatch) -> None:
    few = ["training.max_steps=6", "training.checkpoint_seconds=0", "training.schedule.kind=linear"]
    recipe = [
        *tiny.BRACKETS,
        *few,
        "samples.checked=0",
        "samples.checked_at_end=0",
        "samples.count=1",
        *settings,
    ]
    whole = tiny.fit(recipe)
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "killed"))
    killed = tiny.broken_off(recipe, step=4)
    run.resume(killed, callback=tiny.Nobody())
    assert outcome(killed) == outcome(whole)


def test_an_optimizer_that_needs_a_closure_is_refused() -> None:
    with pytest.raises(UserError, match=r"without a closure\. Got LBFGS\. Nearest: adam"):
        Step(built("training.optimizer.kind=any", "training.optimizer.name=LBFGS"))


def test_the_list_of_classes_is_complete() -> None:
    assert set(REFUSED) <= set(TORCH)
    assert {"SGD", "Adam", "RAdam", "Adafactor"} <= set(TORCH)
