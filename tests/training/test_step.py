"""A training step against the same written plainly: mean loss, torch's clipping, torch's optimizers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import tiny
import torch
from torch.nn import functional

from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.training.step import NotFiniteError, Step

RATE = 0.05
OPTIMIZERS = {
    "sgd": (
        ["momentum=0.9", "weight_decay=0.01"],
        lambda p: torch.optim.SGD(p, RATE, 0.9, weight_decay=0.01),
    ),
    "adam": ([], lambda p: torch.optim.Adam(p, RATE)),
    "adamw": (["weight_decay=0.1"], lambda p: torch.optim.AdamW(p, RATE, weight_decay=0.1)),
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path))


def built(*settings: str) -> NetworkExperiment:
    # A weight drawn from U(-1, 1) gives gradients that clipping has to shorten.
    config = tiny.configure([*tiny.BRACKETS, "model.init_range=1", *settings])
    return NetworkExperiment(config, config.data.build(), torch.device("cpu"))


def bias(made: NetworkExperiment) -> torch.Tensor:
    return made.model.get_parameter("head.bias")


def plainly(made: NetworkExperiment, kind: str, clip: float | None, steps: int) -> list[tuple[float, float]]:
    """Mean losses and norms; the model's weights are moved."""
    parameters = list(made.model.parameters())
    optimizer = OPTIMIZERS[kind][1](parameters)
    batches = made.task.batches(made.dataset.splits["train"], made.config.batching, seed=3)
    found = []
    for index in range(steps):
        batch = batches[index]
        logits, _ = made.model(batch)
        loss = functional.cross_entropy(*batch.real(logits))
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, math.inf if clip is None else clip)
        optimizer.step()
        found.append((loss.item(), norm.item()))
    return found


@pytest.mark.parametrize("clip", [None, 0.05])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_losses_norms_and_weights(kind: str, clip: float | None) -> None:
    settings = [f"training.optimizer.{setting}" for setting in OPTIMIZERS[kind][0]]
    settings = [f"training.optimizer.kind={kind}", f"training.optimizer.learning_rate={RATE}", *settings]
    settings.append(f"training.clip_norm={'none' if clip is None else clip}")
    ours, plain = built(*settings), built(*settings)
    step = Step(ours)
    batches = ours.task.batches(ours.dataset.splits["train"], ours.config.batching, seed=3)
    outcomes = [step(batches[index], None, RATE) for index in range(4)]
    expected = plainly(plain, kind, clip, 4)
    assert [outcome.nats / outcome.targets for outcome in outcomes] == pytest.approx(
        [loss for loss, _ in expected], rel=1e-5
    )
    assert [outcome.norm for outcome in outcomes] == pytest.approx([norm for _, norm in expected], rel=1e-4)
    assert clip is None or max(norm for _, norm in expected) > clip, "something was clipped"
    for (name, one), other in zip(ours.model.named_parameters(), plain.model.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6), name


def test_the_rate_of_a_step_is_its_own() -> None:
    settings = ("training.optimizer.kind=sgd", "training.optimizer.learning_rate=1")
    made = built(*settings)
    before = bias(made).clone()
    batch = made.task.batches(made.dataset.splits["train"], made.config.batching, seed=3)[0]
    Step(made)(batch, None, 0.0)
    assert torch.equal(bias(made), before)
    Step(made)(batch, None, 0.5)
    assert not torch.equal(bias(made), before)


@pytest.mark.parametrize(("where", "words"), [("head.bias", "loss became"), ("weight", "norm became")])
def test_what_is_not_finite_moves_nothing(where: str, words: str) -> None:
    made = built()
    if where == "head.bias":
        with torch.no_grad():
            bias(made)[0] = math.nan
    else:
        # A gradient that overflows where the loss does not.
        weight = made.model.get_parameter("embedding.weight")
        weight.register_hook(lambda gradient: gradient * math.inf)
    before = {name: weight.clone() for name, weight in made.model.named_parameters()}
    batch = made.task.batches(made.dataset.splits["train"], made.config.batching, seed=3)[0]
    with pytest.raises(NotFiniteError, match=words):
        Step(made)(batch, None, RATE)
    for name, weight in made.model.named_parameters():
        assert torch.equal(weight.nan_to_num(7), before[name].nan_to_num(7)), name
