"""A baseline's run: its folder, what it is used for, killed and run again, and what is refused."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import numpy as np
import own_files
import pytest
import tiny
from experiments import finished, killed_at, only_run

from seqlab.baselines.baseline import Baseline
from seqlab.data.oracle_floor import floor
from seqlab.data.ragged import ragged
from seqlab.data.sources.generated import GeneratedConfig
from seqlab.decode.sampling import SamplingOptions
from seqlab.evaluate.evaluation import diagnose_run, evaluate_run
from seqlab.evaluate.loaded import load_run
from seqlab.experiment import recipes
from seqlab.experiment.baseline_experiment import BaselineExperiment
from seqlab.experiment.experiment_config import BaselineExperimentConfig
from seqlab.experiment.parameter_counts import count
from seqlab.runs import checkpoints, run_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.config import canonical
from seqlab.schema.errors import UserError
from seqlab.schema.records import Scalar
from seqlab.training import run

SMALL = ["data.train=200", "data.valid=50", "data.test=50", "data.max_length=30"]
REVIEWS = ["imdb-nbsvm", "data.kind=reviews"]
GRAMS = ["brackets-floor", *SMALL, "baseline.kind=n-gram", "baseline.order=4"]
FLOOR = ["brackets-floor", *SMALL]
ALL = {"reviews": REVIEWS, "majority": [*REVIEWS, "baseline.kind=majority"], "grams": GRAMS, "floor": FLOOR}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    tiny.register(monkeypatch)


def configured(recipe: list[str]) -> BaselineExperimentConfig:
    config, _ = recipes.configure(recipe[0], recipe[1:])
    assert isinstance(config, BaselineExperimentConfig)
    return config


def fit(recipe: list[str]) -> RunFolder:
    summary = run.train(configured(recipe), callback=tiny.Nobody())
    return run_folder.open_run(Path(summary["run"]))


def fitted(recipe: list[str]) -> Baseline:
    config = configured(recipe)
    return BaselineExperiment(config, config.data.build()).fit()


@pytest.mark.parametrize("recipe", ALL.values(), ids=ALL)
def test_the_folder_is_that_of_any_run(recipe: list[str]) -> None:
    done = fit(recipe)
    files = {path.name for path in done.path.iterdir() if path.is_file()}
    assert files >= {"config.toml", "data.json", "environment.json", "records.jsonl", "timings.jsonl"}
    summary, card = done.summary(), done.card("valid")
    assert card is not None
    assert (summary["steps"], summary["best_step"], summary["stopped"]) == (0, 0, "fitted")
    assert summary["parameters"] == sum(fitted(recipe).parameters().values())
    assert card["metrics"] == summary["metrics"]
    assert (card["seed"], card["checkpoint_step"]) == (None, 0)
    assert {"training_seconds", "evaluation_seconds", "tokens_per_second", "peak_memory_mib"} <= set(
        summary["cost"]
    )
    records = {record.name: record.value for record, _ in done.records() if isinstance(record, Scalar)}
    assert records == {f"final_{name}": value for name, value in summary["metrics"].items()}
    again = tiny.Nobody()
    assert run.train(configured(recipe), callback=again) == summary
    assert again.messages[-1].endswith("is finished; nothing to do.")


@pytest.mark.parametrize("recipe", ALL.values(), ids=ALL)
def test_evaluated_from_its_folder_it_scores_the_same_bits(recipe: list[str]) -> None:
    done = fit(recipe)
    assert evaluate_run(done, "valid", ())["metrics"] == done.summary()["metrics"]
    config = configured(recipe)
    data, model = config.data.build(), fitted(recipe)
    nats = np.concatenate([piece.nats for piece in model.score(data.splits["test"], dense=False)])
    card = evaluate_run(done, "test", ("loss",))
    assert card["metrics"]["loss"] == pytest.approx(nats.mean(), rel=1e-14)
    assert card["sequences"] == len(data.splits["test"])


def test_what_is_left_out_by_default_can_be_asked_for() -> None:
    done = fit([*GRAMS, "task.metrics=loss"])
    assert set(done.summary()["metrics"]) == {"loss"}
    metrics = evaluate_run(done, "valid", ("loss", "accuracy"))["metrics"]
    assert metrics["loss"] == done.summary()["metrics"]["loss"]
    assert 0.5 < metrics["accuracy"] < 1


def test_the_floor_is_the_floor() -> None:
    data = configured(FLOOR).data
    assert isinstance(data, GeneratedConfig)
    loss = fit(FLOOR).summary()["metrics"]["loss"]
    assert loss == pytest.approx(floor(data.language(), data.build(), "valid"), rel=1e-12)
    assert fit(GRAMS).summary()["metrics"]["loss"] > loss


def test_a_bracket_grammar_s_ngram_is_between_floor_and_unigram() -> None:
    losses = [fit(recipe).summary()["metrics"]["loss"] for recipe in (GRAMS, [*GRAMS, "baseline.order=1"])]
    assert losses[0] < losses[1]


def test_predicts_from_its_folder_without_the_data() -> None:
    done = fit(REVIEWS)
    loaded = load_run(done)
    texts = ["a good film", "bad", "", "never seen"]
    found = loaded.predict(texts)
    ids = [loaded.tokenizer.encode(text) for text in texts]
    expected = np.exp(fitted(REVIEWS).predict(ragged(ids)))
    assert [list(answer.values()) for answer in found] == pytest.approx(expected, rel=1e-14)
    assert [max(answer, key=answer.__getitem__) for answer in found[:2]] == ["positive", "negative"]
    with pytest.raises(UserError, match=r"must hold a language model"):
        loaded.sample("", count=1, length=3, options=SamplingOptions(), seed=1)


@pytest.mark.parametrize("recipe", [GRAMS, FLOOR], ids=["grams", "floor"])
def test_samples_from_its_own_distribution(recipe: list[str]) -> None:
    """What 2,000 samples begin with, against the probabilities it has of them."""
    loaded = load_run(fit(recipe))
    texts = [
        text.text for text in loaded.sample("(", count=2000, length=2, options=SamplingOptions(), seed=1)
    ]
    ids, end = [loaded.tokenizer.encode(text) for text in ("(", "((", "()")], loaded.tokenizer.vocabulary.end
    start, model = loaded.tokenizer.vocabulary.start, fitted(recipe)
    assert start is not None
    probabilities = np.exp(model.predict(ragged([[start, *part] for part in ids])))
    opens, closes = ids[1][1], ids[2][1]
    for text, expected in {
        "((": probabilities[0, opens] * probabilities[1, opens],
        "()": probabilities[0, opens] * probabilities[1, closes],
        ")": probabilities[0, closes] * probabilities[2, end],
    }.items():
        error = np.sqrt(expected * (1 - expected) / 2000)
        # Padding and start are never drawn, which lifts the others by less than the error.
        assert abs(texts.count(text) / 2000 - expected) < 5 * error + 0.01
    with pytest.raises(UserError, match=r"must hold a classifier"):
        loaded.predict(["("])


def test_a_prompt_step_by_step_is_the_prompt_at_once() -> None:
    loaded = load_run(fit(GRAMS))
    longest = loaded.sample("(()", count=3, length=6, options=SamplingOptions(temperature=0), seed=1)
    mixed = [
        loaded.sample("(()", count=size, length=6, options=SamplingOptions(temperature=0), seed=1)[0]
        for size in (1, 2)
    ]
    assert mixed == [longest[0]] * 2


def test_parameters_are_counted_part_by_part() -> None:
    content = count(GRAMS[0], GRAMS[1:])
    assert [layer["layer"] for layer in content["layers"]][:2] == ["sequences of 1", "sequences of 2"]
    assert content["total"] == fit(GRAMS).summary()["parameters"]


@pytest.mark.parametrize("recipe", own_files.BASELINES)
def test_own_data(recipe: str, tmp_path: Path) -> None:
    done = fit([recipe, own_files.write(tmp_path, recipe, rows=60)])
    metrics = done.summary()["metrics"]
    assert metrics["accuracy"] == 1 if recipe == "text-nbsvm" else metrics["perplexity"] < 10


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (
            [*REVIEWS, "task.kind=language-model"],
            "'task.kind' must be 'classify' for the baseline 'nb-svm'. Got 'language-model'",
        ),
        ([*GRAMS, "task.kind=classify"], "'task.kind' must be 'language-model' for the baseline 'n-gram'"),
        (
            [*REVIEWS, "task.kind=language-model", "baseline.kind=oracle"],
            "'baseline.kind' must not be 'oracle' .* Got data.kind='reviews'",
        ),
        ([*GRAMS, "baseline.order=0"], "'baseline.order' must be greater than or equal to 1. Got 0"),
        ([*GRAMS, "baseline.order=-2"], "'baseline.order' must be greater than or equal to 1"),
        ([*REVIEWS, "baseline.C=0"], "'baseline.C' must be greater than 0"),
        ([*REVIEWS, "baseline.alpha=-1"], "'baseline.alpha' must be greater than 0"),
        ([*REVIEWS, "baseline.length=9"], "'baseline.length' must be less than or equal to 5"),
        ([*REVIEWS, "baseline.kind=nbsvm"], "There is no baseline 'nbsvm'. Nearest: 'nb-svm'"),
        ([*REVIEWS, "task.label_smoothing=0.1"], "There is no setting 'task.label_smoothing'"),
        ([*REVIEWS, "training.label_smoothing=0.1"], "There is no setting 'training.label_smoothing'"),
        ([*REVIEWS, "seed=2"], "There is no setting 'seed'"),
        ([*REVIEWS, "task.metrics=los,accuracy"], "There is no metric 'los'. Nearest: 'loss'"),
        ([*FLOOR, "task.metrics="], "'task.metrics' must"),
        ([*FLOOR, "task.kind=classify", "baseline.kind=majority"], "needs a dataset with at least 2 labels"),
    ],
)
def test_what_does_not_fit_is_refused(recipe: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        fit(recipe)
    assert run_folder.names() == []


def test_a_recipe_has_a_model_or_a_baseline(tmp_path: Path) -> None:
    path = tmp_path / "both.toml"
    path.write_text('base = "brackets-lstm"\n[baseline]\nkind = "n-gram"\n')
    with pytest.raises(UserError, match=r"either 'model' or 'baseline'\. Got both"):
        recipes.configure(str(path))
    with pytest.raises(UserError, match=r"'brackets-floor' must train a network"):
        recipes.network("brackets-floor")


def test_there_is_nothing_inside_to_look_at() -> None:
    with pytest.raises(UserError, match=r"must be of a network's run. Got a baseline, which has no layers"):
        diagnose_run(fit(GRAMS), ["gradient-through-time"], split="valid", rows=None)


def test_a_run_without_what_it_fitted_is_said() -> None:
    done = fit(GRAMS)
    path = done.checkpoints / checkpoints.name(0)
    kept = (path / checkpoints.BASELINE).read_bytes()
    (path / checkpoints.BASELINE).write_bytes(kept[:-8] + bytes(8))
    with pytest.raises(UserError, match=r"is damaged: the checksum of baseline.safetensors differs"):
        load_run(done)
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    with pytest.raises(UserError, match=r"must have a fitted baseline. Got none"):
        evaluate_run(done, "valid", ())


def test_every_setting_is_in_the_fingerprint() -> None:
    one, other = (configured([*GRAMS, f"baseline.order={order}"]) for order in (2, 3))
    assert canonical(one) != canonical(other)
    assert re.search(r'"order": 2', canonical(one))


def _outcome(done: RunFolder) -> list[bytes]:
    (kept,) = checkpoints.checkpoints(done.checkpoints)
    return [(kept / checkpoints.BASELINE).read_bytes(), (done.path / "records.jsonl").read_bytes()]


@pytest.mark.slow
def test_killed_anywhere_it_starts_anew_and_ends_the_same(tmp_path: Path) -> None:
    finished("train", *GRAMS, runs=tmp_path / "unbroken")
    expected = _outcome(only_run(tmp_path / "unbroken"))
    killed, call = 0, 1
    while True:
        runs = tmp_path / f"killed-{call}"
        status = killed_at(call, "train", *GRAMS, runs=runs, functions=("fsync", "rename", "replace"))
        if status == 0:
            break
        assert status == -signal.SIGKILL
        killed += 1
        if list(runs.glob("*/finished.json")):
            # Killed after the last rename: what counts as finished is whole.
            assert json.loads((only_run(runs).path / "finished.json").read_text())["stopped"] == "fitted"
        finished("train", *GRAMS, runs=runs)
        assert _outcome(only_run(runs)) == expected
        assert not list(only_run(runs).path.rglob(".writing-*"))
        call += 3
    assert killed > 4, "the test tested too little"
