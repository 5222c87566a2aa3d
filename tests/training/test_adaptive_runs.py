"""Runs with an adaptive softmax: resumed, scored and sampled like those of any language model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny

from seqlab import cli
from seqlab.evaluate.evaluation import evaluate_run
from seqlab.evaluate.loaded import load_run
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError
from seqlab.training import run

pytestmark = pytest.mark.usefixtures("run_folders")

WORDS = [
    "toy-words-lstm",
    *("data.train=80", "data.valid=30", "data.test=30", "batching.tokens=100"),
    *("model.embedding_size=8", "model.hidden_size=16", "model.cutoffs=[6,15]", "model.dropout=0.2"),
    *("training.epochs=2", "training.record_every=1", "training.tensorboard=false"),
    *("samples.count=2", "samples.checked=20", "samples.checked_at_end=50"),
]
FEATURES, CUTOFFS = 16, (6, 15)


@pytest.fixture
def made() -> RunFolder:
    return tiny.fit(WORDS)


@pytest.mark.parametrize("step", [1, 7])
def test_resumed_as_never_stopped(step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = [*WORDS, "training.checkpoint_seconds=0"]
    whole = tiny.fit(recipe)
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "broken"))
    broken = tiny.broken_off(recipe, step=step)
    run.resume(broken, callback=tiny.Nobody())
    for file in ("records.jsonl", "samples.jsonl"):
        assert (broken.path / file).read_text() == (whole.path / file).read_text()


def test_the_loss_falls_and_is_the_same_with_and_without_outputs(made: RunFolder) -> None:
    losses = [loss for _, loss in tiny.records(made, "loss")]
    assert losses[-1] < losses[0] - 0.5
    found = evaluate_run(made, split="valid", metrics=["loss", "accuracy"])["metrics"]
    # Validation while training read no outputs in the second run.
    alone = tiny.fit(WORDS, "task.metrics=loss")
    assert min(loss for _, loss in tiny.records(alone, "loss", "valid")) == pytest.approx(
        found["loss"], rel=1e-5
    )


def test_commands_take_it(made: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    tokens = len(load_run(made).tokenizer.vocabulary)
    assert tokens > CUTOFFS[-1]
    assert cli.run(["sample", made.path.name, "--count", "3", "--prompt", "the"]) == 0
    assert capsys.readouterr().out.startswith("[1] the")
    assert cli.run(["params", *WORDS, "--json"]) == 0
    layers = json.loads(capsys.readouterr().out)[WORDS[0]]["layers"]
    found = {layer["layer"]: layer["parameters"] for layer in layers if layer["layer"].startswith("head")}
    assert found == {
        "head.head": (FEATURES + 1) * (6 + 2),
        "head.tail.0.0": FEATURES * FEATURES // 4,
        "head.tail.0.1": FEATURES // 4 * (15 - 6),
        "head.tail.1.0": FEATURES * FEATURES // 16,
        "head.tail.1.1": FEATURES // 16 * (tokens - 15),
    }


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "model.cutoffs=[6,1000]",
            r"'model\.cutoffs' must be less than \d+, .*Got \[6, 1000\]\. Nearest: \[6\]",
        ),
        ("data.tokenizer.kind=characters", r"'model\.cutoffs' must be empty unless the tokenizer orders"),
        ("model.tied=true", r"'model.tied' must be false where there are 'model.cutoffs'"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        tiny.fit(WORDS, override)
