"""Runs of language models written by hand: architectures, optimizers, losses and seconds are known."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import folders

from seqlab.report.chapters import Chapter, RunLabel, chapters
from seqlab.report.run_data import read_run
from seqlab.runs import new_run, run_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.records import Moment, Scalar, to_line

NATS, CHOICES = "nats per token", "choices per token"
STEPS, FIRST = 20, 15
"""Steps of an epoch, after which a run is validated; the first of the two records of training in it."""
TOKENS = 100
"""Tokens of a step."""


def make(
    valid: Sequence[float],
    *,
    cell: str = "gru",
    optimizer: str = "adam",
    schedule: str = "constant",
    seed: int = 1,
    train: Sequence[float] | None = None,
    step_seconds: float = 0.1,
    parameters: int = 1000,
    finished: bool = True,
    result: float | None = None,
    training: str = "",
) -> RunFolder:
    """A run with a validation after each epoch.

    Args:
        valid: validation losses, in nats per token.
        cell, optimizer, schedule, seed, parameters: of the run.
        train: two losses for each epoch, the first one of 15 steps and the second one of 5.
        step_seconds: seconds of a step.
        finished: whether it has a summary and a card.
        result: loss of the best checkpoint; the lowest of `valid` if left out.
        training: further settings of the table `training`, as TOML.
    """
    config = (
        f'name = "lm"\nseed = {seed}\n[data]\nkind = "reviews"\n[task]\nkind = "language-model"\n'
        f'[model]\nkind = "recurrent-lm"\ncell = "{cell}"\n[training]\n{training}\n'
        f'[training.optimizer]\nkind = "{optimizer}"\n[training.schedule]\nkind = "{schedule}"\n'
    )
    fingerprint = run_folder.fingerprint(config, str(list(valid)), str(step_seconds))
    run = new_run.create("lm", fingerprint, config=config, data=folders.DATA, environment=folders.ENVIRONMENT)
    losses = [1.0] * (2 * len(valid)) if train is None else train
    folders.write(run, "records.jsonl", _records(valid, losses))
    steps = [step for epoch in range(len(valid)) for step in (epoch * STEPS + FIRST, (epoch + 1) * STEPS)]
    folders.write(run, "timings.jsonl", [_timing(step, step * step_seconds) for step in steps])
    if finished:
        best = min(valid) if result is None else result
        metrics = {"loss": best, "perplexity": math.exp(best)}
        run.write_card(folders.card_of(run, metrics, seed))
        at = (list(valid).index(min(valid)) + 1) * STEPS
        last = len(valid) * STEPS
        spent = {"seconds": last * step_seconds, "parameters": parameters}
        summary = folders.summary_of(run, metrics, spent)
        run.finish({**summary, "best_step": at, "steps": last, "tokens": last * TOKENS})
    return run


def chapter(runs: Sequence[RunFolder], censored: Mapping[str, str] | None = None) -> Chapter:
    """The chapter of these runs; `censored`: by name of the folder, why a run did not finish."""
    labels = {
        name: RunLabel(architecture=run_folder.find(name).settings()["model"]["cell"], censored=why)
        for name, why in (censored or {}).items()
    }
    (made,) = chapters([read_run(run) for run in runs], run_labels=labels)
    return made


def raw(path: Path) -> list[dict[str, Any]]:
    """The lines of a JSONL file, read without seqlab."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _records(valid: Sequence[float], train: Sequence[float]) -> list[str]:
    lines: list[str] = []
    for epoch, nats in enumerate(valid):
        end = (epoch + 1) * STEPS
        for half, step in enumerate((epoch * STEPS + FIRST, end)):
            loss = Scalar(name="loss", value=train[2 * epoch + half], unit=NATS, split="train")
            lines.append(to_line(loss, _moment(step)))
        for name, value, unit in (("loss", nats, NATS), ("perplexity", math.exp(nats), CHOICES)):
            lines.append(to_line(Scalar(name=name, value=value, unit=unit, split="valid"), _moment(end)))
    return lines


def _moment(step: int) -> Moment:
    return Moment(step=step, epoch=step / STEPS, tokens=step * TOKENS)


def _timing(step: int, seconds: float) -> str:
    return json.dumps({**dataclasses.asdict(_moment(step)), "seconds": seconds, "tokens_per_second": 400.0})
