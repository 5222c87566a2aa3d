"""`seqlab bench step`, `layers` and `busy`: speed, as ratios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seqlab.cli.arguments import Json, Whole
from seqlab.cli.console import percent, print_json, print_line, print_table
from seqlab.cli.progress_display import working
from seqlab.stats.formatting import counted

if TYPE_CHECKING:
    from seqlab.bench import busy_bench, layer_bench, step_bench
    from seqlab.bench.result import Result

MAKERS = """MKL inside torch chooses slower code on AMD processors than on Intel's, so ratios differ
between makers."""
ONE_GRU = """gru-reset-before is also compared with torch.nn.GRU, whose reset gate is applied after the
product: torch has no other, and the number of operations is the same."""
STEP_COLUMNS = (
    "workload",
    "against",
    "seqlab ms",
    "reference ms",
    "ratio",
    "goal",
    "share of peak",
    "peak GFLOP/s",
)
MEMORY_COLUMNS = ("seqlab MiB", "reference MiB")
LAYER_COLUMNS = (
    "shape",
    "cell",
    "seqlab ms",
    "torch ms",
    "ratio",
    "goal ratio",
    "share of peak",
    "goal share",
    "peak GFLOP/s",
)
BUSY_COLUMNS = (
    "workload",
    "idle 1 thread",
    "idle {} threads",
    "idle ratio",
    "busy 1 thread",
    "busy {} threads",
    "busy ratio",
    "quartiles",
    "goal",
)


def bench_step(
    *,
    workload: tuple[str, ...] = (),
    rounds: Whole = 9,
    threads: Whole | None = None,
    memory: bool = False,
    as_json: Json = False,
) -> None:
    """Compare whole training steps with plain PyTorch and with a Python loop.

    Both sides take turns in one process. A ratio of 2 means that seqlab takes half the time. Other programs
    change ratios less than seconds, but an idle machine is best.

    Parameters
    ----------
    workload
        Name of a workload; can be repeated. Default: all.
    rounds
        Steps timed on each side.
    threads
        Number of threads. Default: OMP_NUM_THREADS, at most the processors that this process may use.
    memory
        Also measure the peak of resident memory, of each side in a separate process.
    as_json
        Print everything as JSON, including quartiles.
    """
    with working("Loading", quiet=as_json) as display:
        from seqlab.bench import step_bench, workloads

        measured = step_bench.run(
            workloads.named(workload),
            rounds=rounds,
            threads=threads,
            memory=memory,
            announce=display.working,
        )
    if as_json:
        print_json({"benchmark": "step", **asdict(measured)})
        return
    _print_setup(measured)
    with_memory = any(row.memory for row in measured.rows)
    columns = (*STEP_COLUMNS, *(MEMORY_COLUMNS if with_memory else ()))
    print_table(columns, [[*_step_cells(row), *_memory_cells(row.memory)] for row in measured.rows])


def bench_layers(
    *,
    shape: tuple[str, ...] = (),
    cell: tuple[str, ...] = (),
    rounds: Whole = 9,
    threads: Whole | None = None,
    as_json: Json = False,
) -> None:
    """Compare recurrent layers, forward and backward, with torch's.

    Both sides take turns in one process, with equal weights. A ratio of 2 means that seqlab takes half the
    time; the goals of ratios are for AMD processors with AVX-512. The peak is the machine's rate of
    multiply-adds.

    Parameters
    ----------
    shape
        Batch size, steps, inputs and units, as in 20x35x650x650; can be repeated. Default: all.
    cell
        elman, gru, gru-reset-before or lstm; can be repeated. Default: all.
    rounds
        Measurements of each side.
    threads
        Number of threads. Default: OMP_NUM_THREADS, at most the processors that this process may use.
    as_json
        Print everything as JSON, including quartiles.
    """
    with working("Loading", quiet=as_json) as display:
        from seqlab.bench import layer_bench

        shapes, cells = layer_bench.shapes_named(shape), layer_bench.cells_named(cell)
        measured = layer_bench.run(shapes, cells, rounds=rounds, threads=threads, announce=display.working)
    if as_json:
        print_json({"benchmark": "layers", **asdict(measured)})
        return
    _print_setup(measured)
    if "gru-reset-before" in cells:
        print_line(" ".join(ONE_GRU.split()))
    print_table(LAYER_COLUMNS, [_layer_cells(row) for row in measured.rows])


def bench_busy(
    *,
    workload: tuple[str, ...] = (),
    burners: Whole = 2,
    rounds: Whole = 9,
    threads: Whole = 2,
    as_json: Json = False,
) -> None:
    """Compare training on several threads with one thread, alone and beside other work.

    Speeds are in tokens per second. All four take turns in one process. The other work is processes that keep
    one processor busy each; they wait while the idle machine is measured. A ratio of 1.5 means that several
    threads do 1.5 times the work of one.

    Parameters
    ----------
    workload
        Name of a workload; can be repeated. Default: all.
    burners
        Number of processes that keep a processor busy each.
    rounds
        Measurements of each speed.
    threads
        Number of threads that is compared with one.
    as_json
        Print everything as JSON, including quartiles.
    """
    with working("Loading", quiet=as_json) as display:
        from seqlab.bench import busy_bench, workloads

        measured = busy_bench.run(
            workloads.of_seqlab(workload),
            burner_count=burners,
            rounds=rounds,
            threads=threads,
            announce=display.working,
        )
    if as_json:
        print_json({"benchmark": "busy", "burners": burners, **asdict(measured)})
        return
    print_line(f"{_machine(measured)}; busy beside {counted(burners, 'burner')}")
    print_table(
        [column.format(threads) for column in BUSY_COLUMNS], [_busy_cells(row) for row in measured.rows]
    )


def _print_setup(measured: Result[Any]) -> None:
    print_line(_machine(measured, f"peak of {measured.peak_of}; "))
    print_line(" ".join(MAKERS.split()))


def _machine(measured: Result[Any], peak: str = "") -> str:
    return (
        f"{measured.processor}, {counted(measured.threads, 'thread')}, torch {measured.torch}, "
        f"kernels {measured.kernels}; {peak}medians of {counted(measured.rounds, 'round')}"
    )


def _busy_cells(row: busy_bench.BusyRow) -> Sequence[Any]:
    return (
        row.workload,
        round(row.idle_one.median),
        round(row.idle_several.median),
        round(row.idle_ratio.median, 2),
        round(row.busy_one.median),
        round(row.busy_several.median),
        round(row.busy_ratio.median, 2),
        f"{row.busy_ratio.lower:.2f} to {row.busy_ratio.upper:.2f}",
        row.goal,
    )


def _step_cells(row: step_bench.StepRow) -> Sequence[Any]:
    return (
        row.workload,
        row.against,
        round(1e3 * row.seqlab_seconds.median, 1),
        round(1e3 * row.reference_seconds.median, 1),
        round(row.ratio.median, 2),
        row.goal,
        percent(row.share_of_peak),
        round(row.peak.median, 1),
    )


def _memory_cells(memory: step_bench.Memory | None) -> Sequence[int]:
    return () if memory is None else (round(memory.seqlab_mib), round(memory.reference_mib))


def _layer_cells(row: layer_bench.LayerRow) -> Sequence[Any]:
    return (
        row.shape,
        row.cell,
        round(1e3 * row.seqlab_seconds.median, 2),
        round(1e3 * row.torch_seconds.median, 2),
        round(row.ratio.median, 2),
        row.goal,
        percent(row.share_of_peak.median),
        "" if row.goal_share is None else percent(row.goal_share),
        round(row.peak.median, 1),
    )
