"""The evaluation on the test split: chosen by validation, trained again to the bit, counted."""

from __future__ import annotations

import pytest
import rewritten
from small_studies import RATE, StudyRecorder, run_small, small_design

from seqlab.comparison.study import read
from seqlab.comparison.study_cells import trial_runs
from seqlab.evaluate.evaluation import evaluate_run
from seqlab.runs import run_folder
from seqlab.runs.study_folder import StudyFolder
from seqlab.schema.errors import UserError, WorkError
from seqlab.studies.axes import EPOCHS
from seqlab.studies.design import Design
from seqlab.studies.final_evaluation import FinalEvaluation, check_same_records
from seqlab.studies.resources import Resources
from seqlab.studies.run_study import evaluate_study

CELLS = {"model.cell": ["lstm", "elman"], RATE: [0.01, 0.1]}


def evaluated(design: Design, study: StudyFolder) -> FinalEvaluation:
    return evaluate_study(design, study, Resources(threads=1), StudyRecorder())


def test_the_best_of_each_is_scored_and_asking_again_is_no_new_evaluation() -> None:
    design = small_design(axes=CELLS, seeds=[1, 2])
    study = run_small(design)
    first = evaluated(design, study)
    assert (first.number, first.repeated) == (1, False)
    best = read(study)[0].best
    assert [group.architecture for group in first.choices] == [group.architecture for group in best]
    for group, cards in zip(first.choices, first.cards, strict=True):
        for cell, card in zip(group.cells, cards, strict=True):
            run = run_folder.open_run(run_folder.root() / cell.run.name)
            assert card["split"] == "test"
            assert card["metrics"] == evaluate_run(run, "test", ())["metrics"]
    second = evaluated(design, study)
    assert (second.number, second.repeated) == (1, True)
    assert [c["metrics"] for c in second.cards[0]] == [c["metrics"] for c in first.cards[0]]
    assert len(study.test_evaluations()) == 1


def test_the_winner_alone_and_then_more_is_a_second_evaluation() -> None:
    study = run_small(small_design(axes=CELLS))
    winner = small_design(axes=CELLS, final={"of": "winner"})
    first = evaluated(winner, study)
    assert len(first.choices) == 1
    more = evaluated(small_design(axes=CELLS), study)
    assert (len(more.choices), more.number, more.repeated) == (2, 2, False)
    assert [past.number for past in study.test_evaluations()] == [1, 2]


def test_a_cell_of_an_epoch_is_trained_again_to_that_epoch_to_the_bit() -> None:
    design = small_design(axes={EPOCHS: [2, 4], RATE: [1.5]})
    study = run_small(design)
    ((best,),) = [part.best for part in read(study)]
    assert best.setting[EPOCHS] == 2, "a learning rate this large is best early"
    (card,) = evaluated(design, study).cards[0]
    assert card["budget"] == {"epochs": 2, "max_steps": None, "result": "last"}
    again = run_folder.find(card["run"])
    (row,) = trial_runs(study)
    assert row.folder is not None
    kept = (again.path / "records.jsonl").read_text().split('"final_')[0].rsplit("\n", 1)[0]
    assert (row.folder.path / "records.jsonl").read_text().startswith(kept)
    rewritten.journal(row.folder, "records.jsonl", lambda line: line.replace('"value":1.', '"value":2.'))
    (row,) = trial_runs(study)
    with pytest.raises(WorkError, match=r"must repeat .* to the bit. Record 1 differs"):
        check_same_records(row, again)


def test_training_on_all_data_leaves_nothing_to_validate_on() -> None:
    design = small_design(axes={RATE: [0.1]}, final={"fit_on": "train+valid"})
    study = run_small(design)
    (card,) = evaluated(design, study).cards[0]
    run = run_folder.find(card["run"])
    assert run.card("valid") is None
    sizes = run.data()["splits"]
    assert sizes["train"]["sequences"] == 80
    assert "valid" not in sizes


def test_an_unfinished_study_is_not_scored_on_the_test_split() -> None:
    design = small_design(axes={RATE: [0.1, 0.2]})
    study = run_small(design)
    (study.path / "events.jsonl").write_text("")
    run = run_folder.open_run(run_folder.resolve(study.trials()[1].run))
    (run.path / "finished.json").unlink()
    with pytest.raises(UserError, match=r"must be run to its end before .* Got run 2"):
        evaluated(design, study)


def test_a_study_of_failures_has_nothing_to_choose() -> None:
    design = small_design(axes={RATE: [1e30]})
    study = run_small(design)
    with pytest.raises(WorkError, match=r"must have a finished run\. Got none"):
        evaluated(design, study)
