"""Runs with every option of recurrent language models: what is recorded, and runs that are resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from experiments import outcome
from torch.nn import functional

from seqlab.evaluate.loaded import load_run
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.nn.activation_penalty import ActivationPenalty
from seqlab.training import run
from seqlab.training.step import Step

pytestmark = pytest.mark.usefixtures("run_folders")
PENALTIES = ["model.activation_penalty=5", "model.temporal_penalty=7"]
EVERYTHING = [
    *tiny.BRACKETS,
    *PENALTIES,
    "model.layers=2",
    "model.dropout=0.3",
    "model.output_dropout=0.1",
    "model.locked_dropout=true",
    "model.embedding_dropout=0.1",
    "model.weight_drop=0.4",
    "model.layer_norm=true",
    "model.residual=true",
    "model.learned_initial_state=true",
    "model.tied=true",
    "model.tied_projection=true",
]
STREAM = ["batching.kind=stream", "batching.batch_size=4", "batching.sequence_length=10"]


def built(*settings: str) -> NetworkExperiment:
    config = tiny.configure([*tiny.BRACKETS, "model.init_range=1", *settings])
    return NetworkExperiment(config, config.data.build(), torch.device("cpu"))


def test_a_penalty_moves_the_weights_and_is_no_part_of_the_recorded_loss() -> None:
    ours, plain = built(*PENALTIES), built()
    batch = ours.task.batches(ours.dataset.splits["train"], ours.config.batching, seed=3)[0]
    outcome = Step(ours)(batch, None, 0.01)
    logits, _ = plain.model(batch)
    outputs, _ = plain.model.features(batch, None)
    loss = functional.cross_entropy(*batch.real(logits))
    rows = [row[:n] for row, n in zip(outputs, batch.inputs.lengths.tolist(), strict=True)]
    squares = torch.cat(rows).square().mean()
    changes = torch.cat([row[1:] - row[:-1] for row in rows]).square().mean()
    objective = loss + 5 * squares + 7 * changes
    norms = [g.norm() for g in torch.autograd.grad(objective, list(plain.model.parameters()))]
    assert outcome.nats / outcome.targets == pytest.approx(loss.item(), rel=1e-5)
    assert outcome.norm == pytest.approx(torch.stack(norms).norm().item(), rel=1e-4)


def test_the_loss_that_is_reported_is_that_of_the_same_weights_without_penalties() -> None:
    found = load_run(tiny.fit(EVERYTHING))
    model = found.model.eval()
    plain = built(
        *(setting for setting in EVERYTHING[len(tiny.BRACKETS) :] if setting not in PENALTIES)
    ).model
    plain.load_state_dict(model.state_dict())
    batch = built().task.batches(built().dataset.splits["valid"], built().config.batching, seed=None)[0]
    assert torch.equal(model(batch)[0], plain.eval()(batch)[0])


def test_a_penalty_of_sequences_without_pairs_is_that_of_their_tokens() -> None:
    x, lengths = torch.ones(2, 3, 4), torch.tensor([1, 0])
    real = x * torch.tensor([[[1.0], [0.0], [0.0]], [[0.0], [0.0], [0.0]]])
    assert ActivationPenalty(2.0, 3.0)(real, 2 * real, lengths).item() == 8.0
    nothing = ActivationPenalty(2.0, 3.0)(0 * real, 0 * real, torch.zeros(2, dtype=torch.int64))
    assert nothing.item() == 0.0
    assert not ActivationPenalty()
    assert replace(ActivationPenalty(), temporal=1.0)


@pytest.mark.parametrize("batching", [[], STREAM], ids=["sequences", "carried-state"])
@pytest.mark.parametrize("step", [1, 6])
def test_resumed_as_never_stopped(
    step: int, batching: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = [*EVERYTHING, *batching, "training.checkpoint_seconds=0"]
    whole = tiny.fit(recipe)
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "broken"))
    broken = tiny.broken_off(recipe, step=step)
    run.resume(broken, callback=tiny.Nobody())
    assert outcome(broken) == outcome(whole)
