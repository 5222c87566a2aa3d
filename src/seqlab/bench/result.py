"""What a benchmark found, on what it ran, and the choice of what it measures by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

from seqlab.bench.measure import Peak
from seqlab.nn.native import builds
from seqlab.runs import environment
from seqlab.schema.errors import UserError, unknown

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Result(Generic[R]):
    """What was measured, and on what.

    kernels: how recurrent layers were computed; see `seqlab.nn.native.builds.build_name`.
    peak_of: what the machine's peak is the rate of.
    rounds: number of measurements behind each median.
    """

    processor: str
    threads: int
    torch: str
    kernels: str
    peak_of: str
    rounds: int
    rows: list[R]


def result(rows: list[R], *, peak: Peak, rounds: int) -> Result[R]:
    """Rows, with the processor, threads and versions as they are now."""
    return Result(
        processor=environment.processor(),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        kernels=builds.build_name(),
        peak_of=peak.of,
        rounds=rounds,
        rows=rows,
    )


def check_rounds(rounds: int) -> None:
    """Refuse what is no number of rounds.

    Raises:
        UserError: it is not positive.
    """
    if rounds < 1:
        raise UserError(f"'rounds' must be at least 1. Got {rounds}. Nearest: 1.")


def picked(what: str, names: Sequence[str], table: Mapping[str, R]) -> list[R]:
    """The entries of these names, each once; all of them where none is named.

    Raises:
        UserError: the table has nothing of a name.
    """
    for name in names:
        if name not in table:
            raise unknown(what, name, table)
    return [table[name] for name in dict.fromkeys(names or table)]
