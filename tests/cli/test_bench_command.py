"""`seqlab bench` on workloads of a few milliseconds."""

from __future__ import annotations

import json
from functools import partial

import pytest
import torch
from small_workloads import SMALL

from seqlab.bench import step, workloads
from seqlab.bench.measure import MatrixPeak

SPREAD = {"lower", "median", "upper"}
HEADINGS = ["workload", "against", "seqlab ms", "theirs ms", "ratio", "goal", "share of peak"]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workloads, "WORKLOADS", SMALL)
    monkeypatch.setattr(step, "MatrixPeak", partial(MatrixPeak, (64,)))


def test_the_table(seqlab) -> None:
    said = seqlab("bench", "step", "--rounds", "2", "--threads", "1")
    assert (said.status, said.err) == (0, "")
    place, makers, heading, *rows = said.out.splitlines()
    assert f", 1 threads, torch {torch.__version__}; medians of 2 rounds" in place
    assert makers.startswith("MKL inside torch chooses slower code on AMD processors than on Intel's")
    places = [heading.index(word) for word in [*HEADINGS, "matrix peak GFLOP/s"]]
    assert places == sorted(places)
    assert "MiB" not in heading
    assert [line.split()[0] for line in rows] == list(SMALL)
    for line, work in zip(rows, SMALL.values(), strict=True):
        assert work.against in line
        *_, ours, theirs, ratio, goal, _share, percent, peak = line.split()
        assert float(goal) == work.goal
        assert percent == "%"
        assert all(float(number) >= 0 for number in (ours, theirs, ratio, peak))


def test_json_holds_quartiles_and_units(seqlab) -> None:
    said = seqlab("bench", "step", "--rounds", "2", "--workload", "gru-1500", "--json")
    assert (said.status, said.err) == (0, "")
    content = json.loads(said.out)
    assert set(content) == {"benchmark", "processor", "threads", "torch", "rounds", "rows"}
    assert (content["benchmark"], content["rounds"]) == ("step", 2)
    (row,) = content["rows"]
    assert (row["workload"], row["against"], row["goal"]) == ("gru-1500", "the course programs' way", 4.0)
    for key in ("seqlab_seconds", "their_seconds", "ratio", "matrix_peak"):
        assert set(row[key]) == SPREAD
        assert 0 < row[key]["lower"] <= row[key]["median"] <= row[key]["upper"]
    assert row["share_of_peak"] == pytest.approx(
        row["gflop"] / row["seqlab_seconds"]["median"] / row["matrix_peak"]["median"]
    )
    assert row["memory"] is None


def test_named_workloads_alone_are_measured_in_their_order(seqlab) -> None:
    asked = ["--workload", "imdb-linear", "--workload", "ptb-lstm", "--rounds", "1", "--json"]
    rows = json.loads(seqlab("bench", "step", *asked).out)["rows"]
    assert [row["workload"] for row in rows] == ["imdb-linear", "ptb-lstm"]


def test_memory_has_columns_of_its_own(seqlab, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, int]] = []

    def elsewhere(function, side, work, threads) -> float:
        assert function is step.peak_of_steps
        asked.append((side, work.name, threads))
        return {"seqlab": 1234.4, "theirs": 2345.6}[side]

    monkeypatch.setattr(step, "in_own_process", elsewhere)
    arguments = ["bench", "step", "--rounds", "1", "--threads", "1", "--workload", "ptb-lstm", "--memory"]
    heading, row = seqlab(*arguments).out.splitlines()[-2:]
    assert heading.split()[-4:] == ["seqlab", "MiB", "theirs", "MiB"]
    assert row.split()[-2:] == ["1,234", "2,346"]
    assert asked == [("seqlab", "ptb-lstm", 1), ("theirs", "ptb-lstm", 1)]
    (row,) = json.loads(seqlab(*arguments, "--json").out)["rows"]
    assert row["memory"] == {"seqlab_mib": 1234.4, "their_mib": 2345.6}


@pytest.mark.slow
def test_memory_is_measured_in_processes_of_their_own(seqlab) -> None:
    said = seqlab("bench", "step", "--rounds", "1", "--workload", "imdb-linear", "--memory", "--json")
    assert said.status == 0, said.err
    (row,) = json.loads(said.out)["rows"]
    assert all(10 < mib < 10_000 for mib in row["memory"].values())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bench"], "BENCHMARK requires an argument"),
        (["bench", "stp"], "There is no benchmark 'stp'. Nearest: 'step'. Known: step."),
        (["bench", "step", "--workload", "ptb-lsm"], "There is no workload 'ptb-lsm'. Nearest: 'ptb-lstm'"),
        (["bench", "step", "--rounds", "0"], "'rounds' must be at least 1. Got 0. Nearest: 1."),
        (["bench", "step", "--rounds", "x"], 'unable to convert "x" into int'),
        (["bench", "step", "--threads", "0"], "'threads' must be at least 1. Got 0."),
        (["bench", "step", "--memroy"], "Did you mean --memory?"),
    ],
)
def test_wrong_input(refused, arguments: list[str], words: str) -> None:
    assert words in refused(*arguments)


def test_help_names_the_options(seqlab) -> None:
    said = seqlab("bench", "--help")
    assert said.status == 0
    for word in ("Usage: seqlab bench step", "--workload", "--rounds", "--threads", "--memory", "--json"):
        assert word in said.out
