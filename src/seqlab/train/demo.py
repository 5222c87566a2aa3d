"""The demonstration: four models of nearly equal size on two kinds of text, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seqlab.data.generated import GeneratedConfig
from seqlab.runs import folder
from seqlab.runs.folder import SAMPLES, RunFolder
from seqlab.schema.errors import UserError
from seqlab.schema.records import Text
from seqlab.train import recipes, run
from seqlab.train.config import ExperimentConfig
from seqlab.train.loop import Listener
from seqlab.train.numerics import settled
from seqlab.train.truth import truth_card

MODELS = {"elman": "Elman", "gru": "GRU", "lstm": "LSTM", "transformer": "Transformer"}
DRAWN = 200
"""Samples that are held against the rules of the language, a run."""
THREADS = 2
"""At most: steps of models this small take milliseconds, and with more threads they mostly wait."""
_QUICK = {
    "brackets": ["data.train=2000", "data.valid=200", "data.test=50", "training.max_steps=25"],
    "python": ["data.max_bytes=60000", "training.max_steps=25", "samples.max_tokens=40"],
}
_SECONDS = {"brackets": 5, "python": 12}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run of the demonstration; `seconds` is about what it takes, for the progress bar."""

    data: str
    model: str
    seed: int
    seconds: int
    config: ExperimentConfig


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a trial came to: its folder, its summary, and how it stands to the truth, where that is known."""

    trial: Trial
    folder: RunFolder
    summary: dict[str, Any]
    truth: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A model on one kind of text, over all its seeds.

    loss: nats per token on the validation split, mean over seeds; lowest and highest of one seed.
    above_floor: mean of loss - floor; None where the truth is not known, as are the shares.
    valid, cut: shares of all samples drawn: right, and not ended at the greatest length.
    seconds, tokens_per_second: of training one run, mean over seeds.
    """

    model: str
    parameters: int
    seeds: int
    loss: float
    lowest: float
    highest: float
    above_floor: float | None
    valid: float | None
    cut: float | None
    seconds: float
    tokens_per_second: float


def plan(seeds: int, *, quick: bool = False) -> list[Trial]:
    """Every run: each model on brackets with each seed, then on Python source with one.

    Raises:
        UserError: seeds is not positive.
    """
    if seeds < 1:
        raise UserError(f"'seeds' must be at least 1. Got {seeds}. Nearest: 1.")
    order = [("brackets", seed) for seed in range(1, seeds + 1)] + [("python", 1)]
    return [_trial(data, model, seed, quick) for data, seed in order for model in MODELS]


def _trial(data: str, model: str, seed: int, quick: bool) -> Trial:
    overrides = [f"seed={seed}", *(_QUICK[data] if quick else [])]
    config = recipes.network(f"demo-{data}-{model}", overrides)
    seconds = 1 if quick else _SECONDS[data]
    return Trial(data=data, model=MODELS[model], seed=seed, seconds=seconds, config=config)


def carry_out(trial: Trial, *, threads: int | None, listener: Listener) -> Result:
    """Train, or go on, or read what is finished; then compare with the truth.

    Args:
        trial: what to run.
        threads: of the numerical libraries; None is 2 where there are so many, or as many as an unfinished
            run began with.
        listener: hears of the progress.

    Raises:
        UserError: an unfinished run began with other threads.
        WorkError: the loss diverged, or the disk is full.
        Interrupted: somebody asked to stop; everything is saved.
    """
    with settled("cpu", min(THREADS, torch.get_num_threads()) if threads is None else threads):
        summary = run.train(trial.config, threads=threads, listener=listener)
        done = folder.find(Path(summary["run"]).name)
        known = isinstance(trial.config.data, GeneratedConfig)
        truth = truth_card(done, DRAWN) if known else None
    return Result(trial=trial, folder=done, summary=summary, truth=truth)


def rows(results: Sequence[Result], data: str) -> list[Row]:
    """The table of one kind of text, a row a model."""
    groups = {
        model: [r for r in results if (r.trial.data, r.trial.model) == (data, model)]
        for model in MODELS.values()
    }
    return [_row(model, group) for model, group in groups.items() if group]


def _row(model: str, group: Sequence[Result]) -> Row:
    losses = [result.summary["metrics"]["loss"] for result in group]
    costs = [result.summary["cost"] for result in group]
    return Row(
        model=model,
        parameters=group[0].summary["parameters"],
        seeds=len(group),
        loss=_mean(losses),
        lowest=min(losses),
        highest=max(losses),
        above_floor=_mean_truth(group, "above_floor"),
        valid=_mean_truth(group, "valid_samples"),
        cut=_mean_truth(group, "cut_samples"),
        seconds=_mean([cost["training_seconds"] for cost in costs]),
        tokens_per_second=_mean([cost["tokens_per_second"] for cost in costs]),
    )


def _mean_truth(group: Sequence[Result], metric: str) -> float | None:
    known = [result.truth["metrics"][metric] for result in group if result.truth is not None]
    return _mean(known) if known else None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def floor(results: Sequence[Result], data: str) -> float | None:
    """The truth's own nats per token on the validation split; None where it is not known."""
    found = (r.truth for r in results if r.trial.data == data)
    return next((truth["metrics"]["floor"] for truth in found if truth is not None), None)


def written(result: Result) -> str:
    """The first text the best checkpoint wrote, its prompt in front.

    Raises:
        UserError: the samples are damaged.
    """
    texts = (record for record, _ in result.folder.records(SAMPLES) if isinstance(record, Text))
    first = next((text for text in texts if text.name == "final_sample"), None)
    return "" if first is None else first.prompt + first.text


def introduction(results: Sequence[Result], *, quick: bool) -> str:
    """What the report says first: what was compared, how fairly, how far to trust it, what truth says."""
    counts = [result.summary["parameters"] for result in results if result.trial.data == "brackets"]
    warning = "Quick mode: a few steps a run, to see that everything works; the figures mean nothing.\n\n"
    return (warning if quick else "") + (
        "This is a demonstration at a small budget. Four models of nearly equal size "
        f"({min(counts):,} to {max(counts):,} parameters on brackets) read the same texts equally often, "
        "each with a learning rate that was chosen for it beforehand, on the validation split with another "
        "seed. More training, larger models or other texts may turn the order round.\n\n"
        "On balanced brackets the truth is known, so each model is also held against it; for Python source "
        "nobody knows it."
    )
