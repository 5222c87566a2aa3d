"""`seqlab bench`: how fast it is, as ratios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seqlab.cli.arguments import Json
from seqlab.cli.console import percent, print_json, print_table, say, working
from seqlab.schema.errors import unknown

if TYPE_CHECKING:
    from seqlab.bench.step import Memory, Result, Row

BENCHMARKS = ("step",)
MAKERS = """MKL inside torch chooses slower code on AMD processors than on Intel's, so ratios differ
between makers."""
COLUMNS = (
    "workload",
    "against",
    "seqlab ms",
    "theirs ms",
    "ratio",
    "goal",
    "share of peak",
    "matrix peak GFLOP/s",
)
MEMORY_COLUMNS = ("seqlab MiB", "theirs MiB")


def bench(
    benchmark: str,
    /,
    *,
    workload: tuple[str, ...] = (),
    rounds: int = 9,
    threads: int | None = None,
    memory: bool = False,
    as_json: Json = False,
) -> None:
    """Measure speed, as ratios within one process.

    step: whole training steps against other ways of doing the same, in turn. A ratio of 2 is half the time.
    Ratios suffer less than seconds from what else the machine does, but an idle one is best.

    Parameters
    ----------
    benchmark
        What is measured: step.
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
    if benchmark not in BENCHMARKS:
        raise unknown("benchmark", benchmark, BENCHMARKS)
    with working("Loading", quiet=as_json) as line:
        from seqlab.bench import step, workloads

        result = step.carry_out(
            workloads.named(workload), rounds=rounds, threads=threads, memory=memory, working=line.working
        )
    if as_json:
        print_json({"benchmark": benchmark, **asdict(result)})
    else:
        _print(result)


def _print(result: Result) -> None:
    say(
        f"{result.processor}, {result.threads} threads, torch {result.torch}; "
        f"medians of {result.rounds} rounds"
    )
    say(" ".join(MAKERS.split()))
    measured = [row.memory for row in result.rows if row.memory is not None]
    columns = (*COLUMNS, *(MEMORY_COLUMNS if measured else ()))
    print_table(columns, [[*_cells(row), *_memory_cells(row.memory)] for row in result.rows])


def _cells(row: Row) -> Sequence[Any]:
    return (
        row.workload,
        row.against,
        round(1e3 * row.seqlab_seconds.median, 1),
        round(1e3 * row.their_seconds.median, 1),
        round(row.ratio.median, 2),
        row.goal,
        percent(row.share_of_peak),
        round(row.matrix_peak.median, 1),
    )


def _memory_cells(memory: Memory | None) -> Sequence[int]:
    return () if memory is None else (round(memory.seqlab_mib), round(memory.their_mib))
