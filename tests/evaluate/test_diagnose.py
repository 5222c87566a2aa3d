"""Looking inside a model while it trains changes nothing, and finds what it finds afterwards."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

import pytest
import tiny
import torch

from seqlab.evaluate.diagnose import rows
from seqlab.evaluate.evaluation import diagnose_run
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.measure.metric_kinds import DIAGNOSTICS
from seqlab.schema.errors import UserError
from seqlab.schema.records import Curve
from seqlab.training import run

WATCHED = "diagnostics.gradient_every=1"
STREAM = ["batching.kind=stream", "batching.batch_size=3", "batching.sequence_length=5"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_nothing_else_in_the_run_changes_by_a_bit() -> None:
    dropout = "model.dropout=0.3"
    heard, plain = tiny.Nobody(), tiny.Nobody()
    watched = tiny.fit(tiny.BRACKETS, dropout, WATCHED, callback=heard)
    unwatched = tiny.fit(tiny.BRACKETS, dropout, callback=plain)
    assert heard.losses == plain.losses
    through_time = ("gradient_through", "mean_gradient", "gradient_horizon")
    others = [
        (record, moment) for record, moment in watched.records() if not record.name.startswith(through_time)
    ]
    assert others == list(unwatched.records())
    assert (watched.path / "samples.jsonl").read_text() == (unwatched.path / "samples.jsonl").read_text()
    weights = [
        next(r.checkpoints.glob("step-*/model.safetensors")).read_bytes() for r in (watched, unwatched)
    ]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(("every", "steps"), [(1, 4), (2, 2), (3, 1)])
def test_measured_with_every_so_many_validations(every: int, steps: int) -> None:
    folder = tiny.fit(
        tiny.BRACKETS, "training.validations_per_epoch=2", f"diagnostics.gradient_every={every}"
    )
    validations = [
        m.step for r, m in folder.records() if (r.name, getattr(r, "split", "")) == ("loss", "valid")
    ]
    measured = [m.step for r, m in folder.records() if r.name == "gradient_through_time_layer_1"]
    assert measured == validations[every - 1 :: every]
    assert len(measured) == steps


@pytest.mark.parametrize("step", [3, 7])
def test_resumed_as_never_stopped(place: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    recipe = [*tiny.BRACKETS, "diagnostics.gradient_every=2", "training.validations_per_epoch=2"]
    recipe += ["training.epochs=3", "training.checkpoint_seconds=0"]
    whole = tiny.fit(recipe)
    monkeypatch.setenv("SEQLAB_RUNS", str(place / "broken"))
    broken = tiny.broken_off(recipe, step=step)
    run.resume(broken, callback=tiny.Nobody())
    assert (broken.path / "records.jsonl").read_text() == (whole.path / "records.jsonl").read_text()


def test_a_diagnosis_of_the_run_is_that_of_its_best_validation() -> None:
    folder = tiny.fit(tiny.BRACKETS, WATCHED)
    best = tiny.summary(folder)["best_step"]
    then = [r for r, m in folder.records() if isinstance(r, Curve) and "through" in r.name and m.step == best]
    content = diagnose_run(folder, ["gradient-through-time"], split="valid", rows=None)
    assert content["checkpoint_step"] == best
    now = [r for r in content["diagnostics"]["gradient-through-time"]["records"] if "x" in r]
    assert [curve["name"] for curve in now] == [curve.name for curve in then]
    for one, other in zip(now, then, strict=True):
        assert one["y"] == pytest.approx(other.y, rel=1e-5)


@pytest.mark.parametrize("more", [[], STREAM, ["model.kind=transformer-lm", "model.layers=1"]])
def test_rows_are_always_the_same(more: list[str]) -> None:
    small = (
        ["model.hidden_size=8", "model.heads=2", "model.feed_forward_size=8"] if "model" in str(more) else []
    )
    config = tiny.configure(tiny.BRACKETS, *more, *small)
    experiment = NetworkExperiment(config, config.dataset(), torch.device("cpu"))
    one, other = (rows(experiment, "valid", 4) for _ in range(2))
    assert torch.equal(one.inputs.tokens, other.inputs.tokens)
    assert torch.equal(one.inputs.lengths, other.inputs.lengths)
    assert len(one.inputs.lengths) == 4
    assert len(rows(experiment, "valid", 1_000).inputs.lengths) <= 1_000
    if more == STREAM:
        # The state is carried on in training, so a row may be longer than the window.
        assert int(one.inputs.lengths.min()) > 5
    else:
        valid = experiment.dataset.splits["valid"].text.lengths
        assert set(one.inputs.lengths.tolist()) <= {int(length) + 1 for length in valid}


def test_a_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.register(monkeypatch)
    recurrent = ["model.kind=recurrent-classifier", "model.hidden_size=4", "model.bidirectional=true"]
    folder = tiny.fit(tiny.REVIEWS, *recurrent, "training.epochs=2", WATCHED)
    curves = [r for r, _ in folder.records() if r.name == "gradient_through_time_layer_1"]
    assert len(curves) == 2
    with pytest.raises(
        UserError, match=r"'diagnostics.gradient_every' must be 0: A gradient .* needs a model with recurrent"
    ):
        tiny.fit(tiny.REVIEWS, WATCHED)


def test_refused() -> None:
    folder = tiny.fit(tiny.BRACKETS, "training.epochs=1")
    with pytest.raises(UserError, match=r"no diagnostic 'gradient'. Nearest: 'gradient-through-time'"):
        diagnose_run(folder, ["gradient"], split="valid", rows=None)
    with pytest.raises(UserError, match=r"no split 'vaild'. Nearest: 'valid'"):
        diagnose_run(folder, ["gradient-through-time"], split="vaild", rows=None)


def test_of_all_diagnostics_those_run_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.fit(tiny.BRACKETS, "training.epochs=1")
    table = cast("dict[str, tuple[str, str]]", DIAGNOSTICS.table)
    monkeypatch.setitem(table, "never", ("test_diagnose:fits_no_model", "a diagnostic that fits no model"))
    monkeypatch.setitem(sys.modules, "test_diagnose", sys.modules[__name__])
    found = diagnose_run(folder, [], split="valid", rows=None)["diagnostics"]
    assert found["gradient-through-time"]["records"]
    assert found["never"] == {"found": ["It fits no model."], "records": []}
    with pytest.raises(UserError, match="It fits no model"):
        diagnose_run(folder, ["never"], split="valid", rows=None)


def fits_no_model(*_: object) -> None:
    raise UserError("It fits no model.")
