"""A grid of learning rates and epochs: cells of one run per rate, how rows end, and the test evaluation."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from small_studies import RATE, StudyRecorder, run_small, small_design

from seqlab.comparison.study import read
from seqlab.comparison.study_cells import EarlyEnd, StudyCell, open_study, trial_runs
from seqlab.comparison.study_choice import chosen, interval_of, on_test
from seqlab.comparison.study_importance import importances
from seqlab.evaluate.evaluation import evaluate_run
from seqlab.report.chapters import chapters
from seqlab.report.run_data import read_run
from seqlab.report.study.chapter_study import chapter_studies, study_run_labels, study_runs
from seqlab.report.study.grid_heat_map import grid_heat_map
from seqlab.runs import run_folder
from seqlab.runs.study_folder import StudyFolder
from seqlab.schema.errors import UserError
from seqlab.schema.metric_spec import MetricSpec
from seqlab.studies import design, run_study
from seqlab.studies.axes import EPOCHS
from seqlab.studies.design import Design
from seqlab.studies.forecast import forecast
from seqlab.studies.resources import Resources
from seqlab.studies.trial_state import state

RATES, BUDGETS = [10.0, 1.0, 0.001], [1, 2, 4, 8]
DIGITS = {
    "data": {"train": 120, "valid": 40, "test": 40, "length": 3, "resample_each_epoch": False},
    "model": {"hidden_size": 6},
    "batching": {"batch_size": 20},
    "training": {
        "tensorboard": False,
        "clip_norm": "none",
        "patience": "none",
        "optimizer": {"kind": "sgd", "momentum": 0.9, "learning_rate": 0.01},
    },
    "samples": {"count": 0},
}
ACCURACY = MetricSpec(name="accuracy", unit="fraction of texts", better="higher")


def grid_design(**changes: Any) -> Design:
    axes = {
        "base": ["marked-addition-elman", "marked-addition-lstm"],
        RATE: RATES,
        EPOCHS: BUDGETS,
    }
    return small_design(**{"base": None, "settings": DIGITS, "axes": axes, **changes})


def with_training(**changes: Any) -> dict[str, Any]:
    return {**DIGITS, "training": {**DIGITS["training"], **changes}}


def by_setting(study: StudyFolder) -> dict[tuple[str, float, int], StudyCell]:
    (part,) = read(study)
    return {(cell.architecture, cell.setting[RATE], cell.setting[EPOCHS]): cell for cell in part.cells}


def heat_map_rows(study: StudyFolder) -> dict[tuple[str, str, str], Any]:
    opened = open_study(study)
    runs = [read_run(run) for run in study_runs(opened)]
    (shown,) = chapter_studies(opened, chapters(runs, run_labels=study_run_labels(opened)))
    figure = grid_heat_map(shown)
    assert figure is not None
    return {(str(row["architecture"]), str(row["down"]), str(row["across"])): row for row in figure.rows}


def test_every_cell_of_the_heat_map_equals_a_run_of_its_own_to_the_bit() -> None:
    """Of a run with as many epochs as the cell's budget, whose last weights are its result."""
    study = run_small(grid_design())
    assert len(run_folder.names()) == 2 * len(RATES)
    shown = heat_map_rows(study)
    assert len(shown) == 2 * len(RATES) * len(BUDGETS)
    for budget in BUDGETS[:-1]:
        axes = {"base": ["marked-addition-elman", "marked-addition-lstm"], RATE: RATES}
        settings = with_training(epochs=budget, result="last")
        alone = run_small(grid_design(name=f"alone-{budget}", axes=axes, settings=settings))
        for run in trial_runs(alone):
            assert run.summary is not None
            key = (run.trial.architecture, str(run.trial.setting[RATE]), str(budget))
            assert shown[key]["value"] == run.summary["metrics"]["accuracy"]


def test_the_best_of_each_rate_and_of_each_heat_map_are_marked() -> None:
    shown = heat_map_rows(run_small(grid_design()))
    for name in ("elman", "lstm"):
        rows = {key: row for key, row in shown.items() if key[0] == name}
        best = max(row["value"] for row in rows.values())
        assert {row["value"] for row in rows.values() if row["overall"]} == {best}
        for rate in RATES:
            of_rate = [row for key, row in rows.items() if key[1] == str(rate)]
            highest = max(row["value"] for row in of_rate)
            assert all((row["best"] == "yes") == (row["value"] == highest) for row in of_rate)


def test_the_best_cell_of_each_model_on_test_equals_a_run_of_its_own() -> None:
    made = grid_design()
    study = run_small(made)
    evaluation = run_study.evaluate_study(made, study, Resources(threads=1), StudyRecorder())
    found = {score.architecture: score.card["metrics"] for score in open_study(study).tested}
    assert found.keys() == {"elman", "lstm"}
    for group, (card,) in zip(evaluation.choices, evaluation.cards, strict=True):
        settings = with_training(epochs=group.setting[EPOCHS], result="last")
        axes = {"base": [f"marked-addition-{group.architecture}"], RATE: [group.setting[RATE]]}
        alone = run_small(grid_design(name=f"alone-{group.architecture}", axes=axes, settings=settings))
        (run,) = trial_runs(alone)
        assert run.folder is not None
        assert card["metrics"] == evaluate_run(run.folder, "test", ())["metrics"] == found[group.architecture]
    (part,) = read(study)
    sentences = on_test(open_study(study).tested, part)
    assert [sentence.partition(":")[0] for sentence in sentences] == [g.architecture for g in part.best]
    assert all("95 % interval over 40 texts" in sentence for sentence in sentences)


def test_what_the_choice_of_the_best_is_worth_is_said() -> None:
    (part,) = read(run_small(grid_design()))
    *each, note = chosen(part)
    best = part.best[0]
    interval = interval_of(best.summary.median or 0.0, 40, ACCURACY)
    assert interval is not None
    assert each[0].startswith(
        f"{best.architecture} at {best.label}: {100 * (best.summary.median or 0):.0f} %"
    )
    assert f"95 % interval over 40 texts {100 * interval.ends[0]:.0f} % to" in each[0]
    assert "the best of up to 12 settings" in note
    assert "optimistic" in note
    assert chosen(dataclasses.replace(part, cells=part.cells[:4])) == [], (
        "the best of few is as good as known"
    )


def test_a_saturated_row_is_stopped_and_no_failure() -> None:
    axes = {RATE: RATES, EPOCHS: BUDGETS}
    made = grid_design(base="marked-addition-elman", axes=axes, settings=with_training(patience=2))
    study = run_small(made)
    stopped = [cell for cell in by_setting(study).values() if cell.value is None]
    assert stopped
    shown = heat_map_rows(study)
    for cell in stopped:
        summary = cell.run.summary
        assert summary is not None
        assert cell.ending == EarlyEnd("stopped", summary["epochs"])
        assert cell.censored == f"stopped after epoch {summary['epochs']:g}: no improvement in 2 validations"
        row = shown[cell.architecture, str(cell.setting[RATE]), str(cell.epochs)]
        assert (row["value"], row["ending"], row["best"]) == (None, "stopped", None)
        first = min(epochs for epochs in BUDGETS if epochs > summary["epochs"])
        assert row["text"] == (f"at {summary['epochs']:g}" if cell.epochs == first else "")
    (part,) = read(study)
    (spread,) = part.reliability
    assert (spread.settings, spread.censored) == (len(part.cells) - len(stopped), 0)
    assert all(found.cells == spread.settings for found in importances(part).found.values())


@pytest.fixture
def diverging() -> Design:
    """The loss of a rate of 10 is several nats at once; that of 0.001 stays at ln 19 = 2.94."""
    axes = {"base": ["marked-addition-elman"], RATE: [10.0, 0.001], EPOCHS: BUDGETS}
    return grid_design(axes=axes, loss_limit=3.5)


def test_a_row_whose_loss_is_too_large_has_diverged(diverging: Design) -> None:
    recorder = StudyRecorder()
    study = run_small(diverging, recorder=recorder)
    assert recorder.outcomes == [(1, "diverged"), (2, "finished")]
    (run, _) = trial_runs(study)
    *earlier, (epoch, loss) = run.course("loss")
    assert all(value <= 3.5 for _, value in earlier)
    assert loss > 3.5
    assert run.event is not None
    assert run.event.reason == f"validation loss {loss:.4g} after epoch {epoch:g}, above 'loss_limit', 3.5"
    cells, shown = by_setting(study), heat_map_rows(study)
    for budget in BUDGETS:
        cell, row = cells["elman", 10.0, budget], shown["elman", "10.0", str(budget)]
        assert (cell.value is None) == (budget > epoch)
        if cell.value is None:
            assert cell.ending == EarlyEnd("diverged", epoch)
            assert row["ending"] == "diverged"
    (part,) = read(study)
    (spread,) = part.reliability
    assert spread.settings == len(cells)
    assert spread.censored == sum(budget > epoch for budget in BUDGETS), "a failure, unlike a saturated row"


def test_a_run_that_was_killed_while_it_was_stopped_has_diverged_all_the_same(diverging: Design) -> None:
    study = run_small(diverging)
    event = study.events()[1]
    (study.path / "events.jsonl").write_text("")
    recorder = StudyRecorder()
    assert run_small(diverging, recorder=recorder).events()[1] == event
    assert recorder.started_numbers == []


def test_without_a_limit_another_study_trains_the_same_run_on(diverging: Design) -> None:
    run_small(diverging)
    free = grid_design(name="free", axes=diverging.config.axes)
    assert [state(run) for run in trial_runs(run_small(free))] == ["finished", "finished"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"settings": with_training(fit_on="train+valid")},
            r"Axis 'training.epochs' needs a validation split, .* Got 'training.fit_on' is 'train\+valid'",
        ),
        (
            {"settings": {**DIGITS, "task": {"metrics": ["accuracy"]}}, "loss_limit": 3.5},
            r"'loss_limit' needs the metric 'loss' of every run. Got task.metrics=accuracy. Nearest: task",
        ),
    ],
)
def test_what_cannot_be_read_along_a_run_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        run_small(grid_design(**changes))


def test_where_the_schedule_depends_on_the_length_each_budget_is_a_run() -> None:
    axes = {RATE: [0.1], EPOCHS: [1, 2]}
    settings = with_training(schedule={"kind": "cosine"})
    study = run_small(grid_design(base="marked-addition-elman", axes=axes, settings=settings))
    assert [trial.config["training"]["epochs"] for trial in study.trials()] == [1, 2]


def test_the_plan_counts_runs_and_cells_and_what_the_test_evaluation_trains_again() -> None:
    planned = forecast(grid_design(), Resources(threads=1), 1)
    assert planned.sentences[0] == "small: 6 runs, 24 cells."
    assert planned.sentences[1].startswith("One run to the most epochs answers for all of them: ")
    assert planned.final_seconds == pytest.approx(sum(row.run_seconds for row in planned.rows))
    winner = forecast(grid_design(final={"of": "winner"}), Resources(threads=1), 1)
    assert 0 < winner.final_seconds < winner.seconds


def test_a_study_without_cells_within_runs_trains_nothing_again_for_the_test_split() -> None:
    assert forecast(small_design(), Resources(threads=1), 1).final_seconds == 0


@pytest.mark.parametrize(
    ("name", "runs", "cells"),
    [("imdb-grid", 35, 420), ("imdb-grid-small", 35, 210), ("imdb-lstm-why", 96, 96)],
)
def test_the_grids_of_film_reviews_have_the_cells_of_the_course(name: str, runs: int, cells: int) -> None:
    shipped = Design(design.read(name))
    sizes = {axis.key: int(axis.size) for axis in shipped.axes}
    epochs = sizes.pop(EPOCHS, 1)
    settings = shipped.config.search.runs_per_architecture(shipped.setting_axes, len(shipped.config.seeds))
    assert settings * len(shipped.architectures) == cells
    assert cells // epochs == runs
    for architecture in shipped.architectures:
        assert not shipped.example(architecture).training.schedule.depends_on_length
