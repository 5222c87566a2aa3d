"""Run folders that are damaged or come from anywhere: refused with a sentence; nothing outside is touched."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import rewritten
import tiny

from seqlab.runs import checkpoints
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError

COMMANDS = ("resume", "evaluate", "report")
ENTRIES = [
    "run.json",
    "config.toml",
    "data.json",
    "environment.json",
    "records.jsonl",
    "finished.json",
    "lock",
    "cards/valid.json",
    "cards/.writing-valid.json",
    "scores",
    "checkpoints",
    "tensorboard",
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_link_in_a_run_is_refused_and_never_followed(
    seqlab, language: RunFolder, tmp_path: Path, entry
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    secret = outside / "step-000000001"
    secret.write_text("secret")
    target = outside if entry in ("scores", "checkpoints", "tensorboard") else secret
    _replace(language.path / entry).symlink_to(target)
    for command in COMMANDS:
        result = seqlab(command, language.path.name)
        assert result.status == 2
        assert f"{language.path / entry} must be a plain " in result.err
        assert "Got a link" in result.err
        assert "secret" not in result.out + result.err
    assert [path.read_text() for path in outside.iterdir()] == ["secret"]
    (row,) = json.loads(seqlab("list", "runs", "--json").out)["runs"]
    assert (row["name"], row["state"]) == (language.path.name, "damaged")
    assert "must be a plain" in row["problem"]


@pytest.mark.parametrize("entry", ["run.json", "records.jsonl", "lock", "cards", "cards/valid.json"])
def test_pipes_and_sockets_are_never_opened(refused, language: RunFolder, monkeypatch, entry: str) -> None:
    path = _replace(language.path / entry)
    os.mkfifo(path)
    assert "Got a named pipe" in refused("sample", language.path.name)
    path.unlink()
    monkeypatch.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path.name)
        assert "Got a socket" in refused("sample", str(language.path))


def test_a_run_may_be_addressed_through_a_link(seqlab, language: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "mine").symlink_to(language.path)
    for command in ("sample", "evaluate", "resume"):
        assert seqlab(command, str(tmp_path / "mine")).status == 0


def test_writing_never_goes_through_a_hard_link(seqlab, language: RunFolder, tmp_path: Path) -> None:
    copies = {}
    for name in ("records.jsonl", "lock", "cards/valid.json", "scores/valid.safetensors"):
        copy = tmp_path / name.replace("/", "-")
        copy.hardlink_to(language.path / name)
        copies[copy] = copy.read_bytes()
    (tmp_path / "lock").write_text("not a lock")
    copies[tmp_path / "lock"] = b"not a lock"
    assert seqlab("evaluate", language.path.name).status == 0
    assert seqlab("diagnose", language.path.name).status == 0
    assert {path: path.read_bytes() for path in copies} == copies


def test_labels_that_were_exchanged_are_not_believed(seqlab, refused, classifier: RunFolder) -> None:
    path = classifier.path / "data.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "labels": content["labels"][::-1]}))
    for arguments in (["predict", classifier.path.name, "a good film"], ["evaluate", classifier.path.name]):
        assert "data.json is damaged: its content does not fit its 'check'" in refused(*arguments)


def test_files_of_another_run_are_refused(refused, language: RunFolder, runs: Path) -> None:
    """Each is sound, and all but its run is the same."""
    other = tiny.fit(tiny.BRACKETS, "seed=2")
    for name in ("config.toml", "data.json", "environment.json", "finished.json", "cards/valid.json"):
        kept = (language.path / name).read_bytes()
        shutil.copy(other.path / name, language.path / name)
        if name.startswith("cards"):
            with pytest.raises(UserError, match=r"valid\.json is damaged"):
                language.card("valid")
        else:
            assert name in refused("sample", language.path.name)
        (language.path / name).write_bytes(kept)
    shutil.copy(other.path / "run.json", language.path / "run.json")
    assert "config.toml was changed" in refused("sample", language.path.name)


def test_exchanged_checkpoints_are_refused(refused, seqlab, runs: Path) -> None:
    run = tiny.broken_off(tiny.BRACKETS, "training.checkpoint_seconds=0", step=5)
    older, newer = checkpoints.checkpoints(run.checkpoints)[-2:]
    aside = older.rename(runs / "aside")
    newer.rename(older)
    aside.rename(newer)
    for command in ("resume", "sample", "evaluate"):
        assert "manifest.json is damaged" in refused(command, str(run.path))


def test_a_record_changed_before_the_checkpoint_is_refused(refused, runs: Path) -> None:
    run = tiny.broken_off(tiny.BRACKETS, "training.checkpoint_seconds=0", step=5)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    path = run.path / "records.jsonl"
    changed = path.read_text().replace('"step":1,', '"step":2,', 1)
    path.write_text(changed)
    assert "records.jsonl:1 is damaged" in refused("resume", str(run.path))
    assert path.read_text() == changed, "nothing is cut"
    # The same with a check of its own: the checkpoint knows another one.
    path.write_bytes(before[path])
    rewritten.journal(run, "records.jsonl", lambda line: line.replace('"step":1,', '"step":2,'))
    assert "is not what it was" in refused("resume", str(run.path))


def _header(content: dict[str, object]) -> bytes:
    text = json.dumps(content).encode()
    return len(text).to_bytes(8, "little") + text


TENSOR = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
WEIGHTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "huge header": lambda _: (2**63).to_bytes(8, "little") + b"{}",
    "no header": lambda _: _header({}),
    "overlap": lambda _: _header({"a": TENSOR, "b": TENSOR}) + bytes(4),
    "another tensor": lambda _: _header({"a": TENSOR}) + bytes(4),
    "another type": lambda old: old.replace(b'"F32"', b'"I32"'),
    "another shape": lambda old: re.sub(rb'"shape":\[(\d+),(\d+)\]', rb'"shape":[\2,\1]', old),
    "deep": lambda _: (200_000).to_bytes(8, "little") + b"[" * 200_000,
}


def test_tensors_that_seqlab_did_not_write(refused, runs: Path, monkeypatch) -> None:
    """With the checksums that they have, as a forger would write them."""
    run = tiny.broken_off(tiny.BRACKETS, "training.checkpoint_seconds=0", step=3)
    newest = checkpoints.checkpoints(run.checkpoints)[-1]
    monkeypatch.setattr(checkpoints, "_check_file", lambda *_: None)
    for file in ("model.safetensors", "training.safetensors"):
        sound = (newest / file).read_bytes()
        for change in WEIGHTS if file.startswith("model") else ("empty", "huge header", "another tensor"):
            (newest / file).write_bytes(WEIGHTS[change](sound))
            assert str(newest) in refused("resume", str(run.path)), change
        (newest / file).write_bytes(sound)


def test_a_damaged_run_is_left_out_of_a_report_with_its_reason(
    seqlab, language, classifier, tmp_path: Path
) -> None:
    (language.path / "run.json").write_text("[" * 100_000)
    page = tmp_path / "page.html"
    result = seqlab("report", language.path.name, classifier.path.name, "-o", str(page))
    assert result.status == 0
    sentence = f"A run is left out: {language.path / 'run.json'} is damaged"
    assert sentence in result.err.replace("\n", " ")
    assert sentence in page.read_text()


def _replace(path: Path) -> Path:
    """Make room for something else."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    return path
