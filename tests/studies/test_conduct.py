"""Carrying studies out: nothing is lost, nothing is run twice, the same result comes out."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from small_studies import RATE, SMALL, Viewer, carry_out, design, results, value

from seqlab import report
from seqlab.compare.oracle_metrics import ORACLE_METRICS
from seqlab.compare.study import read
from seqlab.compare.study_cells import cells, trial_runs
from seqlab.compare.study_importance import importances
from seqlab.compare.study_pairs import pairs
from seqlab.runs import run_folder, study_folder
from seqlab.schema.errors import DiskError, UserError, WorkError
from seqlab.studies import executors
from seqlab.studies import job as work
from seqlab.studies.axes import EPOCHS
from seqlab.studies.standing import state
from seqlab.training import run


def test_a_second_call_repeats_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    study = carry_out(design(seeds=[1, 2]))
    before = results(study)
    assert len(before) == 4
    monkeypatch.setattr(run, "train", lambda *a, **k: pytest.fail("a finished run was begun again"))
    viewer = Viewer()
    assert results(carry_out(design(seeds=[1, 2]), viewer=viewer)) == before
    assert viewer.began == []


def test_runs_are_those_that_train_makes_and_other_studies_find_them() -> None:
    work_of = design()
    study = carry_out(work_of)
    for one in trial_runs(study):
        config = work_of.experiment(one.trial.setting, one.trial.seed)
        assert run.run_path(config).name == one.trial.run
    viewer = Viewer()
    carry_out(design(name="other", seeds=[1, 2]), viewer=viewer)
    assert viewer.began == [3, 4], "the others are there"
    assert len(run_folder.names()) == 4


def test_processes_give_what_one_process_gives(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inline = results(carry_out(design(seeds=[1, 2])))
    monkeypatch.setenv("SEQLAB_RUNS", str(runs.parent / "others"))
    assert results(carry_out(design(seeds=[1, 2]), processes=2)) == inline


def test_a_failed_run_is_recorded_and_does_not_stop_the_rest() -> None:
    settings = {"axes": {RATE: [1e30, 0.1]}, "name": "fails"}
    viewer = Viewer()
    study = carry_out(design(**settings), viewer=viewer)
    assert viewer.outcomes == [(1, "failed"), (2, "finished")]
    first, second = cells(trial_runs(study), "loss")
    assert first.value is None
    assert "failed: The loss" in first.censored or "failed: " in first.censored
    assert second.value is not None
    again = Viewer()
    carry_out(design(**settings), viewer=again)
    assert again.began == [], "it is not tried again by itself"
    carry_out(design(**settings), retry=True, viewer=again)
    assert again.outcomes == [(1, "failed")]


def test_a_bug_in_one_run_is_recorded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    real = run.train

    def sometimes(config, **others):
        if config.training.optimizer.learning_rate == 0.01:
            raise RuntimeError("a bug")
        return real(config, **others)

    monkeypatch.setattr(run, "train", sometimes)
    study = carry_out(design())
    assert study.events()[1].reason == "RuntimeError: a bug"
    assert state(trial_runs(study)[1]) == "finished"


def test_interrupted_and_called_again_it_ends_with_the_same_result(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = results(carry_out(design(seeds=[1, 2])))
    monkeypatch.setenv("SEQLAB_RUNS", str(runs.parent / "broken"))
    for at in (3, 9, 17):

        class Stops(Viewer):
            steps = 0

            def news(self, number: int, share: float, words: str, at: int = at) -> None:
                self.steps += 1
                if self.steps == at:
                    os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(work, "SECONDS_BETWEEN_NEWS", 0.0)
        with pytest.raises(KeyboardInterrupt):
            carry_out(design(seeds=[1, 2]), viewer=Stops())
    assert results(carry_out(design(seeds=[1, 2]))) == whole


def test_epochs_are_cells_of_one_run_and_equal_runs_of_their_own() -> None:
    study = carry_out(design(axes={EPOCHS: [1, 3], RATE: [0.1]}))
    assert len(run_folder.names()) == 1
    found = {cell.epochs: cell.value for cell in cells(trial_runs(study), "loss")}
    for epochs in (1, 3):
        alone = carry_out(design(name=f"alone{epochs}", axes={EPOCHS: [epochs], RATE: [0.1]}))
        (one,) = trial_runs(alone)
        last = one.course("loss")[-1]
        assert last == (epochs, found[epochs]), "to the bit"


def test_a_row_that_ended_early_has_censored_cells() -> None:
    constant = {"patience": 1, "tensorboard": False, "schedule": {"kind": "constant"}}
    settings = {"training": constant, "data": {"train": 60, "valid": 20}}
    study = carry_out(design(axes={EPOCHS: [1, 30], RATE: [0.9]}, settings=settings))
    first, second = cells(trial_runs(study), "loss")
    assert first.value is not None
    assert second.value is None
    assert second.censored == "training ended before: no better for 1 validations"


def test_a_changed_study_is_refused_with_the_difference() -> None:
    carry_out(design())
    with pytest.raises(UserError, match=r"study.seeds was \[1\], is \[1, 2\].*name=small-2"):
        carry_out(design(seeds=[1, 2]))
    with pytest.raises(UserError, match=r"study.axes.*learning_rate was \[0.01, 0.1\], is \[0.01\]"):
        carry_out(design(axes={RATE: [0.01]}))


def test_a_changed_recipe_is_a_changed_study(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('base = "brackets-lstm"\nmodel.layers = 1\n')
    carry_out(design(base=str(recipe)))
    recipe.write_text('base = "brackets-lstm"\nmodel.layers = 2\n')
    with pytest.raises(UserError, match=r"recipes.*model.layers was 1, is 2"):
        carry_out(design(base=str(recipe)))


def test_two_processes_do_not_carry_out_one_study() -> None:
    study = carry_out(design())
    with study.lock(), pytest.raises(UserError, match="in use: another process runs this study"):
        carry_out(design())


def test_a_run_that_was_removed_is_trained_again_and_said(runs: Path) -> None:
    study = carry_out(design())
    before = results(study)
    shutil.rmtree(runs / next(iter(before)))
    viewer = Viewer()
    assert results(carry_out(design(), viewer=viewer)) == before
    assert viewer.began == [1]
    assert "The folder of run 1" in viewer.messages[0]


def test_a_damaged_run_is_named_with_the_remedy(runs: Path) -> None:
    before = results(carry_out(design()))
    (runs / next(iter(before)) / "finished.json").write_text("{")
    with pytest.raises(UserError, match=r"Run 1: .*finished.json is damaged.*Delete the folder"):
        carry_out(design())


def test_damaged_files_of_the_study_are_named() -> None:
    study = carry_out(design())
    (study.path / "trials.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match=r"trials.jsonl:1 is damaged"):
        study.trials()
    (study.path / "study.json").write_text("[]")
    with pytest.raises(UserError, match=r"study.json is damaged"):
        study.about()


def test_half_a_line_of_a_killed_process_is_forgotten() -> None:
    study = carry_out(design())
    known = study.trials()
    with (study.path / "trials.jsonl").open("a") as file:
        file.write('{"number": 3, "arch')
    assert study.trials() == known
    study.add_trial(known[0])
    assert study.trials() == [*known, known[0]]


def test_a_full_disk_stops_the_study_and_fails_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = run.train, []

    def full(config, **others):
        calls.append(config)
        if len(calls) == 2:
            raise DiskError("The disk is full. Free space there.")
        return real(config, **others)

    monkeypatch.setattr(run, "train", full)
    work_of = design(seeds=[1, 2])
    with pytest.raises(WorkError, match=r"The disk is full.*the same command goes on"):
        carry_out(work_of)
    study = study_folder.find("small")
    assert [event.state for event in study.events().values()] == ["finished"]
    assert len(calls) == 2
    carry_out(work_of)
    assert [state(one) for one in trial_runs(study)] == ["finished"] * 4


@pytest.mark.slow
def test_a_worker_that_dies_costs_one_attempt_and_nothing_else(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = results(carry_out(design(seeds=[1, 2])))
    monkeypatch.setenv("SEQLAB_RUNS", str(runs.parent / "others"))
    killed: list[int] = []

    real = executors._Worker.heard

    def heard(worker, watch):
        if not killed and worker.job is not None and worker.job.job.number == 2:
            killed.append(2)
            worker._process.kill()
        return real(worker, watch)

    monkeypatch.setattr(executors._Worker, "heard", heard)
    assert results(carry_out(design(seeds=[1, 2]), processes=2)) == whole
    assert killed == [2]


@pytest.mark.slow
def test_a_worker_that_always_dies_fails_its_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = executors._Worker.heard

    def heard(worker, watch):
        if worker.job is not None and worker.job.job.number == 1:
            worker._process.kill()
            worker._process.join()
        return real(worker, watch)

    monkeypatch.setattr(executors._Worker, "heard", heard)
    study = carry_out(design(), processes=2)
    assert "was killed by signal 9" in study.events()[1].reason
    assert state(trial_runs(study)[1]) == "finished"


def test_what_a_study_found_is_read_from_folders_alone() -> None:
    study = carry_out(design(axes={"model.cell": ["lstm", "elman"], RATE: [0.01, 0.1]}, seeds=[1, 2]))
    (found,) = read(study)
    assert found.monitor.unit == "nats per token"
    values = {one.trial.number: value(one) for one in trial_runs(study)}
    for group in found.groups:
        assert [cell.value for cell in group.cells] == [values[cell.run.trial.number] for cell in group.cells]
    medians = [group.summary.median for group in found.best]
    assert medians == sorted(m for m in medians if m is not None)
    compared = pairs(found).found
    assert {pair.seeds is not None and pair.items is not None for pair in compared} == {True}
    (effects,) = (one.effects for one in importances(found).found.values())
    assert {effect.name for effect in effects} == {
        "architecture",
        "learning_rate",
        "architecture x learning_rate",
    }
    assert found.refusal() is None
    json.dumps([pair.sentence for pair in compared])


def test_a_study_of_several_languages_is_judged_by_the_truth_in_parts() -> None:
    """Each dataset is a part of its own; the value of a cell is that of the truth card."""
    data = [{"kind": "brackets"}, {"kind": "counting", "letters": 3}]
    settings = {**SMALL, "data": {**SMALL["data"], "longer_max_length": 24, "longer": 5}}
    work = design(
        settings=settings,
        axes={"data": data, "model.cell": ["lstm", "elman"]},
        monitor="accepted_longer",
        success=0.9,
    )
    study = carry_out(work)
    parts = read(study)
    assert [part.part for part in parts] == ["brackets", "counting letters=3"]
    cards = {one.trial.run: one.folder.oracle_card() for one in trial_runs(study) if one.folder}
    assert len(cards) == 4
    for part in parts:
        assert part.monitor == ORACLE_METRICS["accepted_longer"]
        assert {group.architecture for group in part.best} == {"lstm", "elman"}
        assert part.refusal() is None
        for cell in part.cells:
            card = cards[cell.run.name]
            assert card is not None
            assert cell.value == card["metrics"]["accepted_longer"]
    page = report.write(
        [], study.path / "r.html", title="Parts", studies=[study], allow_incomparable=True
    ).read_text()
    assert "Study small, brackets" in page
    assert "Study small, counting" in page


def test_what_no_truth_card_has_is_refused() -> None:
    with pytest.raises(
        UserError,
        match="no metric to be judged by 'acepted'. Nearest: 'accepted'",  # noqa: RUF043
    ):
        design(monitor="acepted")
    with pytest.raises(UserError, match="'monitor' needs a grid without an axis of epochs"):
        design(monitor="divergence", axes={EPOCHS: [1, 2]})
