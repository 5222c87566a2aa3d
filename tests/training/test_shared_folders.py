"""Run folders that others use at the same time, on disks that are full."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from experiments import finished, only_run, outcome

from seqlab.evaluate import weights
from seqlab.evaluate.loaded import load_run
from seqlab.runs import checkpoints, run_folder
from seqlab.schema.errors import WorkError
from seqlab.training import run
from seqlab.training.progress import Progress


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))


def test_every_file_of_a_run_has_the_mode_of_the_umask() -> None:
    before = os.umask(0o027)
    try:
        found = tiny.fit(tiny.BRACKETS, "training.tensorboard=true")
    finally:
        os.umask(before)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in found.path.rglob("*") if path.is_file()}
    assert set(modes.values()) == {"0o640"}
    assert {"model.safetensors", "training.safetensors", "lock", "finished.json"} <= modes.keys()


def test_a_run_that_another_process_made_and_finished_meanwhile_is_not_made_again(monkeypatch) -> None:
    """Both found no folder; the second to make it receives the first one's result."""
    first = tiny.fit(tiny.BRACKETS)
    before = {path: path.read_bytes() for path in first.path.rglob("*") if path.is_file()}
    answers = iter([False])
    real = run_folder.exists
    monkeypatch.setattr(run_folder, "exists", lambda path: next(answers, None) is None and real(path))
    again = run.train(tiny.configure(tiny.BRACKETS), callback=tiny.Nobody())
    assert again == first.summary()
    assert {path: path.read_bytes() for path in first.path.rglob("*") if path.is_file()} == before


def test_nothing_writes_again_to_a_folder_that_was_deleted() -> None:
    """Neither a checkpoint, after which training stops, nor the result of a run that has no more of them."""

    def delete(progress: Progress) -> None:
        if progress.step == 3:
            (name,) = run_folder.names()
            shutil.rmtree(run_folder.root() / name)

    config = tiny.configure(tiny.BRACKETS, "training.checkpoint_seconds=0")
    with pytest.raises(
        WorkError, match=r"was deleted or renamed in the meantime\. Nearest: repeat the command"
    ):
        run.train(config, callback=tiny.Nobody(delete))
    assert list(run_folder.root().iterdir()) == []

    found = tiny.fit(tiny.BRACKETS)
    card = found.card("valid")
    assert card is not None
    shutil.rmtree(found.path)
    with pytest.raises(WorkError, match="was deleted"):
        found.write_card(card)
    assert list(run_folder.root().iterdir()) == []


def test_a_reader_takes_the_next_best_where_training_deletes_its_checkpoint(monkeypatch) -> None:
    found = tiny.broken_off(tiny.BRACKETS, "training.checkpoint_seconds=0", step=8)
    (best,) = {weights.best_checkpoint(found)}
    gone = [found.checkpoints / checkpoints.name(1)]
    monkeypatch.setattr(weights, "best_checkpoint", lambda _: gone.pop() if gone else best)
    model = load_run(found)
    assert model.step == int(best.name.removeprefix("step-"))
    assert gone == []


@pytest.mark.slow
@pytest.mark.parametrize("limit", [300, 900, 1500, 3000, 6000, 9000, 13000])
def test_a_full_disk_at_any_moment_stops_with_a_sentence_and_loses_nothing(
    limit: int, tmp_path: Path
) -> None:
    """No file may be larger than the limit; later the run ends with the bits of one that never stopped."""
    recipe = [*tiny.BRACKETS, "training.checkpoint_seconds=0", "training.tensorboard=true"]
    whole = tiny.fit(recipe)
    limited = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "import sys; from seqlab.cli import run; sys.exit(run(sys.argv[1:]))"
    )
    environment = {**os.environ, "SEQLAB_RUNS": str(tmp_path / "limited")}
    command = [sys.executable, "-c", limited, "train", *recipe]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert (done.returncode, "File too large" in done.stderr) == (1, True)
    assert not list(tmp_path.rglob(".writing-*"))
    finished("train", *recipe, runs=tmp_path / "limited")
    assert outcome(only_run(tmp_path / "limited")) == outcome(whole)
