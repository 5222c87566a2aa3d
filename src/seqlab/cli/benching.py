"""`seqlab bench step` and `seqlab bench layers`: how fast it is, as ratios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seqlab.cli.arguments import Json
from seqlab.cli.console import percent, print_json, print_table, say, working
from seqlab.stats.formatting import counted

if TYPE_CHECKING:
    from seqlab.bench import layer_bench as layers
    from seqlab.bench import step_bench as step
    from seqlab.bench.result import Result

MAKERS = """MKL inside torch chooses slower code on AMD processors than on Intel's, so ratios differ
between makers."""
ONE_GRU = """gru-reset-before is measured against torch.nn.GRU, too, whose reset gate acts after the product:
torch has no other, and the operations are as many."""
STEP_COLUMNS = (
    "workload",
    "against",
    "seqlab ms",
    "theirs ms",
    "ratio",
    "goal",
    "share of peak",
    "peak GFLOP/s",
)
MEMORY_COLUMNS = ("seqlab MiB", "theirs MiB")
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


def bench_step(
    *,
    workload: tuple[str, ...] = (),
    rounds: int = 9,
    threads: int | None = None,
    memory: bool = False,
    as_json: Json = False,
) -> None:
    """Measure whole training steps against other ways of doing the same.

    Both sides take turns in one process. A ratio of 2 is half the time. Ratios suffer less than seconds from
    what else the machine does, but an idle one is best.

    Parameters
    ----------
    workload
        Name of a workload; may be given several times. Default: all.
    rounds
        Steps timed on each side.
    threads
        Threads of the numerical libraries. Default: all cores.
    memory
        Measure the peak of resident memory, too, each side in a process of its own.
    as_json
        Print everything as JSON, quartiles included.
    """
    with working("Loading", quiet=as_json) as line:
        from seqlab.bench import step_bench as step
        from seqlab.bench import workloads

        found = step.carry_out(
            workloads.named(workload), rounds=rounds, threads=threads, memory=memory, working=line.working
        )
    if as_json:
        print_json({"benchmark": "step", **asdict(found)})
        return
    _print_head(found)
    measured = any(row.memory for row in found.rows)
    columns = (*STEP_COLUMNS, *(MEMORY_COLUMNS if measured else ()))
    print_table(columns, [[*_step_cells(row), *_memory_cells(row.memory)] for row in found.rows])


def bench_layers(
    *,
    shape: tuple[str, ...] = (),
    cell: tuple[str, ...] = (),
    rounds: int = 9,
    threads: int | None = None,
    as_json: Json = False,
) -> None:
    """Measure recurrent layers, forward and backward, against torch's.

    Both take turns in one process, with equal weights. A ratio of 2 is half the time; the goals of ratios are
    for AMD processors with AVX-512. The share of peak is that of the multiply-adds which the machine can do.

    Parameters
    ----------
    shape
        Rows, steps, inputs and units, as in 20x35x650x650; may be given several times. Default: all.
    cell
        elman, gru, gru-reset-before or lstm; may be given several times. Default: all.
    rounds
        Measurements of each side.
    threads
        Threads of the numerical libraries. Default: all cores.
    as_json
        Print everything as JSON, quartiles included.
    """
    with working("Loading", quiet=as_json) as line:
        from seqlab.bench import layer_bench as layers

        shapes, cells = layers.shapes_named(shape), layers.cells_named(cell)
        found = layers.carry_out(shapes, cells, rounds=rounds, threads=threads, working=line.working)
    if as_json:
        print_json({"benchmark": "layers", **asdict(found)})
        return
    _print_head(found)
    if "gru-reset-before" in cells:
        say(" ".join(ONE_GRU.split()))
    print_table(LAYER_COLUMNS, [_layer_cells(row) for row in found.rows])


def _print_head(found: Result[Any]) -> None:
    say(
        f"{found.processor}, {counted(found.threads, 'thread')}, torch {found.torch}, "
        f"kernels {found.kernels}; peak of {found.peak_of}; medians of {found.rounds} rounds"
    )
    say(" ".join(MAKERS.split()))


def _step_cells(row: step.StepRow) -> Sequence[Any]:
    return (
        row.workload,
        row.against,
        round(1e3 * row.seqlab_seconds.median, 1),
        round(1e3 * row.their_seconds.median, 1),
        round(row.ratio.median, 2),
        row.goal,
        percent(row.share_of_peak),
        round(row.peak.median, 1),
    )


def _memory_cells(memory: step.Memory | None) -> Sequence[int]:
    return () if memory is None else (round(memory.seqlab_mib), round(memory.their_mib))


def _layer_cells(row: layers.LayerRow) -> Sequence[Any]:
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
