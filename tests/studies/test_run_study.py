"""Running studies: nothing is lost, nothing is run twice, the result is the same."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import tiny
from small_studies import RATE, SMALL, StudyRecorder, results, run_small, small_design, value

from seqlab import report
from seqlab.comparison.oracle_metrics import ORACLE_METRICS
from seqlab.comparison.study import read
from seqlab.comparison.study_cells import EarlyEnd, cells, trial_runs
from seqlab.comparison.study_importance import importances
from seqlab.comparison.study_oracle import oracle_gaps
from seqlab.comparison.study_pairs import pairs
from seqlab.runs import run_folder, study_folder
from seqlab.runs.study_records import Event, Trial
from seqlab.schema.errors import DiskError, InUseError, UserError, WorkError
from seqlab.studies import job, worker
from seqlab.studies.axes import EPOCHS
from seqlab.studies.job import JobOutcome
from seqlab.studies.trial_state import state
from seqlab.training import run


def test_a_second_call_repeats_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    study = run_small(small_design(seeds=[1, 2]))
    before = results(study)
    assert len(before) == 4
    monkeypatch.setattr(run, "train", lambda *a, **k: pytest.fail("a finished run was trained again"))
    recorder = StudyRecorder()
    assert results(run_small(small_design(seeds=[1, 2]), recorder=recorder)) == before
    assert recorder.started_numbers == []


def test_runs_are_those_of_the_train_command_and_other_studies_reuse_them() -> None:
    design = small_design()
    study = run_small(design)
    for trial_run in trial_runs(study):
        config = design.experiment(trial_run.trial.setting, trial_run.trial.seed)
        assert run.run_reference(config) == trial_run.trial.run
    recorder = StudyRecorder()
    run_small(small_design(name="other", seeds=[1, 2]), recorder=recorder)
    assert recorder.started_numbers == [3, 4], "the others exist already"
    assert len(run_folder.names()) == 4


@pytest.mark.slow
def test_several_processes_give_the_results_of_one(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inline = results(run_small(small_design(seeds=[1, 2])))
    monkeypatch.setenv("SEQLAB_RUNS", str(runs.parent / "others"))
    assert results(run_small(small_design(seeds=[1, 2]), processes=2)) == inline


def test_a_diverged_run_is_recorded_and_does_not_stop_the_rest() -> None:
    settings = {"axes": {RATE: [1e30, 0.1]}, "name": "diverges"}
    recorder = StudyRecorder()
    study = run_small(small_design(**settings), recorder=recorder)
    assert recorder.outcomes == [(1, "diverged"), (2, "finished")]
    first, second = cells(trial_runs(study), "loss")
    assert first.value is None
    assert first.censored.startswith("diverged: The ")
    assert first.ending == EarlyEnd("diverged", 0)
    assert second.value is not None
    again = StudyRecorder()
    run_small(small_design(**settings), retry=True, recorder=again)
    assert again.started_numbers == [], "the same settings would diverge again"


def test_a_failed_run_is_recorded_and_tried_again_when_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = run.train

    def train(config, **others):
        if config.training.optimizer.learning_rate == 0.01:
            raise WorkError("The device is gone.")
        return real(config, **others)

    monkeypatch.setattr(run, "train", train)
    recorder = StudyRecorder()
    study = run_small(small_design(), recorder=recorder)
    assert recorder.outcomes == [(1, "failed"), (2, "finished")]
    assert cells(trial_runs(study), "loss")[0].censored == "failed: The device is gone."
    again = StudyRecorder()
    run_small(small_design(), recorder=again)
    assert again.started_numbers == [], "it is not retried without being asked to"
    run_small(small_design(), retry=True, recorder=again)
    assert again.outcomes == [(1, "failed")]


def test_an_internal_error_in_a_run_is_recorded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    real = run.train

    def sometimes(config, **others):
        if config.training.optimizer.learning_rate == 0.01:
            raise RuntimeError("a bug")
        return real(config, **others)

    monkeypatch.setattr(run, "train", sometimes)
    study = run_small(small_design())
    assert study.events()[1].reason == "RuntimeError: a bug."
    assert state(trial_runs(study)[1]) == "finished"


def test_interrupted_and_resumed_it_ends_with_the_same_result(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = results(run_small(small_design(seeds=[1, 2])))
    monkeypatch.setenv("SEQLAB_RUNS", str(runs.parent / "broken"))
    for at in (3, 9, 17):

        class StopsAt(StudyRecorder):
            steps = 0

            def progressed(self, number: int, share: float, text: str, at: int = at) -> None:
                self.steps += 1
                if self.steps == at:
                    os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(job, "SECONDS_BETWEEN_REPORTS", 0.0)
        with pytest.raises(KeyboardInterrupt):
            run_small(small_design(seeds=[1, 2]), recorder=StopsAt())
    assert results(run_small(small_design(seeds=[1, 2]))) == whole


def test_epochs_are_cells_of_one_run_and_equal_separate_runs() -> None:
    study = run_small(small_design(axes={EPOCHS: [1, 3], RATE: [0.1]}))
    assert len(run_folder.names()) == 1
    by_epochs = {cell.epochs: cell.value for cell in cells(trial_runs(study), "loss")}
    for epochs in (1, 3):
        alone = run_small(small_design(name=f"alone{epochs}", axes={EPOCHS: [epochs], RATE: [0.1]}))
        (trial_run,) = trial_runs(alone)
        last = trial_run.course("loss")[-1]
        assert last == (epochs, by_epochs[epochs]), "to the bit"


def test_a_run_that_ended_early_has_censored_cells() -> None:
    constant = {"patience": 1, "tensorboard": False, "schedule": {"kind": "constant"}}
    settings = {"training": constant, "data": {"train": 60, "valid": 20}}
    study = run_small(small_design(axes={EPOCHS: [1, 30], RATE: [0.9]}, settings=settings))
    first, second = cells(trial_runs(study), "loss")
    assert first.value is not None
    assert second.value is None
    (ended,) = (run.summary for run in trial_runs(study))
    assert ended is not None
    assert second.censored == f"stopped after epoch {ended['epochs']:g}: no improvement in 1 validations"
    assert second.ending == EarlyEnd("stopped", ended["epochs"])


def test_a_changed_study_is_refused_with_the_difference() -> None:
    run_small(small_design())
    with pytest.raises(UserError, match=r"study.seeds was \[1\], is \[1, 2\].*name=small-2"):
        run_small(small_design(seeds=[1, 2]))
    with pytest.raises(UserError, match=r"study.axes.*learning_rate was \[0.01, 0.1\], is \[0.01\]"):
        run_small(small_design(axes={RATE: [0.01]}))


def test_a_changed_recipe_is_a_changed_study(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('base = "brackets-lstm"\nmodel.layers = 1\n')
    run_small(small_design(base=str(recipe)))
    recipe.write_text('base = "brackets-lstm"\nmodel.layers = 2\n')
    with pytest.raises(UserError, match=r"recipes.*model.layers was 1, is 2"):
        run_small(small_design(base=str(recipe)))


def test_two_processes_cannot_run_one_study() -> None:
    study = run_small(small_design())
    with study.lock(), pytest.raises(InUseError, match="in use: another process runs this study"):
        run_small(small_design())


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_in_use_is_no_failure_and_the_study_comes_back_to_it(
    runs: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    """Another process trains the first run; it ends once the study has nothing else to do."""
    whole = results(run_small(small_design(seeds=[1, 2])))
    monkeypatch.setenv("SEQLAB_RUNS", str(runs.parent / "others"))
    design = small_design(seeds=[1, 2])
    config = design.experiment({RATE: 0.01}, 1)
    with pytest.raises(KeyboardInterrupt):
        run.train(config, threads=1, callback=tiny.Nobody(tiny.stop_at(3)))
    held = run_folder.open_run(run_folder.resolve(run.run_reference(config))).lock()
    held.__enter__()

    class Releases(StudyRecorder):
        released = False

        def ended(self, trial: Trial, outcome: JobOutcome, value: float | None) -> None:
            super().ended(trial, outcome, value)
            # A process may begin with the first run only after the others ended.
            others = [state for _, state in self.outcomes].count("finished") == 3
            if others and (1, "in use") in self.outcomes and not self.released:
                self.released = True
                held.__exit__(None, None, None)

    recorder = Releases()
    study = run_small(design, processes=processes, recorder=recorder)
    assert (1, "in use") in recorder.outcomes
    assert recorder.outcomes[-1] == (1, "finished")
    assert any("Another process trains run 1" in message for message in recorder.messages)
    assert {event.state for event in study.events().values()} == {"finished"}
    assert results(study) == whole


def test_whoever_ends_a_run_its_result_counts() -> None:
    """A finished folder counts whatever was recorded of an earlier attempt."""
    study = run_small(small_design())
    study.add_event(Event(trial=1, state="failed", reason="in use by another process"))
    study.add_event(Event(trial=2, state="pruned", reason="others were better"))
    assert [state(trial_run) for trial_run in trial_runs(study)] == ["finished"] * 2
    assert [cell.censored for cell in cells(trial_runs(study), "loss")] == ["", ""]
    recorder = StudyRecorder()
    run_small(small_design(), recorder=recorder)
    assert recorder.started_numbers == []


def test_a_study_in_which_every_run_fails_has_failed() -> None:
    study = run_small(small_design(axes={RATE: [1e30]}))
    with pytest.raises(
        WorkError, match=r"'small' must have a finished run. Got none. Run 1 diverged: The .*nan"
    ):
        read(study)


def test_a_removed_run_is_trained_again_with_a_message(runs: Path) -> None:
    study = run_small(small_design())
    before = results(study)
    shutil.rmtree(runs / next(iter(before)))
    recorder = StudyRecorder()
    assert results(run_small(small_design(), recorder=recorder)) == before
    assert recorder.started_numbers == [1]
    assert "The folder of run 1" in recorder.messages[0]


def test_a_damaged_run_is_named_with_the_remedy(runs: Path) -> None:
    before = results(run_small(small_design()))
    (runs / next(iter(before)) / "finished.json").write_text("{")
    with pytest.raises(UserError, match=r"Run 1: .*finished.json is damaged.*Delete the folder"):
        run_small(small_design())


def test_damaged_files_of_the_study_are_named() -> None:
    study = run_small(small_design())
    (study.path / "trials.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match=r"trials.jsonl:1 is damaged"):
        study.trials()
    (study.path / "study.json").write_text("[]")
    with pytest.raises(UserError, match=r"study.json is damaged"):
        study.about()


def test_an_incomplete_line_of_a_killed_process_is_ignored() -> None:
    study = run_small(small_design())
    known = study.trials()
    with (study.path / "trials.jsonl").open("a") as file:
        file.write('{"number": 3, "arch')
    assert study.trials() == known
    added = dataclasses.replace(known[0], number=len(known) + 1)
    study.add_trial(added)
    assert study.trials() == [*known, added]


def test_a_full_disk_stops_the_study_and_fails_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = run.train, []

    def full(config, **others):
        calls.append(config)
        if len(calls) == 2:
            raise DiskError("The disk is full. Free space there.")
        return real(config, **others)

    monkeypatch.setattr(run, "train", full)
    design = small_design(seeds=[1, 2])
    with pytest.raises(WorkError, match=r"The disk is full.*the same command continues"):
        run_small(design)
    study = study_folder.find("small")
    assert [event.state for event in study.events().values()] == ["finished"]
    assert len(calls) == 2
    run_small(design)
    assert [state(trial_run) for trial_run in trial_runs(study)] == ["finished"] * 4


@pytest.mark.slow
def test_a_worker_that_dies_costs_one_attempt_and_nothing_else(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = results(run_small(small_design(seeds=[1, 2])))
    monkeypatch.setenv("SEQLAB_RUNS", str(runs.parent / "others"))
    killed: list[int] = []

    real = worker.Worker.receive

    def receive(busy, callback):
        if not killed and busy.attempt is not None and busy.attempt.job.number == 2:
            killed.append(2)
            busy._process.kill()
        return real(busy, callback)

    monkeypatch.setattr(worker.Worker, "receive", receive)
    assert results(run_small(small_design(seeds=[1, 2]), processes=2)) == whole
    assert killed == [2]


@pytest.mark.slow
def test_a_worker_that_always_dies_fails_its_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = worker.Worker.receive

    def receive(busy, callback):
        if busy.attempt is not None and busy.attempt.job.number == 1:
            busy._process.kill()
            busy._process.join()
        return real(busy, callback)

    monkeypatch.setattr(worker.Worker, "receive", receive)
    study = run_small(small_design(), processes=2)
    assert "was killed by signal 9" in study.events()[1].reason
    assert state(trial_runs(study)[1]) == "finished"


def test_the_results_of_a_study_are_read_from_folders_alone() -> None:
    study = run_small(small_design(axes={"model.cell": ["lstm", "elman"], RATE: [0.01, 0.1]}, seeds=[1, 2]))
    (part,) = read(study)
    assert part.monitor.unit == "nats per token"
    values = {trial_run.trial.number: value(trial_run) for trial_run in trial_runs(study)}
    for group in part.groups:
        assert [cell.value for cell in group.cells] == [values[cell.run.trial.number] for cell in group.cells]
    medians = [group.summary.median for group in part.best]
    assert medians == sorted(m for m in medians if m is not None)
    compared = pairs(part).found
    assert {pair.seeds is not None and pair.items is not None for pair in compared} == {True}
    (effects,) = (importance.effects for importance in importances(part).found.values())
    assert {effect.name for effect in effects} == {
        "architecture",
        "learning_rate",
        "architecture x learning_rate",
    }
    assert part.refusal() is None
    json.dumps([pair.sentence for pair in compared])


def test_a_study_of_several_languages_is_compared_with_the_true_distribution_in_parts() -> None:
    """Each dataset is a part of its own; the value of a cell is that of the oracle card."""
    data = [{"kind": "brackets"}, {"kind": "counting", "letters": 3}]
    settings = {**SMALL, "data": {**SMALL["data"], "longer_max_length": 24, "longer": 5}}
    design = small_design(
        settings=settings,
        axes={"data": data, "model.cell": ["lstm", "elman"]},
        monitor="accepted_longer",
        success=0.9,
    )
    study = run_small(design)
    parts = read(study)
    assert [part.part for part in parts] == ["brackets", "counting letters=3"]
    cards = {run.name: run.folder.oracle_card() for run in trial_runs(study) if run.folder}
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


def test_a_monitor_that_no_oracle_card_has_is_refused() -> None:
    with pytest.raises(
        UserError,
        match="no metric to monitor 'acepted'. Nearest: 'accepted'",  # noqa: RUF043
    ):
        small_design(monitor="acepted")
    with pytest.raises(UserError, match="'monitor' needs a grid without an axis of epochs"):
        small_design(monitor="divergence", axes={EPOCHS: [1, 2]})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"monitor": "valid_samples", "axes": {"samples.checked_at_end": [9, 0]}},
            "Got 'valid_samples', but 'samples.checked_at_end' is 0",
        ),
        ({"monitor": "accepted_longer"}, "'data.longer_max_length' is none"),
        (
            {
                "monitor": "accepted",
                "settings": {**SMALL, "data": {"train": 20, "tokenizer": {"kind": "bytes"}}},
            },
            "the true distribution is not known of the data 'brackets'",
        ),
        (
            {"monitor": "accepted", "axes": {"training.fit_on": ["train", "train+valid"]}},
            "'training.fit_on' is 'train.valid'",
        ),
        (
            {"base": None, "axes": {"base": ["brackets-lstm", "imdb-lstm"]}, "settings": {}},
            "Got 'loss' and 'acc",
        ),
    ],
)
def test_a_monitor_that_a_run_will_not_have_is_refused_before_the_first(
    changes: dict[str, Any], words: str
) -> None:
    recorder = StudyRecorder()
    with pytest.raises(UserError, match=words):
        run_small(small_design(**changes), recorder=recorder)
    assert recorder.started_numbers == run_folder.names() == []


def test_without_checked_samples_the_distance_from_the_true_distribution_is_known() -> None:
    settings = {**SMALL, "samples": {"count": 0, "checked": 0, "checked_at_end": 0}}
    (part,) = read(run_small(small_design(settings=settings)))
    (gap,) = oracle_gaps(part)
    assert gap.above_floor > 0
    assert (gap.valid, gap.wrong, gap.cut) == (None, None, None)
