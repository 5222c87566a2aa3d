"""A run's record names the build of the library it was made with, and a resumed run keeps it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny import BRACKETS, Nobody, broken_off, fit

from seqlab.nn.native import builds as choice
from seqlab.training import run
from seqlab.training.progress import Progress


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv(choice.VARIABLE, raising=False)


class Watching(Nobody):
    """Keeps which build each step was made with."""

    def __init__(self) -> None:
        self.kernels: set[str] = set()

        def look(_: Progress) -> None:
            self.kernels.add(choice.name())

        super().__init__(look)


@pytest.mark.parametrize("kernels", choice.available())
def test_the_record_names_the_build(kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(choice.VARIABLE, kernels)
    listener = Watching()
    made = fit(BRACKETS, "training.max_steps=2", listener=listener)
    assert made.environment()["kernels"] == kernels
    assert listener.kernels == {kernels}


@pytest.mark.parametrize("again", ["go on", "train"])
@pytest.mark.parametrize("kernels", choice.available()[:-1])
def test_a_resumed_run_keeps_its_build(kernels: str, again: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though another one would be taken now."""
    with choice.using(kernels):
        broken = broken_off(BRACKETS, "training.checkpoint_seconds=0", step=2)
    monkeypatch.setenv(choice.VARIABLE, choice.available()[-1])
    listener = Watching()
    if again == "go on":
        run.resume(broken, listener=listener)
    else:
        fit(BRACKETS, "training.checkpoint_seconds=0", listener=listener)
    assert listener.kernels == {kernels}
    assert not any("Not to the bit" in message for message in listener.messages)
    assert broken.environment()["kernels"] == kernels
    assert choice.name() == choice.available()[-1], "only the run was held to it"


def test_where_the_build_is_gone_the_run_goes_on_and_says_so() -> None:
    broken = broken_off(BRACKETS, "training.checkpoint_seconds=0", step=2)
    then = broken.environment()
    (broken.path / "environment.json").write_text(json.dumps({**then, "kernels": "neon"}))
    listener = Watching()
    run.resume(broken, listener=listener)
    assert listener.kernels == {choice.name()}
    assert (
        f"Not to the bit as it would have been: kernels: neon then, {choice.name()} now." in listener.messages
    )
