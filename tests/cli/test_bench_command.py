"""`seqlab bench` on workloads and layers of a few milliseconds."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import pytest
import torch
from small_workloads import SMALL

from seqlab.bench import busy_bench as busy
from seqlab.bench import layer_bench as layers
from seqlab.bench import step_bench as step
from seqlab.bench import workloads
from seqlab.bench.measure import MatrixPeak
from seqlab.experiment import matmul_choice
from seqlab.nn.matmul import TORCH
from seqlab.nn.native import builds

LAYER_HEADINGS = [
    "shape",
    "cell",
    "seqlab ms",
    "torch ms",
    "ratio",
    "goal ratio",
    "share of peak",
    "goal share",
]
KEYS = {"benchmark", "processor", "threads", "torch", "kernels", "peak_of", "rounds", "rows"}
SPREAD = {"lower", "median", "upper"}
HEADINGS = [
    "workload",
    "against",
    "seqlab ms",
    "reference ms",
    "ratio",
    "goal",
    "share of peak",
    "peak GFLOP/s",
]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workloads, "WORKLOADS", SMALL)
    shapes = {
        name: replace(shape, batch=2, steps=8, inputs=3, hidden=4) for name, shape in layers.SHAPES.items()
    }
    monkeypatch.setattr(layers, "SHAPES", shapes)
    monkeypatch.setattr(layers, "MIN_GFLOP", 1e-12)
    for module in (step, layers):
        monkeypatch.setattr(module, "peak_probe", partial(MatrixPeak, (64,)))
    monkeypatch.setattr(busy, "MEASURED_SECONDS", 1e-6)
    # Which backend is the fastest takes seconds to measure, once for each number of threads.
    monkeypatch.setattr(matmul_choice, "fastest", lambda: TORCH)


def test_the_table(seqlab) -> None:
    result = seqlab("bench", "step", "--rounds", "2", "--threads", "1")
    assert (result.status, result.err) == (0, "")
    setup, makers, heading, *rows = result.out.splitlines()
    assert f", 1 thread, torch {torch.__version__}, kernels {builds.build_name()}; " in setup
    assert setup.endswith("; peak of matrix products; medians of 2 rounds")
    assert makers.startswith("MKL inside torch chooses slower code on AMD processors than on Intel's")
    columns = [heading.index(word) for word in HEADINGS]
    assert columns == sorted(columns)
    assert "MiB" not in heading
    assert [line.split()[0] for line in rows] == list(SMALL)
    for line, work in zip(rows, SMALL.values(), strict=True):
        assert work.against in line
        *_, ours, theirs, ratio, goal, _share, percent, peak = line.split()
        assert float(goal) == work.goal
        assert percent == "%"
        assert all(float(number) >= 0 for number in (ours, theirs, ratio, peak))


def test_json_holds_quartiles_and_units(seqlab) -> None:
    result = seqlab("bench", "step", "--rounds", "2", "--workload", "gru-1500-loop", "--json")
    assert (result.status, result.err) == (0, "")
    content = json.loads(result.out)
    assert set(content) == KEYS
    assert (content["benchmark"], content["rounds"]) == ("step", 2)
    (row,) = content["rows"]
    assert (row["workload"], row["against"], row["goal"]) == (
        "gru-1500-loop",
        "a Python loop",
        6.0,
    )
    for key in ("seqlab_seconds", "reference_seconds", "ratio", "peak"):
        assert set(row[key]) == SPREAD
        assert 0 < row[key]["lower"] <= row[key]["median"] <= row[key]["upper"]
    assert row["share_of_peak"] == pytest.approx(
        row["gflop"] / row["seqlab_seconds"]["median"] / row["peak"]["median"]
    )
    assert row["memory"] is None


def test_only_named_workloads_are_measured_in_their_order(seqlab) -> None:
    asked = ["--workload", "imdb-linear", "--workload", "ptb-lstm", "--rounds", "1", "--json"]
    rows = json.loads(seqlab("bench", "step", *asked).out)["rows"]
    assert [row["workload"] for row in rows] == ["imdb-linear", "ptb-lstm"]


def test_memory_has_its_own_columns(seqlab, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, int]] = []

    def elsewhere(function, side, work, threads) -> float:
        assert function is step.peak_of_steps
        asked.append((side, work.name, threads))
        return {"seqlab": 1234.4, "reference": 2345.6}[side]

    monkeypatch.setattr(step, "in_own_process", elsewhere)
    arguments = ["bench", "step", "--rounds", "1", "--threads", "1", "--workload", "ptb-lstm", "--memory"]
    heading, row = seqlab(*arguments).out.splitlines()[-2:]
    assert heading.split()[-4:] == ["seqlab", "MiB", "reference", "MiB"]
    assert row.split()[-2:] == ["1,234", "2,346"]
    assert asked == [("seqlab", "ptb-lstm", 1), ("reference", "ptb-lstm", 1)]
    (row,) = json.loads(seqlab(*arguments, "--json").out)["rows"]
    assert row["memory"] == {"seqlab_mib": 1234.4, "reference_mib": 2345.6}


@pytest.mark.slow
def test_memory_is_measured_in_separate_processes(seqlab) -> None:
    result = seqlab("bench", "step", "--rounds", "1", "--workload", "imdb-linear", "--memory", "--json")
    assert result.status == 0, result.err
    (row,) = json.loads(result.out)["rows"]
    assert all(10 < mib < 10_000 for mib in row["memory"].values())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bench", "stp"], 'Unknown command "stp". Did you mean "step"?'),
        (["bench", "step", "--workload", "ptb-lsm"], "There is no workload 'ptb-lsm'. Nearest: 'ptb-lstm'"),
        (["bench", "step", "--rounds", "0"], "'rounds' must be at least 1. Got 0. Nearest: 1."),
        (["bench", "step", "--rounds", "x"], "--rounds: must be a whole number. Got 'x'."),
        (["bench", "step", "--threads", "0"], "'threads' must be at least 1. Got 0."),
        (["bench", "step", "--memroy"], "Did you mean --memory?"),
        (["bench", "step", "--shape", "20x35x650x650"], "Unknown option: --shape."),
        (["bench", "layers", "--shape", "20x35x65x650"], "no shape '20x35x65x650'. Nearest: '20x35x650x650'"),
        (["bench", "layers", "--cell", "grus"], "There is no cell 'grus'. Nearest: 'gru'. Known: elman,"),
        (["bench", "layers", "--cell", "elman-relu"], "There is no cell 'elman-relu'. Nearest: 'elman'."),
        (["bench", "layers", "--rounds", "0"], "'rounds' must be at least 1. Got 0. Nearest: 1."),
        (["bench", "layers", "--threads", "0"], "'threads' must be at least 1. Got 0."),
        (["bench", "layers", "--memory"], "Unknown option: --memory."),
        (
            ["bench", "busy", "--workload", "ndfa-lst"],
            "There is no workload 'ndfa-lst'. Nearest: 'ndfa-lstm'",
        ),
        (["bench", "busy", "--workload", "ndfa-lstm-loop"], "There is no workload 'ndfa-lstm-loop'."),
        (["bench", "busy", "--burners", "0"], "'burners' must be at least 1. Got 0. Nearest: 1."),
        (["bench", "busy", "--threads", "1"], "'threads' must be at least 2. Got 1. Nearest: 2."),
        (["bench", "busy", "--rounds", "0"], "'rounds' must be at least 1. Got 0. Nearest: 1."),
    ],
)
def test_wrong_input(refused, arguments: list[str], words: str) -> None:
    assert words in refused(*arguments)


def test_help_names_the_options(seqlab) -> None:
    assert {"step", "layers", "busy"} <= set(seqlab("bench", "--help").out.split())
    common = ("--rounds", "--threads", "--json")
    options = {
        "step": ("--workload", "--memory"),
        "layers": ("--shape", "--cell"),
        "busy": ("--workload", "--burners"),
    }
    for name, own in options.items():
        result = seqlab("bench", name, "--help")
        assert result.status == 0
        for word in (f"Usage: seqlab bench {name} [OPTIONS]", "\nOptions:", *own, *common):
            assert word in result.out


def test_without_a_benchmark_the_help_is_shown(seqlab) -> None:
    assert seqlab("bench") == seqlab("bench", "--help")


def test_the_table_of_layers(seqlab) -> None:
    result = seqlab("bench", "layers", "--rounds", "2", "--threads", "1")
    assert (result.status, result.err) == (0, "")
    setup, makers, gru, heading, *rows = result.out.splitlines()
    assert f", 1 thread, torch {torch.__version__}, kernels {builds.build_name()}; " in setup
    assert setup.endswith("; peak of matrix products; medians of 2 rounds")
    assert makers.startswith("MKL inside torch chooses slower code on AMD processors than on Intel's")
    assert gru.startswith("gru-reset-before is also compared with torch.nn.GRU")
    columns = [heading.index(word) for word in LAYER_HEADINGS]
    assert columns == sorted(columns)
    assert len(rows) == len(layers.SHAPES) * len(layers.TORCH_LAYERS)
    wanted = [(shape, cell) for shape in layers.SHAPES.values() for cell in layers.TORCH_LAYERS]
    for line, (shape, cell) in zip(rows, wanted, strict=True):
        name, found, ours, theirs, ratio, goal, _share, percent, *goal_share, peak = line.split()
        assert (name, found, float(goal)) == ("2x8x3x4", cell, shape.goals[layers.TORCH_LAYERS[cell]])
        assert all(float(number) >= 0 for number in (ours, theirs, ratio, peak))
        assert percent == "%"
        assert goal_share == ([] if shape.share is None else [f"{100 * shape.share:.1f}", "%"])


def test_layers_as_json(seqlab) -> None:
    asked = ["--shape", "64x100x128x128", "--cell", "lstm", "--cell", "elman", "--rounds", "2"]
    result = seqlab("bench", "layers", *asked, "--json")
    assert (result.status, result.err) == (0, "")
    content = json.loads(result.out)
    assert set(content) == KEYS
    assert (content["benchmark"], content["rounds"]) == ("layers", 2)
    assert [row["cell"] for row in content["rows"]] == ["lstm", "elman"]
    row = content["rows"][0]
    assert (row["against"], row["goal"], row["goal_share"]) == ("torch.nn.LSTM", 1.1, 0.45)
    for key in ("seqlab_seconds", "torch_seconds", "ratio", "share_of_peak", "peak"):
        assert set(row[key]) == SPREAD
        assert 0 < row[key]["lower"] <= row[key]["median"] <= row[key]["upper"]


def test_there_is_no_remark_on_a_gru_that_was_not_measured(seqlab) -> None:
    result = seqlab("bench", "layers", "--shape", "64x100x128x128", "--cell", "gru", "--rounds", "1")
    assert "gru-reset-before" not in result.out


def test_the_table_of_the_busy_machine(seqlab) -> None:
    result = seqlab("bench", "busy", "--rounds", "1", "--burners", "1", "--workload", "ndfa-lstm")
    assert (result.status, result.err) == (0, "")
    setup, heading, row = result.out.splitlines()
    assert f", 2 threads, torch {torch.__version__}, kernels {builds.build_name()}; " in setup
    assert setup.endswith("; medians of 1 round; busy beside 1 burner")
    assert heading.split()[:8] == ["workload", "idle", "1", "thread", "idle", "2", "threads", "idle"]
    name, *speeds, lower, to, upper, goal = row.split()
    idle_one, idle_two, idle_ratio, busy_one, busy_two, busy_ratio = (
        float(speed.replace(",", "")) for speed in speeds
    )
    assert (name, to, goal) == ("ndfa-lstm", "to", "0.9")
    assert idle_ratio == pytest.approx(idle_two / idle_one, abs=0.01)
    assert busy_ratio == pytest.approx(busy_two / busy_one, abs=0.01)
    assert float(lower) == float(upper) == busy_ratio, "of one round"


def test_the_busy_machine_as_json(seqlab) -> None:
    asked = ["--rounds", "2", "--burners", "1", "--workload", "imdb-linear", "--threads", "3"]
    result = seqlab("bench", "busy", *asked, "--json")
    assert (result.status, result.err) == (0, "")
    content = json.loads(result.out)
    assert set(content) == {*KEYS, "burners"}
    assert (content["benchmark"], content["burners"], content["threads"]) == ("busy", 1, 3)
    (row,) = content["rows"]
    assert (row["workload"], row["goal"]) == ("imdb-linear", 0.9)
    for key in ("idle_one", "idle_several", "busy_one", "busy_several", "idle_ratio", "busy_ratio"):
        assert set(row[key]) == SPREAD
        assert 0 < row[key]["lower"] <= row[key]["median"] <= row[key]["upper"]
