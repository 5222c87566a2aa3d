"""Run folders written by hand, as training would write them, so that every number in them is known."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from seqlab.runs import new_run, run_folder
from seqlab.runs.cards import Card
from seqlab.runs.environment import Environment
from seqlab.runs.journal import Journal, journal_text, mark_of
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import DataSummary, RunSummary
from seqlab.schema.records import Curve, Matrix, Moment, Record, Scalar, Text, to_line

HOSTILE = "</script><script>alert('x')</script> & \"quoted\"\u2028<b>bold</b>"
ENVIRONMENT: Environment = {
    "threads": 2,
    "device": "cpu",
    "kernels": "generic",
    "matmul": "torch",
    "processor": "A Processor",
    "cores": 2,
    "platform": "Linux",
    "python": "3.11.7",
    "versions": {"seqlab": "0.1.0", "torch": "2.13.0"},
}
DATA: DataSummary = {
    "name": "reviews",
    "content_hash": "ab" * 32,
    "labels": [],
    "limit": {"max_length": None, "keep": "first"},
    "spec": {"vocabulary": 77, "outputs": 77, "source_vocabulary": None, "max_length": None},
    "notes": [],
    "splits": {"train": {"sequences": 900, "tokens": 12345}, "valid": {"sequences": 100, "tokens": 1500}},
    "description": "Reviews for tests.",
    "origin": "written by hand",
    "licence": "none needed",
    "tokenizer": {"kind": "words"},
}


@pytest.fixture(name="runs", autouse=True)
def runs_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of runs; a test module imports this fixture to use it."""
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def make(
    *,
    name: str = "toy",
    seed: int = 1,
    cell: str = "lstm",
    loss: float = 0.5,
    finished: bool = True,
    optimizer: str = "",
    rate: str = "0.1",
    spent: Mapping[str, float] = MappingProxyType({}),
) -> RunFolder:
    """A run of four records and two validations under `SEQLAB_RUNS`."""
    fingerprint = run_folder.fingerprint(name, cell + optimizer + rate, f"{seed} {loss} {finished}")
    config = _config(name, seed, cell)
    if optimizer:
        config += f'[training.optimizer]\nkind = "{optimizer}"\nlearning_rate = {rate}\n'
    run = new_run.create(name, fingerprint, config=config, data=DATA, environment=ENVIRONMENT)
    write(run, "records.jsonl", [to_line(record, moment) for record, moment in _records(loss)])
    write(run, "timings.jsonl", [_timing(step) for step in (10, 20, 30, 40)])
    write(run, "samples.jsonl", [to_line(text, _moment(40)) for text in _texts(finished)])
    if finished:
        metrics = {"loss": loss, "accuracy": 1 - loss / 2}
        run.write_card(card_of(run, metrics, seed))
        run.finish(summary_of(run, metrics, spent))
    return run


def card(run: RunFolder, **changed: Any) -> None:
    """Change a run's card of the validation split."""
    card = run.card("valid")
    assert card is not None
    run.write_card(card | changed)  # pyright: ignore[reportArgumentType]


def write(run: RunFolder, file: str, lines: list[str]) -> None:
    (run.path / file).write_text(journal_text(lines, file), encoding="utf-8")


def append(run: RunFolder, file: str, *lines: str) -> None:
    journal = Journal(run.path / file, mark_of(run.path / file))
    for line in lines:
        journal.append(line)
    journal.close()


def shapes(run: RunFolder) -> None:
    """Add a matrix and a curve."""
    matrix = Matrix(
        name="confusion_matrix",
        rows=("no", "yes"),
        columns=("no", "yes"),
        values=((40.0, 7.0), (3.0, 50.0)),
        unit="texts; row: true class, column: predicted",
        split="valid",
    )
    curve = Curve(
        name="loss_by_length",
        x=(1.0, 2.0, 3.0),
        y=(1.75, 1.25, 1.125),
        x_unit="tokens of the text",
        y_unit="nats per token",
        split="valid",
    )
    append(run, "records.jsonl", *(to_line(record, _moment(40)) for record in (matrix, curve)))


def gradients(run: RunFolder, layers: int = 2) -> None:
    """Add two measurements of the gradient through time, which falls to a hundredth with every token."""
    for step in (20, 40):
        for layer in range(1, layers + 1):
            named = {"gradient_through_time": 1.0, "mean_gradient_through_time": 0.5}
            records: list[Record] = [
                Curve(
                    name=f"{name}_layer_{layer}",
                    x=(0.0, 1.0, 2.0),
                    y=(factor * step, factor * step / 128, 0.0),
                    x_unit="tokens before the last",
                    y_unit="norm, nats per unit of the state",
                    split="valid",
                )
                for name, factor in named.items()
            ]
            horizon = f"gradient_horizon_layer_{layer}"
            records.append(Scalar(name=horizon, value=step / 40, unit="tokens", split="valid"))
            append(run, "records.jsonl", *(to_line(record, _moment(step)) for record in records))


def add_oracle_card(run: RunFolder, floor: float) -> None:
    """Compare a run with the true distribution of its data."""
    shares = {"valid_samples": 0.75, "cut_samples": 0.125, "wrong_samples": 0.125}
    metrics = {"floor": floor, "above_floor": run.summary()["metrics"]["loss"] - floor, **shares}
    run.write_oracle_card(
        {
            "metrics": metrics,
            "split": "valid",
            "longest_valid": None,
            "first_wrong": None,
            "explained": [],
            "scored_as": "8 samples",
            "checkpoint_step": 40,
        }
    )


def _config(name: str, seed: int, cell: str) -> str:
    config = f'name = "{name}"\nseed = {seed}\n[data]\nkind = "reviews"\n[task]\nkind = "language-model"\n'
    return config + f'[model]\nkind = "recurrent-lm"\ncell = "{cell}"\nhidden_size = 16\n'


def baseline(*, name: str = "toy", kind: str = "n-gram", order: int = 5, loss: float = 0.9) -> RunFolder:
    """A finished run of a baseline on the same data: no model, no seed, no steps."""
    config = f'name = "{name}"\n[data]\nkind = "reviews"\n[task]\nkind = "language-model"\n'
    config += f'metrics = ["loss"]\n[baseline]\nkind = "{kind}"\norder = {order}\n'
    fingerprint = run_folder.fingerprint(config, str(loss), "")
    run = new_run.create(name, fingerprint, config=config, data=DATA, environment=ENVIRONMENT)
    final = Scalar(name="final_loss", value=loss, unit="nats per token", split="valid")
    write(run, "records.jsonl", [to_line(final, Moment(step=0, epoch=1.0, tokens=100))])
    run.write_card({**card_of(run, {"loss": loss}, 1), "seed": None})
    run.finish({**summary_of(run, {"loss": loss}), "best_step": 0, "steps": 0, "stopped": "fitted"})
    return run


def _moment(step: int) -> Moment:
    return Moment(step=step, epoch=step / 20, tokens=step * 100)


def _records(loss: float) -> list[tuple[Record, Moment]]:
    records: list[tuple[Record, Moment]] = []
    for step in (10, 20, 30, 40):
        train = {"loss": (loss + 4 / step, "nats per token"), "gradient_norm": (step / 64, "norm")}
        records += [
            (Scalar(name=key, value=value, unit=unit, split="train"), _moment(step))
            for key, (value, unit) in train.items()
        ]
        if step % 20 == 0:
            valid = {
                "loss": (loss + 20 / step - 0.5, "nats per token"),
                "accuracy": (0.4, "fraction of tokens"),
            }
            records += [
                (Scalar(name=key, value=value, unit=unit, split="valid"), _moment(step))
                for key, (value, unit) in valid.items()
            ]
    return records


def _timing(step: int) -> str:
    moment = dataclasses.asdict(_moment(step))
    return json.dumps({**moment, "seconds": step * 0.25, "tokens_per_second": 400.0})


def _texts(finished: bool) -> list[Text]:
    earlier = Text(name="sample", prompt="", text="earlier words", complete=True)
    if not finished:
        return [earlier]
    return [
        earlier,
        Text(name="final_sample", prompt="Once", text=HOSTILE, complete=True),
        Text(name="final_sample", prompt="", text="never ends", complete=False),
    ]


def card_of(run: RunFolder, metrics: dict[str, float], seed: int) -> Card:
    return {
        "metrics": metrics,
        "matrices": {},
        "curves": {},
        "signatures": {},
        "budget": {"epochs": 2},
        "test_evaluations": 1,
        "run": run.path.name,
        "fingerprint": run.fingerprint,
        "loss_unit": "nats per token",
        "unit": "token",
        "dataset": "reviews",
        "split": "valid",
        "split_sha256": "ef" * 32,
        "texts_sha256": "cd" * 32,
        "targets": 1600,
        "end_token_counts": True,
        "tokenizer": "words",
        "scored_as": "whole sequences",
        "checkpoint_step": 40,
        "seed": seed,
        "sequences": 100,
        "tokens": 1500,
        "equal_to_training": 3,
        "equal_to_others": {"test": 2},
        "vocabulary": 77,
        "environment": ENVIRONMENT,
    }


def summary_of(
    run: RunFolder, metrics: dict[str, float], spent: Mapping[str, float] = MappingProxyType({})
) -> RunSummary:
    return {
        "run": str(run.path),
        "stopped": "2 of 2 epochs done",
        "metrics": metrics,
        "monitor": {"name": "loss", "unit": "nats per token", "better": "lower"},
        "best_step": 40,
        "steps": 40,
        "epochs": 2.0,
        "tokens": 4000,
        "parameters": int(spent.get("parameters", 3494)),
        "cost": {
            "training_seconds": spent.get("seconds", 10.5),
            "evaluation_seconds": 1.5,
            "tokens_per_second": 381.0,
            "peak_memory_mib": spent.get("memory", 321.5),
            "threads": ENVIRONMENT["threads"],
            "processor": ENVIRONMENT["processor"],
            "device": ENVIRONMENT["device"],
        },
    }


def all_kinds(root: Path) -> list[RunFolder]:
    """Two seeds, another cell, one unfinished, one damaged, one with every shape of record."""
    runs = [make(seed=1), make(seed=2, loss=0.625), make(cell="gru", loss=0.75), make(seed=3, finished=False)]
    shapes(runs[0])
    damaged = make(seed=4, loss=0.875)
    (damaged.path / "config.toml").write_text("seed = <script>")
    with (damaged.path / "records.jsonl").open("a") as stream:
        stream.write('{"shape":"scalar","ste\n')
    assert all(run.path.parent == root for run in runs)
    return [*runs, damaged]
