"""The study folder: versioned, appended to, read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqlab.runs import study_folder
from seqlab.runs.study_folder import EvaluationOnTest as OnTest
from seqlab.runs.study_folder import Event, StudyFolder, Trial
from seqlab.schema.errors import UserError


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path))
    return study_folder.begin("small", {"seeds": (1, 2)}, {"toy": {}}, "0.1.0")


def test_what_is_added_is_read_back(study: StudyFolder) -> None:
    trial = Trial(
        number=1, architecture="lstm", setting={"x": 1}, seed=1, epochs=(2, 4), run="toy-1", config={"a": [1]}
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
    ("number", "remedy"), [(4, "Install a newer seqlab"), (1, "Delete the folder to start the study again")]
)
def test_another_format_is_refused(study: StudyFolder, number: int, remedy: str) -> None:
    (study.path / "study.json").write_text(json.dumps({"format": number}))
    with pytest.raises(UserError, match=rf"must have study format 3\. Got {number}\. {remedy}"):
        study.about()


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"format": 3}'])
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
