"""Evaluating a run: what its card keeps, and what is refused before anything is scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny

from seqlab.evaluate.evaluation import diagnose_run, evaluate_run
from seqlab.experiment import recipes
from seqlab.runs import run_folder
from seqlab.runs.cards import POSITION_CURVES
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError
from seqlab.training import run as training_run


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def content(run: RunFolder) -> dict[str, bytes]:
    """Everything that an evaluation could change."""
    files = [path for part in ("cards", "scores") for path in (run.path / part).iterdir()]
    return {path.name: path.read_bytes() for path in [*files, run.path / "records.jsonl"]}


def test_a_curve_is_added_to_the_card() -> None:
    run = tiny.fit(tiny.BRACKETS)
    before, scores = run.card("valid"), run.scores("valid")
    found = evaluate_run(run, "valid", ["loss_per_position"])
    after = run.card("valid")
    assert before is not None
    assert after is not None
    assert scores is not None
    assert found["metrics"] == {}
    assert set(found["curves"]) == set(POSITION_CURVES)
    assert after["metrics"] == before["metrics"]
    x, y = found["curves"]["loss_per_position"]["x"], found["curves"]["loss_per_position"]["y"]
    assert list(after["curves"]["loss_per_position"]["y"]) == list(y)
    assert after["signatures"] == before["signatures"] | found["signatures"]
    # The mean over positions, weighted by the number of targets at each, is the loss.
    lengths = np.diff(tiny.configure(tiny.BRACKETS).dataset().splits["valid"].text.offsets) + 1
    counts = [(lengths >= position).sum() for position in x]
    assert list(found["curves"]["loss_per_position_targets"]["y"]) == counts
    mean = np.average(y, weights=counts)
    assert mean == pytest.approx(before["metrics"]["loss"], rel=1e-6)
    kept = run.scores("valid")
    assert kept is not None
    assert kept.right.tolist() == scores.right.tolist()
    assert kept.right.sum() > 0


def test_numbers_of_other_weights_are_not_kept() -> None:
    run = tiny.fit(tiny.BRACKETS)
    card = run.card("valid")
    assert card is not None
    run.write_card({**card, "checkpoint_step": card["checkpoint_step"] + 1})
    assert evaluate_run(run, "valid", ["accuracy"]) == run.card("valid")


NETWORK = [*tiny.BRACKETS]
BASELINES = [
    ["brackets-floor", "data.train=60", "data.valid=20", "data.test=20"],
    ["text-5gram", "data.path=own.txt", "baseline.order=2"],
    ["text-nbsvm", "data.path=own.csv"],
    ["marked-addition-majority", "data.train=60", "data.valid=20", "data.test=20"],
    ["adding-mean", "data.train=60", "data.valid=20", "data.test=20"],
]


@pytest.mark.parametrize("recipe", [NETWORK, *BASELINES], ids=lambda recipe: recipe[0])
def test_a_metric_of_another_task_changes_nothing(
    recipe: list[str], folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folders)
    Path("own.txt").write_text("a small text\n" * 30)
    Path("own.csv").write_text("text,label\n" + "".join(f"bad {i},no\ngood {i},yes\n" for i in range(9)))
    config, _ = recipes.configure(recipe[0], recipe[1:])
    wrong = "perplexity" if config.task.output == "number" else "mse"
    summary = training_run.train(config, callback=tiny.Nobody())
    run = run_folder.open_run(Path(summary["run"]))
    before = content(run)
    with pytest.raises(UserError, match=rf"must be defined for what the task predicts, .* Got '{wrong}'"):
        evaluate_run(run, "valid", ["loss", wrong])
    assert content(run) == before
    if config.task.output == "number":
        return  # its settings name the metrics there are
    changed, _ = recipes.configure(recipe[0], [*recipe[1:], f"task.metrics=loss,accuracy,{wrong}"])
    with pytest.raises(UserError, match=rf"must be defined for what the task predicts, .* Got '{wrong}'"):
        training_run.train(changed, callback=tiny.Nobody())
    assert run_folder.names() == [run.path.name]


def test_other_data_is_refused_and_nothing_changes(folders: Path) -> None:
    table = folders / "own.csv"
    rows = "".join(f"bad {i},no\ngood {i},yes\n" for i in range(9))
    table.write_text(f"text,label\n{rows}")
    config, _ = recipes.configure("text-nbsvm", [f"data.path={table}"])
    run = run_folder.open_run(Path(training_run.train(config, callback=tiny.Nobody())["run"]))
    before, then = content(run), config.data.content_hash()
    table.write_text(f"text,label\n{rows}good 9,yes\n")
    now = config.data.content_hash()
    old, new = rf".*own\.csv.*, SHA-256 {then[:12]}", rf".*own\.csv.*, SHA-256 {now[:12]}"
    words = rf"the data it began with: {old}\. Got other content: {new}\. Restore the data"
    with pytest.raises(UserError, match=words):
        evaluate_run(run, "valid", ())
    with pytest.raises(UserError, match=words):
        diagnose_run(run, ["gradient-through-time"], split="valid", rows=None)
    assert content(run) == before
    table.write_text(f"text,label\n{rows}")
    assert evaluate_run(run, "valid", ())["metrics"] == run.summary()["metrics"]


def test_texts_of_other_splits_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.register(monkeypatch)
    card = tiny.fit(tiny.REVIEWS).card("valid")
    assert card is not None
    assert (card["equal_to_training"], card["equal_to_others"]) == (8, {"test": 8})
