"""`seqlab remove` and `seqlab clean`: what they delete, what they never do, and that they ask."""

from __future__ import annotations

import builtins
import fcntl
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny

from seqlab.data import cache
from seqlab.evaluate.loaded import read_config
from seqlab.runs import atomic, checkpoints, removal, study_folder
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.study_records import Trial
from seqlab.schema.config import canonical


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, links as what they lead to."""
    found = [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    return {
        str(path.relative_to(folder)): str(path.readlink()).encode()
        if path.is_symlink()
        else path.read_bytes()
        for path in found
    }


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """A terminal whose user gives an answer; returns the questions."""

    def answer(text: str) -> list[str]:
        questions: list[str] = []

        def asked(question: str) -> str:
            questions.append(question)
            return text

        monkeypatch.setattr(builtins, "input", asked)
        monkeypatch.setattr("seqlab.cli.remove_commands.can_ask", lambda: True)
        return questions

    return answer


def hold_in_study(run: RunFolder, name: str) -> None:
    folder = study_folder.begin(name, {"name": name}, {}, "1")
    for number, held in ((1, "other"), (2, run.path.name)):
        trial = Trial(
            number=number,
            architecture="lstm",
            setting={},
            seed=number,
            epochs=(),
            run=held,
            config={},
            baseline=False,
        )
        folder.add_trial(trial)


@pytest.mark.parametrize("arguments", [("--yes",), ("--yes", "--json")])
def test_a_run_is_deleted_whole_and_no_other(seqlab, language, classifier, arguments) -> None:
    before = files(classifier.path)
    size = sum(path.lstat().st_size for path in language.path.rglob("*") if path.is_file())
    result = seqlab("remove", "brackets-lstm", *arguments)
    assert result.status == 0
    assert not language.path.exists()
    assert files(classifier.path) == before
    if "--json" in arguments:
        (row,) = json.loads(result.out)["removed"]
        assert (row["run"], row["bytes"], row["kept"]) == (str(language.path), size, [])
    else:
        assert f"{language.path}: " in result.out
        assert "; loss " in result.out


def test_it_asks_and_only_yes_deletes(seqlab, language: RunFolder, answered) -> None:
    questions = answered("n")
    assert seqlab("remove", language.path.name).out.endswith("Nothing was deleted.\n")
    answered("")
    seqlab("remove", language.path.name)
    assert language.path.exists()
    assert questions[0].startswith("Delete 1 run, ")
    answered("y")
    assert seqlab("remove", language.path.name).status == 0
    assert not language.path.exists()


def test_nobody_to_ask_is_refused_and_nothing_is_lost(seqlab, language: RunFolder) -> None:
    before = files(language.path)
    for options in ([], ["--json"]):
        result = seqlab("remove", language.path.name, *options)
        assert result.status == 2
        assert "Nobody can be asked here: add '--yes'. Nothing was deleted." in result.err
    assert files(language.path) == before


def test_a_running_run_is_never_deleted_and_none_beside_it(seqlab, language, classifier) -> None:
    with language.lock():
        result = seqlab("remove", classifier.path.name, language.path.name, "--yes")
        assert result.status == 1
        assert f"{language.path} is in use by another process" in result.err
    assert classifier.finished
    assert language.finished


def test_a_run_that_another_process_has_deleted_meanwhile_is_gone(language: RunFolder) -> None:
    first, second = (removal.plan(language.path) for _ in range(2))
    removal.remove(first)
    removal.remove(second)
    assert not language.path.exists()


def test_what_a_study_would_lose_is_named(seqlab, language: RunFolder) -> None:
    hold_in_study(language, "cells")
    hold_in_study(language, "damaged")
    (study_folder.studies_root() / "damaged" / "trials.jsonl").write_text("{}\n")
    shown = seqlab("remove", "brackets-lstm", "--yes").out
    assert "Study 'cells' loses run 2 of 2: lstm, seed 2." in shown
    assert "Study 'damaged' cannot be read, so it is unknown whether it loses this run: " in shown
    assert "damaged/trials.jsonl" in shown


def test_a_study_that_cannot_be_read_is_in_the_json(seqlab, language: RunFolder) -> None:
    hold_in_study(language, "damaged")
    (study_folder.studies_root() / "damaged" / "trials.jsonl").write_text("{}\n")
    (row,) = json.loads(seqlab("remove", "brackets-lstm", "--yes", "--json").out)["removed"]
    assert row["studies"] == []
    assert list(row["unreadable_studies"]) == ["damaged"]


def test_unknown_files_and_links_are_kept_and_named(seqlab, language: RunFolder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "step-000000001").write_text("mine")
    (language.path / "notes.txt").write_text("mine")
    (language.path / "cards" / "notes.md").write_text("mine")
    shutil.rmtree(language.path / "scores")
    (language.path / "scores").symlink_to(outside)
    (language.path / "samples.jsonl").unlink()
    (language.path / "samples.jsonl").symlink_to(outside / "step-000000001")
    result = seqlab("remove", language.path.name, "--yes")
    assert result.status == 0
    kept = {"notes.txt", "cards/notes.md", "scores", "samples.jsonl"}
    assert set(files(language.path)) == kept
    assert all(
        f"Kept, because seqlab did not write it: {language.path / name}" in result.out for name in kept
    )
    assert files(outside) == {"step-000000001": b"mine"}


def test_a_damaged_run_can_be_removed(seqlab, language: RunFolder) -> None:
    (language.path / "run.json").write_text("{")
    assert "damaged: " in seqlab("remove", language.path.name, "--yes").out
    assert not language.path.exists()


def test_a_link_to_a_run_is_not_removed(refused, language: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(language.path)
    assert "Got a link" in refused("remove", str(tmp_path / "link"), "--yes")
    assert language.finished


def test_a_removal_that_breaks_off_leaves_no_sound_run(seqlab, language: RunFolder, monkeypatch) -> None:
    deleted: list[str] = []
    unlink = Path.unlink

    def full(path: Path, missing_ok: bool = False) -> None:
        if len(deleted) == 1:
            raise OSError(30, "Read-only file system")
        deleted.append(path.name)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", full)
    assert seqlab("remove", language.path.name, "--yes").status == 1
    monkeypatch.undo()
    assert deleted == ["run.json"]


def test_clean_finds_nothing_that_a_result_needs(seqlab, language: RunFolder, classifier: RunFolder) -> None:
    tiny.configure(tiny.BRACKETS).dataset()
    used = cache.entry_path("brackets", _settings(language), language.data()["content_hash"])
    assert used.exists()
    found = json.loads(seqlab("clean", "--dry-run", "--json").out)["found"]
    data = {row["path"] for row in found if row["kind"] == "encoded data"}
    assert data == {str(path) for path in cache.entries()} - {str(used), str(_entry(classifier))}
    results = [
        run.checkpoints / checkpoints.name(run.summary()["best_step"]) for run in (language, classifier)
    ]
    assert all(path.exists() for path in results)
    assert not {str(path) for path in results} & {row["path"] for row in found}


def _entry(run: RunFolder) -> Path:
    return cache.entry_path(run.data()["name"], _settings(run), run.data()["content_hash"])


def _settings(run: RunFolder) -> str:
    return canonical(read_config(run).data)


def waste(monkeypatch, tmp_path: Path, run: RunFolder) -> dict[str, Path]:
    """One of each kind, in a cache of the test."""
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    tiny.configure(tiny.BRACKETS, "data.seed=9").dataset()
    (unused,) = cache.entries()
    tiny.configure(tiny.BRACKETS).dataset()
    old = run.checkpoints / checkpoints.name(1)
    (best,) = checkpoints.checkpoints(run.checkpoints)
    shutil.copytree(best, old)
    leftover = run.path / f"{atomic.TEMPORARY}records.jsonl-{'0' * 16}"
    leftover.write_text("half")
    return {"encoded data": unused, "checkpoint": old, "leftover": leftover}


def test_clean_lists_deletes_and_leaves_a_run_that_works(seqlab, language, monkeypatch, tmp_path) -> None:
    made = waste(monkeypatch, tmp_path, language)
    listed = json.loads(seqlab("clean", "--dry-run", "--json").out)
    assert {row["kind"]: row["path"] for row in listed["found"]} == {k: str(p) for k, p in made.items()}
    assert all(path.exists() for path in made.values())
    assert all(row["bytes"] > 0 for row in listed["found"])
    assert seqlab("clean").status == 2
    assert all(path.exists() for path in made.values())
    before = language.summary()
    result = seqlab("clean", "--yes")
    assert result.status == 0
    assert all(str(path) in result.out for path in made.values())
    assert not any(path.exists() for path in made.values())
    assert seqlab("clean", "--yes").out == "There is nothing to clean.\n"
    assert language.summary() == before
    assert seqlab("sample", language.path.name, "--count", "1").status == 0
    assert seqlab("evaluate", language.path.name, "--split", "valid").status == 0


def test_clean_keeps_what_is_in_use(seqlab, language, monkeypatch, tmp_path) -> None:
    made = waste(monkeypatch, tmp_path, language)
    with made["leftover"].open() as writing, language.lock():
        fcntl.flock(writing, fcntl.LOCK_EX)
        result = seqlab("clean", "--yes")
        assert made["leftover"].exists()
        assert made["checkpoint"].exists()
    assert f"{made['checkpoint']} is in use by now, and was kept." in result.err
    assert not made["encoded data"].exists()


def test_old_checkpoints_of_stopped_runs_and_of_runs_without_their_best_stay(
    seqlab, language, monkeypatch
) -> None:
    stopped = tiny.broken_off(tiny.BRACKETS, "seed=2", "training.checkpoint_seconds=0", step=4)
    assert len(checkpoints.checkpoints(stopped.checkpoints)) > 1
    (best,) = checkpoints.checkpoints(language.checkpoints)
    best.rename(best.with_name(checkpoints.name(1)))
    found = json.loads(seqlab("clean", "--dry-run", "--json").out)["found"]
    assert [row for row in found if row["kind"] == "checkpoint"] == []


def test_a_dry_run_adds_up_what_it_lists(seqlab, language: RunFolder) -> None:
    shown = seqlab("clean", "--dry-run").out
    (total,) = re.findall(r"^In all (\d+) items?, ", shown, flags=re.MULTILINE)
    assert int(total) == len(json.loads(seqlab("clean", "--dry-run", "--json").out)["found"]) > 0
