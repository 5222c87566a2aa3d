"""Training on examples of memory tasks: new ones each epoch, the training split scored, exact resuming."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from seqlab.evaluate.loaded import load_run
from seqlab.experiment import recipes
from seqlab.experiment.network_experiment import NetworkExperiment
from seqlab.runs import run_folder
from seqlab.schema.errors import UserError
from seqlab.training import run

MARKED = [
    "marked-addition-lstm",
    "data.length=4",
    "data.train=200",
    "data.valid=30",
    "data.test=30",
    "model.hidden_size=8",
    "batching.batch_size=40",
    "training.epochs=3",
    "training.record_every=1",
    "training.tensorboard=false",
    "samples.count=1",
]


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))


def test_new_examples_are_what_is_learned_from() -> None:
    kept, fresh = (tiny.fit(MARKED, f"data.resample_each_epoch={value}") for value in ("false", "true"))
    assert [loss for _, loss in tiny.records(kept, "loss")] != [
        loss for _, loss in tiny.records(fresh, "loss")
    ]
    # What is measured is the same in both.
    cards = [one.cards()["valid"] for one in (kept, fresh)]
    assert cards[0]["split_sha256"] == cards[1]["split_sha256"]


@pytest.mark.parametrize("step", [2, 5, 8, 12])
def test_resumed_with_new_examples_as_never_stopped(step: int, tmp_path: Path, monkeypatch) -> None:
    whole = tiny.fit(MARKED)
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "again"))
    broken = tiny.broken_off(MARKED, step=step)
    run.resume(broken, callback=tiny.Nobody())
    assert (broken.path / "records.jsonl").read_text() == (whole.path / "records.jsonl").read_text()


def test_the_training_split_is_scored_beside_validation() -> None:
    """All of it as a validation split of the same examples would be; a part of it otherwise."""
    settings = ["data.resample_each_epoch=false", "evaluation.train_sequences=200"]
    found = tiny.fit(MARKED, *settings)
    config = tiny.configure(MARKED, *settings, "training.epochs=1")
    assert [step for step, _ in tiny.records(found, "accuracy")] == [5, 10, 15]
    built = NetworkExperiment(config, config.data.build(), torch.device("cpu"))
    assert not tiny.records(tiny.fit(MARKED, "data.resample_each_epoch=false"), "accuracy")
    split = built.dataset.splits["train"]
    assert split.targets is not None
    first = tiny.records(tiny.fit(MARKED, *settings, "training.optimizer.learning_rate=1e-9"), "accuracy")[-1]
    with torch.no_grad():
        batch = built.task.batches(split.select(torch.arange(200).numpy()), config.batching, None)
        right = sum(int((built.model(one)[0].argmax(1) == one.target_values).sum()) for one in batch)
    assert first[1] == right / 200


def test_new_examples_and_both_splits_are_refused_before_there_is_a_run(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"'training\.fit_on' must be 'train' where 'data\.resample_each_epoch' is true"
    ):
        run.train(tiny.configure(MARKED, "training.fit_on=train+valid"), callback=tiny.Nobody())
    assert not list((tmp_path / "runs").glob("*"))


def test_running_text_has_no_sequences_to_score() -> None:
    config = tiny.configure(["python-gru"], "evaluation.train_sequences=5", "data.max_bytes=300000")
    with pytest.raises(UserError, match=r"'evaluation\.train_sequences' must be 0 for running text"):
        NetworkExperiment(config, config.data.build(), torch.device("cpu"))


ADDING = ["adding-lstm", "data.length=4", *MARKED[2:]]


def test_a_number_is_learned_scored_and_said() -> None:
    found = tiny.fit(ADDING, "training.epochs=12", "data.train=400", "training.optimizer.learning_rate=0.02")
    courses = {name: [value for _, value in tiny.records(found, name, "valid")] for name in ("loss", "mse")}
    assert courses["mse"][-1] < 0.07 < courses["mse"][0]
    # The loss is half of the mean squared error, and a constant.
    assert courses["loss"] == pytest.approx([mse / 2 + 0.918938533 for mse in courses["mse"]], rel=1e-6)
    assert tiny.summary(found)["best_step"] in range(1, 121)
    loaded = load_run(found)
    (answer,) = loaded.predict(["0.500,1 0.250,0 0.000,0 0.300,1"])
    assert answer == {"number": pytest.approx(0.8, abs=0.4)}
    (line, *_) = (found.path / "samples.jsonl").read_text().splitlines()
    assert "(labelled " in line
    with pytest.raises(UserError, match=r"2 numbers joined by commas, written as in 0.000 to 1.000, 0 to 1"):
        loaded.predict(["0.5,1 0.25,0"])


def test_the_mean_is_the_baseline_of_a_number() -> None:
    sizes = ["data.length=4", "data.train=500", "data.valid=300", "data.test=30"]
    config, _ = recipes.configure("adding-mean", sizes)
    found = run_folder.open_run(Path(run.train(config, callback=tiny.Nobody())["run"]))
    train, valid = (config.dataset().splits[name].targets for name in ("train", "valid"))
    assert train is not None
    assert valid is not None
    mse = float(np.mean((valid - train.mean()) ** 2))
    assert tiny.summary(found)["metrics"]["mse"] == pytest.approx(mse, rel=1e-9)
    assert load_run(found).predict(["0.500,1 0.250,0 0.000,0 0.300,1"]) == [{"number": train.mean()}]


def test_the_course_reads_eleven_one_hot_tokens_or_one_number() -> None:
    for embedding, inputs in (("one-hot", 11), ("numbers", 1)):
        config = tiny.configure(MARKED, f"model.embedding={embedding}")
        built = NetworkExperiment(config, config.dataset(), torch.device("cpu"))
        assert dict(built.model.named_parameters())["body.weight_ih_l0"].shape[1] == inputs
