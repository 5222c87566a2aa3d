"""The loss at each position, compared with scoring every window or text by itself, token after token."""

from __future__ import annotations

import statistics
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from small_language_models import MODELS

from seqlab.data.batch import Batch, unlabelled
from seqlab.data.dataset import Split
from seqlab.data.ragged import Ragged
from seqlab.data.sequences import Padded
from seqlab.evaluate.evaluation import evaluate_run
from seqlab.evaluate.scoring import score
from seqlab.experiment import recipes
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.models.modes import evaluating
from seqlab.runs import run_folder
from seqlab.runs.cards import POSITION_CURVES, POSITION_LOSS
from seqlab.schema.errors import UserError
from seqlab.schema.records import Curve
from seqlab.training import run as training_run

WINDOW = 7
RUNNING = [
    "data.kind=text",
    "data.tokenizer.kind=characters",
    f"batching.sequence_length={WINDOW}",
    "batching.batch_size=3",
    "training.schedule.kind=constant",
]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def running(folder: Path, model: str) -> NetworkExperiment:
    path = folder / "own.txt"
    path.write_text("".join(f"{index} bottles of beer\n" for index in range(40)), encoding="utf-8")
    config = recipes.network(f"ptb-{model}", [*RUNNING, *MODELS[model], f"data.path={path}"])
    return NetworkExperiment(config, config.data.build(), torch.device("cpu"))


def curves(experiment: NetworkExperiment) -> dict[str, Curve]:
    records = score(experiment, "valid", [POSITION_LOSS])
    return {record.name: record for record in records if isinstance(record, Curve)}


def nats_of(experiment: NetworkExperiment, inputs: list[int], target: int) -> float:
    """Of one token after a beginning that is read from a zero state."""
    read = Padded(torch.tensor([inputs]), torch.tensor([len(inputs)]))
    batch: Batch = unlabelled(read)
    with torch.no_grad(), evaluating(experiment.model):
        features, _ = experiment.model.features(batch, None)
        logits = experiment.model.head(features[0, -1]).double()
    return float(logits.logsumexp(0) - logits[target])


def check(found: dict[str, Curve], expected: dict[int, list[float]]) -> None:
    loss, error, targets = (found[name] for name in POSITION_CURVES)
    assert loss.x == targets.x == tuple(sorted(expected))
    assert targets.y == tuple(len(expected[position]) for position in sorted(expected))
    for position, mean in zip(loss.x, loss.y, strict=True):
        assert mean == pytest.approx(statistics.fmean(expected[int(position)]), rel=1e-5)
    for position, deviation in zip(error.x, error.y, strict=True):
        nats = expected[int(position)]
        assert deviation == pytest.approx(statistics.stdev(nats) / len(nats) ** 0.5, rel=1e-4)


@pytest.mark.parametrize("model", list(MODELS))
def test_a_running_text_is_read_in_windows_of_one_length_from_a_zero_state(model: str, tmp_path: Path):
    experiment = running(tmp_path, model)
    tokens = experiment.dataset.splits["valid"].text.tokens.tolist()
    assert len(tokens) % WINDOW, "some tokens are left at the end"
    start = experiment.dataset.tokenizer.vocabulary.start
    assert start is not None
    text = [start, *tokens]
    expected: dict[int, list[float]] = defaultdict(list)
    for begin in range(0, len(tokens) - WINDOW + 1, WINDOW):
        for position in range(1, WINDOW + 1):
            inputs = text[begin : begin + position]
            expected[position].append(nats_of(experiment, inputs, text[begin + position]))
    found = curves(experiment)
    check(found, expected)
    assert found[POSITION_LOSS].x_unit == "position in windows of 7 tokens, state zero before each, from 1"
    # Other metrics of the same pass still score every token.
    assert score(experiment, "valid", ["loss", POSITION_LOSS])[0] == score(experiment, "valid", ["loss"])[0]


def test_texts_are_read_whole():
    config = tiny.configure(tiny.BRACKETS)
    experiment = NetworkExperiment(config, config.data.build(), torch.device("cpu"))
    vocabulary = experiment.dataset.tokenizer.vocabulary
    assert vocabulary.start is not None
    assert vocabulary.end is not None
    expected: dict[int, list[float]] = defaultdict(list)
    for ids in experiment.dataset.splits["valid"].text:
        text = [vocabulary.start, *ids.tolist(), vocabulary.end]
        for position in range(1, len(text)):
            expected[position].append(nats_of(experiment, text[:position], text[position]))
    found = curves(experiment)
    assert found[POSITION_LOSS].x_unit == "position in the text, from 1"
    loss, _, targets = (found[name] for name in POSITION_CURVES)
    assert targets.y == tuple(len(expected[int(position)]) for position in loss.x)
    means = [statistics.fmean(expected[int(position)]) for position in loss.x]
    np.testing.assert_allclose(loss.y, means, rtol=1e-5)


def test_a_text_shorter_than_a_window_is_one_window(tmp_path: Path):
    experiment = running(tmp_path, "lstm")
    text = Ragged(np.arange(5, dtype=np.int32), np.array([0, 5]))
    batches = experiment.position_batches(Split(text, running=True))
    assert (len(batches), batches[0].inputs.tokens.shape) == (1, (1, 5))
    assert "windows of 5 tokens" in batches.axis


def test_a_language_model_is_evaluated_by_position_unless_metrics_are_named():
    run = tiny.fit(tiny.BRACKETS)
    assert set(evaluate_run(run, "test", ())["curves"]) == set(POSITION_CURVES)
    assert evaluate_run(run, "test", ["loss"])["curves"] == {}


def test_a_baseline_has_no_windows(tmp_path: Path):
    path = tmp_path / "own.txt"
    path.write_text("".join(f"{index} bottles of beer\n" for index in range(40)), encoding="utf-8")
    config, _ = recipes.configure("text-5gram", [f"data.path={path}"])
    summary = training_run.train(config, device=None, threads=1, callback=tiny.Nobody())
    run = run_folder.open_run(Path(summary["run"]))
    assert evaluate_run(run, "valid", ())["curves"] == {}
    with pytest.raises(UserError, match=r"must be of separate texts where the model is a baseline"):
        evaluate_run(run, "valid", [POSITION_LOSS])
