"""Steps to success, compared with what the runs recorded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import tiny
from known_cells import cell

from seqlab.comparison.study import Study
from seqlab.comparison.study_cells import StudyCell
from seqlab.comparison.study_steps import counts_steps, steps_to_success
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.metric_spec import MetricSpec

LOSS = MetricSpec(name="loss", unit="nats per text", better="lower")


Course = list[tuple[int, float]]


def cell_of(run: RunFolder | None, seed: int, epochs: int | None = None) -> StudyCell:
    return cell("lstm", {}, 1.0, seed=seed, folder=run, epochs=epochs)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[RunFolder, Course]]]:
    """Three runs with (step, loss) of their validations; the losses fall."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("steps")
        patch.setenv("SEQLAB_RUNS", str(folder / "runs"))
        patch.setenv("SEQLAB_CACHE", str(folder / "cache"))
        tiny.register(patch)
        made = [tiny.fit(tiny.REVIEWS, "training.epochs=6", f"seed={seed}") for seed in (1, 2, 3)]
        yield [(run, tiny.records(run, "loss", "valid")) for run in made]


def study(cells: list[StudyCell], **about: float) -> Study:
    return Study(name="known", about=about, monitor=LOSS, cells=tuple(cells))


def test_the_median_over_seeds_of_the_first_success(runs) -> None:
    good = runs[0][1][2][1]
    known = study([cell_of(run, seed) for seed, (run, _) in enumerate(runs)], success=good)
    firsts = [min((step for step, loss in course if loss <= good), default=10**9) for _, course in runs]
    assert firsts[0] == runs[0][1][2][0]
    assert counts_steps(known)
    assert steps_to_success(known.groups[0], known) == (
        sorted(firsts)[1] if sorted(firsts)[1] < 10**9 else None
    )


def test_runs_that_never_succeed_count_as_the_longest(runs) -> None:
    known = study([cell_of(run, seed) for seed, (run, _) in enumerate(runs)], success=-1.0)
    assert steps_to_success(known.groups[0], known) is None


def test_only_the_epochs_that_a_cell_covers_count(runs) -> None:
    run, course = runs[0]
    for epochs, wanted in ((2, None), (3, course[2][0])):
        known = study([cell_of(run, 1, epochs)], success=course[2][1])
        assert steps_to_success(known.groups[0], known) == wanted


def test_without_success_or_without_a_course_nothing_is_counted(runs) -> None:
    assert not counts_steps(study([cell_of(runs[0][0], 1)]))
    assert not counts_steps(study([cell_of(None, 1)], success=0.5))
