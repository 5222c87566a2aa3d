"""The list of runs: its states, its order, its conditions, and what it reads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import tiny

from seqlab.experiment.run_list import RunRow, list_runs
from seqlab.runs import plain_files, typed_json
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError

NO_STEPS = ("samples.count=0", "samples.checked=0", "samples.checked_at_end=0", "training.epochs=1")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs that end with different losses, the oldest first: lstm, gru with seed 2, reviews, oracle."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_RUNS", str(folder))
        patch.setenv("SEQLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        tiny.register(patch)
        made = [
            tiny.fit(tiny.BRACKETS, *NO_STEPS),
            tiny.fit(tiny.BRACKETS, *NO_STEPS, "model.cell=gru", "seed=2", "model.hidden_size=5"),
            tiny.fit(tiny.REVIEWS, "samples.count=0", "training.epochs=3"),
        ]
        made.append(tiny.broken_off(tiny.BRACKETS, "seed=7", step=1))
    for number, run in enumerate(made):
        begun = 1_700_000_000 + 86_400 * number
        os.utime(run.path / "run.json", (begun, begun))
    return folder


@pytest.fixture(autouse=True)
def _here(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(runs))
    tiny.register(monkeypatch)


def seeds(rows: list[RunRow]) -> list[tuple[str, int | None]]:
    return [(row.architecture, row.seed) for row in rows]


LSTM, GRU, LINEAR, STOPPED = ("lstm", 1), ("gru", 2), ("linear-classifier", 1), ("lstm", 7)


def test_the_newest_run_comes_first_with_what_it_is() -> None:
    rows = list_runs()
    assert seeds(rows) == [STOPPED, LINEAR, GRU, LSTM]
    gru = rows[2]
    assert (gru.state, gru.task, gru.metric) == ("finished", "language-model", "loss")
    assert gru.changed["model.cell"] == "gru"
    assert gru.changed["model.hidden_size"] == 5
    assert "seed" not in gru.changed
    assert "model.layers" not in gru.changed
    assert gru.value == gru.metrics["loss"]
    assert (rows[0].state, rows[0].value, rows[0].seconds) == ("stopped", None, None)


def test_a_held_run_is_running(runs: Path) -> None:
    stopped = next(row for row in list_runs() if row.state == "stopped")
    lock = RunFolder(runs / stopped.name, "brackets-lstm", "0" * 64).lock()
    with lock:
        assert [row.state for row in list_runs() if row.name == stopped.name] == ["running"]
    assert [row.state for row in list_runs() if row.name == stopped.name] == ["stopped"]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("seed", [LINEAR, LSTM, GRU, STOPPED]),
        ("architecture", [GRU, LINEAR, STOPPED, LSTM]),
        ("model.hidden_size", [STOPPED, LSTM, GRU, LINEAR]),
    ],
)
def test_sorted_by_a_column_or_a_setting(sort: str, order: list[tuple[str, int]]) -> None:
    assert seeds(list_runs(sort=sort)) == order


def test_sorted_by_metric_the_best_first_and_runs_without_one_last() -> None:
    rows = list_runs(sort="metric")
    by_metric: dict[str, list[float]] = {}
    for row in rows[:3]:
        by_metric.setdefault(row.metric, []).append(row.metrics[row.metric])
    assert all(values == sorted(values) for values in by_metric.values())
    assert rows[3].value is None
    best = [
        RunRow(name=str(v), state="finished", metric="f1", higher=True, metrics={"f1": v}) for v in (1, 2)
    ]
    from seqlab.experiment.run_list import _sorted

    assert [row.name for row in _sorted(best, "metric", best)] == ["2", "1"]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (["model.cell=gru"], [GRU]),
        (["model.hidden_size<5"], [STOPPED, LSTM]),
        (["model.hidden_size>=5", "seed=2"], [GRU]),
        (["state=stopped"], [STOPPED]),
        (["metric>1e9"], []),
        (["accuracy>=0", "task=classify"], [LINEAR]),
        (["date=2023-11-14"], [LSTM]),
        (["name=brackets-lstm"], [STOPPED, GRU, LSTM]),
        (["training.tensorboard=False", "seed=2"], [GRU]),
        (["date>2023-11-15", "date<2023-11-17"], [LINEAR]),
        (["training.patience=none", "seed=1"], [LINEAR, LSTM]),
    ],
)
def test_conditions_all_hold(where: list[str], found: list[tuple[str, int]]) -> None:
    assert seeds(list_runs(where=where)) == found


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"where": ["cell=gru"]}, r"setting 'cell'\. Nearest: 'model\.cell'"),
        ({"where": ["lr<1"]}, r"setting 'lr'\. Nearest: 'training\.optimizer\.learning_rate'"),
        ({"where": ["gru"]}, r"must be a column or setting, one of .*, and a value\. Got 'gru'"),
        ({"where": ["seed!=1"]}, r"one of .*, and a value\. Got 'seed!=1'"),
        ({"where": ["seed<two"]}, r"'seed' must be compared with a number by '<'\. Got 'two'"),
        ({"where": ["seed==2"]}, r"one '='\. Got 'seed==2'\. Nearest: 'seed=2'"),
        ({"where": ["date=may"]}, r"must be written 2026-11-30 14:05, or its beginning\. Got 'may'"),
        ({"where": ["date>"]}, r"or its beginning\. Got ''"),
        ({"sort": "metirc"}, r"setting 'metirc'\. Nearest: 'metric'"),
        ({"task": "clasify"}, r"no run of task 'clasify'\. Nearest: 'classify'"),
    ],
)
def test_wrong_conditions_are_refused_with_the_nearest(arguments: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        list_runs(**arguments)


def test_only_three_small_files_of_a_run_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def recorded(path: Path) -> bytes:
        read.append(path.name)
        return plain_files.read_bytes(path)

    monkeypatch.setattr(typed_json, "read_bytes", recorded)
    rows = list_runs()
    assert set(read) <= {"run.json", "config.toml", "finished.json"}
    assert len(read) <= 6 * len(rows)
