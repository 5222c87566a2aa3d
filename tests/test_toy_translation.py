"""A task with a source, of which the package knows nothing, goes through its loop, scoring and decoding."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import tiny
import torch
import toy_translation

from seqlab.data.batching import SequencesConfig
from seqlab.data.sequences import Padded
from seqlab.evaluate.evaluation import evaluate_run
from seqlab.evaluate.loaded import load_run
from seqlab.experiment.experiment_config import ExperimentConfig
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.models.model import SequenceModel
from seqlab.runs import run_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.config import parse
from seqlab.training import run as running

SETTINGS = {
    "name": "toy",
    "data": {"kind": "pairs"},
    "task": {"kind": "copy-source"},
    "model": {"kind": "encoder-decoder"},
    "batching": {"kind": "sequences", "batch_size": 20},
    "training": {
        "epochs": 12,
        "clip_norm": 1.0,
        "record_every": 1,
        "tensorboard": False,
        "optimizer": {"kind": "adam", "learning_rate": 0.01},
    },
    "samples": {"count": 2, "max_tokens": 6},
}


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    toy_translation.register(monkeypatch)
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))


def config(**changes: object) -> ExperimentConfig:
    return parse(ExperimentConfig, {**SETTINGS, **changes})


def train(settings: ExperimentConfig, callback: tiny.Nobody | None = None) -> RunFolder:
    summary = running.train(settings, callback=callback or tiny.Nobody())
    return run_folder.open_run(Path(summary["run"]))


def losses(run: RunFolder) -> list[tuple[int, float]]:
    return tiny.records(run, "loss")


def test_it_is_short() -> None:
    parts = (
        toy_translation.PairsConfig,
        toy_translation.CopySource,
        toy_translation.CopySourceConfig,
        toy_translation.EncoderDecoder,
        toy_translation.EncoderDecoderConfig,
        toy_translation.ExactMatch,
    )
    assert sum(len(inspect.getsource(part).splitlines()) for part in parts) < 150


def test_it_learns_to_copy_and_is_scored_by_what_it_writes() -> None:
    run = train(config())
    metrics = run.summary()["metrics"]
    assert metrics["exact_match"] >= 0.9
    assert metrics["loss"] < 0.2
    card = evaluate_run(run, "test", ())
    assert card["metrics"]["exact_match"] >= 0.8
    final = [record for record in tiny.samples(run) if record.name == "final_sample"]
    assert [sample.text for sample in final] == [sample.prompt.lower() for sample in final]


def test_a_run_that_was_killed_resumes_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = {**SETTINGS["training"], "epochs": 2, "checkpoint_seconds": 0}  # type: ignore[dict-item]
    settings = config(training=training)
    straight = train(settings)
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "killed"))
    with pytest.raises(KeyboardInterrupt):
        train(settings, tiny.Nobody(tiny.stop_at(27)))
    resumed = train(settings)
    assert losses(resumed) == losses(straight)
    assert resumed.summary()["metrics"] == straight.summary()["metrics"]


def test_the_whole_target_at_once_equals_step_by_step_from_the_source() -> None:
    experiment, model = built()
    batch = experiment.task.batches(experiment.dataset.splits["valid"], SequencesConfig(batch_size=8), None)[
        0
    ]
    whole, _ = model(batch)
    state = model.start(len(batch), batch.source)
    for step in range(batch.inputs.steps):
        logits, state = model.step(batch.inputs.tokens[:, step], state)
        live = step < batch.inputs.lengths
        torch.testing.assert_close(logits[live], whole[live, step])


def test_a_source_reaches_its_own_target_only() -> None:
    _, model = built()
    source = Padded(torch.tensor([[4, 5], [6, 7]]), torch.tensor([2, 2]))
    other = Padded(torch.tensor([[4, 5], [7, 6]]), torch.tensor([2, 2]))
    first, second = (model.step(torch.tensor([1, 1]), model.start(2, one))[0] for one in (source, other))
    torch.testing.assert_close(first[0], second[0])
    assert not torch.allclose(first[1], second[1])


def test_its_run_is_loaded_without_its_data() -> None:
    training = {**SETTINGS["training"], "epochs": 1}  # type: ignore[dict-item]
    loaded = load_run(train(config(training=training)))
    assert loaded.config.task.output == "translation"
    assert loaded.model.capabilities.causal


@torch.no_grad()
def built() -> tuple[NetworkExperiment, SequenceModel]:
    settings = config()
    experiment = NetworkExperiment(settings, settings.dataset(), torch.device("cpu"))
    return experiment, experiment.model.eval()
