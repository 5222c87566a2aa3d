"""The training loop against plain loops, and every setting of it against its absence."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from torch.nn import functional

from seqlab.data.batch import Batch
from seqlab.decode.sampling import SamplingOptions
from seqlab.evaluate.evaluation import evaluate_run
from seqlab.evaluate.loaded import load_run
from seqlab.experiment import recipes, seeding
from seqlab.experiment.experiment import Experiment
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.runs import checkpoints, run_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError, WorkError
from seqlab.schema.records import Scalar, Text
from seqlab.training import run
from seqlab.training.diverged import first_not_finite
from seqlab.training.progress import Progress


@pytest.fixture(autouse=True)
def _registered(run_folders: None, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.register(monkeypatch)


def _built(recipe: list[str], *overrides: str) -> NetworkExperiment:
    config = tiny.configure(recipe, *overrides)
    return NetworkExperiment(config, config.data.build(), torch.device("cpu"))


def test_what_a_language_model_writes_is_reported_after_each_validation() -> None:
    callback = tiny.Nobody()
    run = tiny.fit(tiny.BRACKETS, callback=callback)
    recorded = [text for text in tiny.samples(run) if text.name == "sample"]
    assert [text for texts, _ in callback.sampled_texts for text in texts] == recorded
    assert [len(texts) for texts, _ in callback.sampled_texts] == [2, 2]
    shares = [share for _, share in tiny.records(run, "valid_samples", "samples")]
    assert [valid.count / valid.total for _, valid in callback.sampled_texts if valid] == shares
    assert all(valid is not None and valid.total == 20 for _, valid in callback.sampled_texts)


def test_without_comparison_no_sample_counts_as_valid_and_without_samples_there_is_no_report() -> None:
    callback = tiny.Nobody()
    tiny.fit(tiny.BRACKETS, "samples.checked=0", callback=callback)
    assert [valid for _, valid in callback.sampled_texts] == [None, None]
    callback = tiny.Nobody()
    tiny.fit(tiny.BRACKETS, "samples.count=0", callback=callback)
    tiny.fit(tiny.REVIEWS, "training.epochs=1", callback=callback)
    assert callback.sampled_texts == []


@pytest.mark.parametrize("clip", ["none", "0.05"])
def test_equal_to_a_plain_loop(clip: str) -> None:
    """Orders, losses and weights of two epochs of SGD, in float64, with a mean written by hand."""
    overrides = ["training.optimizer.kind=sgd", "training.optimizer.learning_rate=0.5"]
    overrides.append(f"training.clip_norm={clip}")
    found = tiny.fit(tiny.BRACKETS, *overrides)
    plain = _built(tiny.BRACKETS, *overrides)
    model = plain.model.double()
    losses = []
    for epoch in range(2):
        order = seeding.derive(1, "order", epoch)
        for batch in plain.task.batches(plain.dataset.splits["train"], plain.config.batching, order):
            logits, _ = model(batch)
            real = [(b, t) for b, n in enumerate(batch.inputs.lengths.tolist()) for t in range(n)]
            loss = sum(-logits[p].log_softmax(-1)[batch.target_values[p]] for p in real) / len(real)
            assert isinstance(loss, torch.Tensor)
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            norm = math.sqrt(sum(float(g.square().sum()) for g in gradients))
            share = 1.0 if clip == "none" else min(1.0, float(clip) / norm)
            with torch.no_grad():
                for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                    parameter.sub_(0.5 * share * gradient)
            losses.append(loss.item())
    recorded = tiny.records(found, "loss")
    assert [step for step, _ in recorded] == list(range(1, len(losses) + 1))
    np.testing.assert_allclose([value for _, value in recorded], losses, rtol=1e-4)


def test_each_epoch_has_an_order_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    derive = seeding.derive
    monkeypatch.setattr(
        seeding, "derive", lambda s, p, *n: (seen.extend(n if p == "order" else ()), derive(s, p, *n))[1]
    )
    tiny.fit(tiny.BRACKETS, "training.epochs=3")
    assert seen == [0, 0, 1, 2], "the first is for the number of steps"


def test_equal_seed_equal_outcome_other_seed_another(tmp_path: Path, monkeypatch) -> None:
    first = tiny.fit(tiny.BRACKETS, "model.dropout=0.3")
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "again"))
    again = tiny.fit(tiny.BRACKETS, "model.dropout=0.3")
    other = tiny.fit(tiny.BRACKETS, "model.dropout=0.3", "seed=2")
    for file in ("records.jsonl", "samples.jsonl"):
        assert (
            (first.path / file).read_text()
            == (again.path / file).read_text()
            != (other.path / file).read_text()
        )


@pytest.mark.parametrize("curriculum", [0, 2])
@pytest.mark.parametrize("step", [1, 3, 7, 8, 10, 12])
def test_resumed_in_any_epoch_as_never_stopped(
    tmp_path: Path, monkeypatch, step: int, curriculum: int
) -> None:
    recipe = [*tiny.BRACKETS, "model.dropout=0.3", "training.epochs=4", "training.checkpoint_seconds=0"]
    recipe += [f"training.curriculum={curriculum}"]
    whole = tiny.fit(recipe)
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "broken"))
    broken = tiny.broken_off(recipe, step=step)
    run.resume(broken, callback=tiny.Nobody())
    for file in ("records.jsonl", "samples.jsonl"):
        assert (broken.path / file).read_text() == (whole.path / file).read_text()


SETTINGS = [
    "diagnostics.gradient_every=1",
    "training.epochs=3",
    "training.max_steps=3",
    "training.optimizer.learning_rate=0.02",
    "training.schedule.kind=linear",
    "training.averaging.kind=ema",
    "training.clip_norm=0.01",
    "training.layer_decay=0.5",
    "training.unfreeze_every=1",
    "training.validations_per_epoch=2",
    "training.record_every=2",
    "training.curriculum=1",
    "model.sum_layers=true",
    "model.learned_initial_state=true",
    "model.activation_penalty=2",
    "model.temporal_penalty=2",
    "batching.kind=packed",
    "samples.checked=3",
    "samples.checked_at_end=3",
    "samples.prompt_tokens=2",
    "training.label_smoothing=0.2",
    "batching.pool=1",
    "samples.count=1",
    "samples.max_tokens=1",
    "samples.temperature=0",
    "samples.prompt=((",
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_acts(tmp_path: Path, monkeypatch, setting: str) -> None:
    recipe = [*tiny.BRACKETS, "model.layers=2"] if setting.startswith("model") else tiny.BRACKETS
    plain, changed = tiny.fit(recipe), tiny.fit(recipe, setting)
    written = setting.startswith("samples") and not setting.startswith(("samples.checked", "samples.prompt_"))
    file = "samples.jsonl" if written else "records.jsonl"
    assert (plain.path / file).read_text() != (changed.path / file).read_text()


def test_a_curriculum_reads_short_texts_first() -> None:
    found = tiny.fit(tiny.BRACKETS, "training.curriculum=2", "training.epochs=3")
    config = tiny.configure(tiny.BRACKETS)
    lengths = np.sort(config.dataset().splits["train"].text.lengths) + 1
    ends = {m.epoch: m.tokens for r, m in found.records() if isinstance(r, Scalar) and r.split == "valid"}
    read = [int(lengths[:20].sum()), int(lengths[:40].sum()), int(lengths.sum())]
    assert [ends[epoch] for epoch in (1.0, 2.0, 3.0)] == np.cumsum(read).tolist()


def test_running_text_has_no_curriculum() -> None:
    config = recipes.network("python-gru", ["training.curriculum=1", "data.max_bytes=60000"])
    with pytest.raises(UserError, match=r"'training\.curriculum' must be 0 for running text"):
        NetworkExperiment(config, config.dataset(), torch.device("cpu"))


def test_patience_stops_and_the_best_is_kept() -> None:
    settings = ["training.epochs=30", "training.patience=2", "training.optimizer.learning_rate=0.5"]
    found = tiny.fit(tiny.BRACKETS, *settings)
    values = tiny.records(found, "loss", "valid")
    summary = tiny.summary(found)
    assert summary["stopped"] == "no improvement in 2 validations"
    best_step, best = min(values, key=lambda pair: pair[1])
    assert summary["best_step"] == best_step == values[-3][0]
    assert summary["metrics"]["loss"] == pytest.approx(best, rel=1e-6)
    assert evaluate_run(found, "valid", ())["checkpoint_step"] == best_step


def test_validations_are_spread_over_the_epoch() -> None:
    found = tiny.fit(tiny.BRACKETS, "training.validations_per_epoch=2", "training.epochs=1")
    steps = tiny.summary(found)["steps"]
    assert [s for s, _ in tiny.records(found, "loss", "valid")] == [math.ceil(steps / 2), steps]


def test_smoothing_is_trained_on_but_never_reported() -> None:
    frozen = ["training.optimizer.learning_rate=1e-30", "training.epochs=1"]
    plain, smooth = (tiny.fit(tiny.BRACKETS, *frozen, f"training.label_smoothing={s}") for s in (0, 0.3))
    assert tiny.records(plain, "loss") != tiny.records(smooth, "loss")
    assert tiny.records(plain, "loss", "valid") == tiny.records(smooth, "loss", "valid")


def test_records_carry_units_and_timings_stand_beside() -> None:
    found = tiny.fit(tiny.BRACKETS)
    scalars = [(r, m) for r, m in found.records() if isinstance(r, Scalar)]
    assert all(r.unit for r, _ in scalars)
    assert {r.unit for r, _ in scalars if r.name == "loss"} == {"nats per token"}
    assert max(m.tokens for _, m in scalars) == tiny.summary(found)["tokens"]
    assert "seconds" not in (found.path / "records.jsonl").read_text()
    timings = [json.loads(line) for line in (found.path / "timings.jsonl").read_text().splitlines()]
    assert [t["step"] for t in timings] == [s for s, _ in tiny.records(found, "loss")]
    assert all(isinstance(text, Text) for text in tiny.samples(found))


def _nan(model: torch.nn.Module, name: str) -> None:
    with torch.no_grad():
        model.get_parameter(name).view(-1)[0] = math.nan


def test_first_not_finite() -> None:
    built = _built(tiny.BRACKETS)
    batch: Batch = built.task.batches(built.dataset.splits["train"], built.config.batching, None)[0]
    assert first_not_finite(built.model, batch, None) == "the loss itself"
    parameter = built.model.get_parameter("head.weight")
    parameter.grad = torch.full_like(parameter, math.inf)
    assert first_not_finite(built.model, batch, None) == "gradient of 'head.weight'"
    with torch.no_grad():
        parameter.fill_(3e38)
        built.model.get_parameter("head.bias").fill_(3e38)
    built.model.embedding.register_forward_hook(lambda m, i, o: o * math.inf)  # pyright: ignore
    assert first_not_finite(built.model, batch, None).startswith("output of layer '")
    _nan(built.model, "body.weight_hh_l0")
    assert first_not_finite(built.model, batch, None) == "weight 'body.weight_hh_l0'"


@pytest.mark.parametrize("rate", ["1e38", "3e38"])
def test_divergence_is_named_and_checkpoints_stay_finite(tmp_path: Path, rate: str) -> None:
    settings = ["training.optimizer.kind=sgd", f"training.optimizer.learning_rate={rate}"]
    with pytest.raises(WorkError, match=r"at step \d+ .*First not finite: .*Lower training.optimizer") as e:
        tiny.fit(tiny.BRACKETS, *settings, "training.clip_norm=none", "training.checkpoint_seconds=0")
    assert "or set training.clip_norm" in str(e.value)


def test_the_last_good_checkpoint_is_kept_when_training_diverges(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ["training.optimizer.kind=sgd", "training.optimizer.learning_rate=1e-3"]
    recipe = [*tiny.BRACKETS, *settings, "training.checkpoint_seconds=0"]

    def poison(progress: Progress) -> None:
        if progress.step == 4:
            # What a step of its own would do: the weights of step 5 are wrong, those of step 4 are saved.
            handle[0].register_forward_hook(lambda _, inputs, outputs: (outputs[0] * math.nan, *outputs[1:]))

    handle: list[torch.nn.Module] = []
    words = r"loss became nan at step 5 .*First not finite: output of layer 'body'"
    build = run.build
    monkeypatch.setattr(run, "build", lambda *arguments: _noted(build(*arguments), handle))
    with pytest.raises(WorkError, match=words):
        tiny.fit(recipe, callback=tiny.Nobody(poison))
    (name,) = run_folder.names()
    loaded = load_run(run_folder.find(name))
    assert loaded.sample("(", count=1, length=3, options=SamplingOptions(), seed=1)
    newest = checkpoints.checkpoints(loaded.run.checkpoints)[-1]
    assert newest.name == checkpoints.name(4)


def _noted(built: Experiment, handle: list[torch.nn.Module]) -> Experiment:
    assert isinstance(built, NetworkExperiment)
    body = built.model.body
    assert isinstance(body, torch.nn.Module)
    handle.append(body)
    return built


FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (7000, 7000))
from seqlab.cli import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_full_disk_then_room_again(tmp_path: Path, monkeypatch) -> None:
    recipe = [*tiny.BRACKETS, "training.checkpoint_seconds=0", "training.record_every=50"]
    whole = tiny.fit(recipe)
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "full"))
    broken = tiny.broken_off(recipe, step=5)
    before = checkpoints.checkpoints(broken.checkpoints)[-1]
    command = [sys.executable, "-c", FULL, "resume", str(broken.path)]
    ended = subprocess.run(command, env={**os.environ}, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    assert "cannot be written" in ended.stderr
    assert "Free space there, then repeat the command" in ended.stderr
    assert "Traceback" not in ended.stderr
    checkpoints.verify(before, broken.fingerprint)
    run.resume(broken, callback=tiny.Nobody())
    _equal(whole, broken)
    assert not list(broken.path.rglob(".writing-*"))


def _equal(one: RunFolder, other: RunFolder) -> None:
    newest = [checkpoints.checkpoints(r.checkpoints)[-1] / "model.safetensors" for r in (one, other)]
    assert newest[0].read_bytes() == newest[1].read_bytes()
    assert (one.path / "records.jsonl").read_text() == (other.path / "records.jsonl").read_text()


def test_tensorboard_holds_the_records() -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = tiny.fit(tiny.BRACKETS, "training.tensorboard=true", "training.epochs=1")
    events = event_accumulator.EventAccumulator(str(found.path / "tensorboard"))
    events.Reload()
    for name, split in (("loss", "train"), ("loss", "valid"), ("gradient_norm", "train")):
        shown = [(e.step, e.value) for e in events.Scalars(f"{name}/{split}")]
        assert shown == [(s, float(np.float32(v))) for s, v in tiny.records(found, name, split)]


def test_functional_is_the_task_loss() -> None:
    built = _built(tiny.BRACKETS)
    batch = built.task.batches(built.dataset.splits["train"], built.config.batching, 1)[0]
    features, _ = built.model.features(batch, None)
    total, count = built.task.loss(built.model.head, *batch.real(features))
    kept = built.model.head(features)[batch.target_mask]
    assert count == int(batch.inputs.lengths.sum())
    expected = functional.cross_entropy(kept, batch.target_values[batch.target_mask], reduction="sum")
    assert total.item() == pytest.approx(expected.item())
