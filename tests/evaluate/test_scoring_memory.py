"""Memory of scoring, compared with that of training, in a process of its own."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import torch

from seqlab.bench.plain_pytorch import language_model
from seqlab.bench.workload import RecurrentModelling
from seqlab.data.ragged import Ragged
from seqlab.evaluate.scoring import score, score_exactly
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.runs import environment
from seqlab.training.step import Step

WORK = RecurrentModelling(
    name="large-vocabulary",
    about="10,000 words, LSTM 8, 20 x 70 tokens",
    against="plain PyTorch",
    goal=1.0,
    recipe="ptb-lstm",
    vocabulary=10_000,
    embedding=8,
    hidden=8,
    layers=1,
    cell="lstm",
    tied=False,
    batch_size=20,
    sequence_length=70,
    learning_rate=0.1,
    clip_norm=1.0,
    reference=language_model,
)
"""Logits of a training step: 56 MB. Those of all targets of the scored split: 640 MB."""
STEPS, TOKENS = 3, 16_000


def bytes_beyond_training() -> float:
    """By how many bytes the peak of this process rises when a split is scored after training."""
    torch.set_num_threads(1)
    dataset = WORK.dataset()
    tokens = np.resize(dataset.splits["train"].text.tokens, TOKENS)
    valid = dataclasses.replace(dataset.splits["train"], text=Ragged(tokens, np.array([0, TOKENS])))
    dataset = dataclasses.replace(dataset, splits={**dataset.splits, "valid": valid})
    experiment = NetworkExperiment(WORK.config(), dataset, torch.device("cpu"))
    step, batches = Step(experiment), WORK.batches()
    for index in range(STEPS):
        step(batches[index % len(batches)], None, 0.1)
    trained = environment.peak_memory_mib()
    score(experiment, "valid", experiment.task.metrics, streams=10)
    score_exactly(experiment, "valid", experiment.task.metrics)
    return (environment.peak_memory_mib() - trained) * 2**20


def test_scoring_needs_no_more_memory_than_training() -> None:
    command = [sys.executable, __file__]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert float(process.stdout) <= 2**20


if __name__ == "__main__":
    print(bytes_beyond_training())
