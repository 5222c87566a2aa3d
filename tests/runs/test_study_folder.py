"""The study folder: versioned, appended to, read back."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from seqlab.runs import study_folder
from seqlab.runs.journal import journal_text
from seqlab.runs.seal import check_of
from seqlab.runs.study_folder import StudyFolder
from seqlab.runs.study_records import EvaluationOnTest as OnTest
from seqlab.runs.study_records import Event, Trial
from seqlab.schema.errors import UserError


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path))
    return study_folder.begin("small", {"seeds": (1, 2)}, {"toy": {}}, "0.1.0")


def test_what_is_added_is_read_back(study: StudyFolder) -> None:
    trial = Trial(
        number=1,
        architecture="lstm",
        setting={"x": 1},
        seed=1,
        epochs=(2, 4),
        run="toy-1",
        config={"a": [1]},
        baseline=False,
    )
    study.add_trial(trial)
    study.add_event(Event(trial=1, state="failed", reason="diverged"))
    on_test = OnTest(number=1, split="test", of="winner", fit_on="train", runs=("toy-1",))
    study.add_test_evaluation(on_test)
    again = study_folder.find("small")
    assert again.about()["study"] == {"seeds": [1, 2]}
    assert (again.trials(), again.test_evaluations()) == ([trial], [on_test])
    assert again.events()[1].state == "failed"
    again.forget_failures()
    assert again.events() == {}


def test_the_same_study_is_found_again_and_another_is_refused(study: StudyFolder) -> None:
    assert study_folder.begin("small", {"seeds": (1, 2)}, {"toy": {}}, "0.1.0") == study
    with pytest.raises(UserError, match=r"begun with other settings: study\.seeds was \[1, 2\], is \[1\]"):
        study_folder.begin("small", {"seeds": (1,)}, {"toy": {}}, "0.1.0")


@pytest.mark.parametrize(
    ("number", "remedy"), [(5, "Install a newer seqlab"), (1, "Delete the folder to start the study again")]
)
def test_another_format_is_refused(study: StudyFolder, number: int, remedy: str) -> None:
    (study.path / "study.json").write_text(json.dumps({"format": number}))
    with pytest.raises(UserError, match=rf"must have study format 4\. Got {number}\. {remedy}"):
        study.about()


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"format": 4}'])
def test_a_damaged_file_is_named_with_a_remedy(study: StudyFolder, content: str) -> None:
    (study.path / "study.json").write_text(content)
    with pytest.raises(UserError, match=r"study\.json is damaged: .* Delete the folder"):
        study.about()


def test_a_line_without_a_needed_key_is_named(study: StudyFolder) -> None:
    (study.path / "test_evaluations.jsonl").write_text('{"number": 1}\n')
    with pytest.raises(UserError, match=r"test_evaluations\.jsonl:1 is damaged"):
        study.test_evaluations()


@pytest.mark.parametrize(
    "file", ["study.json", "trials.jsonl", "events.jsonl", "test_evaluations.jsonl", "report.html", "lock"]
)
def test_nothing_leads_out_of_a_study(study: StudyFolder, tmp_path: Path, file: str) -> None:
    (tmp_path / "mine").write_text("mine")
    (study.path / file).unlink(missing_ok=True)
    (study.path / file).symlink_to(tmp_path / "mine")
    with pytest.raises(UserError, match=rf"{file} must be a plain file\. Got a link"):
        study_folder.find("small")
    with pytest.raises(UserError, match="Got a link"):
        study_folder.begin("small", {"seeds": (1, 2)}, {"toy": {}}, "0.1.0")
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("run", ["../toy", "/toy", "a/b", "a\\b", "..", "", "a\x00", "a\x1b[2J"])
def test_a_trial_names_a_folder_of_a_run(study: StudyFolder, run: str) -> None:
    study.add_trial(
        Trial(
            number=1, architecture="lstm", setting={}, seed=1, epochs=(), run=run, config={}, baseline=False
        )
    )
    with pytest.raises(UserError, match=r"trials\.jsonl:1 must give a plain name, without folders\. Got"):
        study.trials()


TRIAL = Trial(
    number=1,
    architecture="lstm",
    setting={"x": 1},
    seed=1,
    epochs=(2,),
    run="toy-1",
    config={"a": 1},
    baseline=False,
)
EVENT = Event(trial=1, state="finished", reason="")
ON_TEST = OnTest(number=1, split="test", of="winner", fit_on="train", runs=("toy-1",))
JOURNALS = ("trials.jsonl", "events.jsonl", "test_evaluations.jsonl")


def filled(study: StudyFolder) -> StudyFolder:
    study.add_trial(TRIAL)
    study.add_trial(dataclasses.replace(TRIAL, number=2, run="toy-2", config={"a": 2}))
    study.add_event(EVENT)
    study.add_test_evaluation(ON_TEST)
    return study


def read_all(study: StudyFolder) -> Any:
    return study.trials(), study.events(), study.test_evaluations()


def forge(study: StudyFolder, file: str, changed: Mapping[str, Any]) -> None:
    """Change the last line of a journal, with the checks of all lines."""
    path = study.path / file
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        del line["check"]
    lines[-1] |= changed
    subject = check_of((study.path / "study.json").read_text(), file)
    path.write_text(journal_text([json.dumps(line) for line in lines], subject))


@pytest.mark.parametrize(
    ("file", "changed", "words"),
    [
        ("trials.jsonl", {"number": 1}, "'number' must be 2. Got 1"),
        ("trials.jsonl", {"number": "2"}, "'number' must be a valid integer. Got '2'"),
        ("trials.jsonl", {"number": 0}, "'number' must be greater than or equal to 1. Got 0"),
        ("trials.jsonl", {"architecture": None}, "'architecture' must be a valid string. Got None"),
        ("trials.jsonl", {"setting": []}, "'setting' must be"),
        ("trials.jsonl", {"seed": 1.5}, "'seed' must be a valid integer. Got 1.5"),
        ("trials.jsonl", {"epochs": [1, "2"]}, "'epochs.1' must be a valid integer. Got '2'"),
        ("trials.jsonl", {"epochs": 2}, "'epochs' must be"),
        ("trials.jsonl", {"config": "{}"}, "'config' must be"),
        ("trials.jsonl", {"baseline": 0}, "'baseline' must be a valid boolean. Got 0"),
        ("trials.jsonl", {"more": 0}, "'more' is unknown"),
        ("trials.jsonl", {"run": "toy-1"}, "'run' must not be the folder of a run with other settings"),
        (
            "events.jsonl",
            {"state": "bogus"},
            "'state' must be 'finished', 'failed', 'diverged' or 'pruned'. Got 'bogus'",
        ),
        ("events.jsonl", {"trial": 99}, "'trial' must be one of the 2 trials of trials.jsonl. Got 99"),
        ("events.jsonl", {"trial": True}, "'trial' must be a valid integer. Got True"),
        ("events.jsonl", {"reason": None}, "'reason' must be a valid string. Got None"),
        ("test_evaluations.jsonl", {"number": 2}, "'number' must be 1. Got 2"),
        ("test_evaluations.jsonl", {"split": "valid"}, "'split' must be 'test'. Got 'valid'"),
        ("test_evaluations.jsonl", {"of": "best"}, "'of' must be 'winner' or 'best-of-each'. Got 'best'"),
        ("test_evaluations.jsonl", {"runs": [1]}, "'runs.0' must be a valid string. Got 1"),
        ("test_evaluations.jsonl", {"runs": [".."]}, "must give a plain name"),
    ],
)
def test_what_a_line_cannot_hold_is_named_although_its_check_fits(
    study: StudyFolder, file: str, changed: Mapping[str, Any], words: str
) -> None:
    filled(study)
    before = read_all(study)
    forge(study, file, {})
    assert read_all(study) == before
    forge(study, file, changed)
    with pytest.raises(UserError) as refused:
        read_all(study)
    line = 2 if file.startswith("trials") else 1
    assert str(refused.value).startswith(f"{study.path / file}:{line} ")
    assert words in str(refused.value)


def test_runs_of_equal_settings_are_one_run(study: StudyFolder) -> None:
    study.add_trial(TRIAL)
    study.add_trial(dataclasses.replace(TRIAL, number=2, setting={"x": 2}))
    assert [trial.run for trial in study.trials()] == ["toy-1", "toy-1"]


@pytest.mark.parametrize("file", JOURNALS)
def test_a_journal_of_another_study_is_refused(study: StudyFolder, file: str) -> None:
    other = filled(study_folder.begin("other", {"seeds": (1, 2), "name": "other"}, {"toy": {}}, "0.1.0"))
    filled(study)
    shutil.copy(other.path / file, study.path / file)
    with pytest.raises(UserError, match=rf"{file}:1 is damaged: .* or belongs elsewhere"):
        read_all(study)


@pytest.mark.parametrize("file", JOURNALS)
def test_a_missing_journal_is_named_with_a_remedy(study: StudyFolder, file: str) -> None:
    filled(study)
    (study.path / file).unlink()
    with pytest.raises(UserError, match=rf"{file} is missing\. Delete the folder to start the study again"):
        read_all(study)
    with pytest.raises(UserError, match=rf"{file} is missing"):
        filled(study)


def test_a_study_may_be_copied_and_renamed(study: StudyFolder, tmp_path: Path) -> None:
    filled(study)
    shutil.copytree(study.path, tmp_path / "renamed")
    assert read_all(study_folder.find(str(tmp_path / "renamed"))) == read_all(study)


def test_settings_that_were_deleted_are_written_again(study: StudyFolder) -> None:
    before = read_all(filled(study))
    (study.path / "study.json").unlink()
    again = study_folder.begin("small", {"seeds": (1, 2)}, {"toy": {}}, "0.1.0")
    assert read_all(again) == before
    (study.path / "study.json").unlink()
    changed = study_folder.begin("small", {"seeds": (1, 3)}, {"toy": {}}, "0.1.0")
    with pytest.raises(UserError, match=r"trials\.jsonl:1 is damaged"):
        changed.trials()


def test_a_name_that_is_too_long_is_refused_at_once(study: StudyFolder) -> None:
    with pytest.raises(UserError, match=r"must have a shorter name\. Got one that is too long"):
        study_folder.begin("a" * 300, {}, {}, "0.1.0")
