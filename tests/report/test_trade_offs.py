"""What a better result costs, in sentences and on the page."""

from __future__ import annotations

from collections.abc import Sequence

import folders
from folders import runs_of_the_test  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st

from seqlab.comparison.study import Study
from seqlab.comparison.study_cells import StudyCell, TrialRun
from seqlab.comparison.study_trade_offs import efficient, trade_offs
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.study_records import Trial
from seqlab.schema.metric_spec import MetricSpec

LOSS = MetricSpec(name="loss", unit="nats per token", better="lower")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=8))
def test_no_other_one_is_cheaper_and_as_good(points: list[tuple[int, int]]) -> None:
    losses, costs = [loss for loss, _ in points], [cost for _, cost in points]
    kept = efficient(losses, costs)
    assert [costs[i] for i in kept] == sorted({costs[i] for i in kept})
    for i, (loss, cost) in enumerate(points):
        better = [
            j
            for j, other in enumerate(points)
            if other != points[i] and other[0] <= loss and other[1] <= cost
        ]
        if i in kept:
            assert not better
        else:
            assert better or any(points[j] == points[i] for j in kept)


def study(*runs: RunFolder, names: Sequence[str]) -> Study:
    cells = []
    for run, name in zip(runs, names, strict=True):
        known = {"setting": {}, "seed": 1, "epochs": (), "config": {}, "baseline": False}
        trial = Trial(number=1, architecture=name, run=run.path.name, **known)
        summary = run.summary()
        assert summary is not None
        value = summary["metrics"]["loss"]
        cells.append(
            StudyCell(run=TrialRun(trial, run, None), setting={}, epochs=None, value=value, censored="")
        )
    return Study(name="s", about={}, monitor=LOSS, cells=tuple(cells))


def test_each_kind_of_cost_has_its_sentence() -> None:
    dense = folders.make(cell="a", loss=0.4, spent={"seconds": 20, "memory": 600, "parameters": 9000})
    cnn = folders.make(cell="b", loss=0.3, spent={"seconds": 60, "memory": 900, "parameters": 5000})
    rnn = folders.make(cell="c", loss=0.5, spent={"seconds": 90, "memory": 700, "parameters": 6000})
    found = trade_offs(study(dense, cnn, rnn, names=("dense", "cnn", "rnn")))
    assert found == [
        "Loss against training time: from dense (0.400 nats per token, 20 s), then cnn (0.300 nats per "
        "token, 60 s); more expensive and no better: rnn",
        "Loss against peak memory: from dense (0.400 nats per token, 600 MiB), then cnn (0.300 nats per "
        "token, 900 MiB); more expensive and no better: rnn",
        "Loss against parameters: cnn (0.300 nats per token, 5,000 parameters) is the best and the cheapest",
    ]


def test_seconds_of_different_machines_are_not_compared() -> None:
    one = folders.make(cell="a", loss=0.4, spent={"seconds": 20, "parameters": 5000})
    two = folders.make(cell="b", loss=0.3, spent={"seconds": 60, "parameters": 9000})
    folders.card(two, environment={**folders.ENVIRONMENT, "processor": "Another"})
    (sentence,) = trade_offs(study(one, two, names=("a", "b")))
    assert sentence.startswith("Loss against parameters: from a ")


def test_one_architecture_has_no_trade_off() -> None:
    assert trade_offs(study(folders.make(), names=("a",))) == []
