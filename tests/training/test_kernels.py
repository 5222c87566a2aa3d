"""A run's record names the build of the library it was made with, and a resumed run keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest
import rewritten
from tiny import BRACKETS, Nobody, broken_off, fit

from seqlab.nn.native import builds
from seqlab.training import run
from seqlab.training.progress import Progress


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv(builds.VARIABLE, raising=False)


class Watching(Nobody):
    """Keeps which build each step was made with."""

    def __init__(self) -> None:
        self.kernels: set[str] = set()

        def look(_: Progress) -> None:
            self.kernels.add(builds.build_name())

        super().__init__(look)


@pytest.mark.parametrize("kernels", builds.available_builds())
def test_the_record_names_the_build(kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(builds.VARIABLE, kernels)
    callback = Watching()
    made = fit(BRACKETS, "training.max_steps=2", callback=callback)
    assert made.environment()["kernels"] == kernels
    assert callback.kernels == {kernels}


@pytest.mark.parametrize("again", ["go on", "train"])
@pytest.mark.parametrize("kernels", builds.available_builds()[:-1])
def test_a_resumed_run_keeps_its_build(kernels: str, again: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though another one would be taken now."""
    with builds.use_build(kernels):
        broken = broken_off(BRACKETS, "training.checkpoint_seconds=0", step=2)
    monkeypatch.setenv(builds.VARIABLE, builds.available_builds()[-1])
    callback = Watching()
    if again == "go on":
        run.resume(broken, callback=callback)
    else:
        fit(BRACKETS, "training.checkpoint_seconds=0", callback=callback)
    assert callback.kernels == {kernels}
    assert not any("Not the same bits" in message for message in callback.messages)
    assert broken.environment()["kernels"] == kernels
    assert builds.build_name() == builds.available_builds()[-1], "only the run was held to it"


def test_where_the_build_is_gone_the_run_goes_on_and_says_so() -> None:
    broken = broken_off(BRACKETS, "training.checkpoint_seconds=0", step=2)
    rewritten.json_file(broken, "environment.json", {"kernels": "neon"})
    callback = Watching()
    run.resume(broken, callback=callback)
    assert callback.kernels == {builds.build_name()}
    assert (
        f"Not the same bits as without interruption: kernels: neon then, {builds.build_name()} now."
        in callback.messages
    )
