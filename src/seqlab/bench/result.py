"""The result of a benchmark, its setup, and the choice of what it measures by name."""

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
    """Measurements, and the machine and software they were made with.

    kernels: name of the build of recurrent layers; see `seqlab.nn.native.builds.build_name`.
    peak_of: operations whose rate is the machine's peak; "" where that is not measured. rounds: number of
    measurements per median.
    """

    processor: str
    threads: int
    torch: str
    kernels: str
    peak_of: str
    rounds: int
    rows: list[R]


def result(rows: list[R], *, peak: Peak | None, rounds: int) -> Result[R]:
    """Rows, with the current processor, threads and versions."""
    return Result(
        processor=environment.processor(),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        kernels=builds.build_name(),
        peak_of="" if peak is None else peak.of,
        rounds=rounds,
        rows=rows,
    )


def check_rounds(rounds: int) -> None:
    """Make sure that a number of rounds is positive.

    Raises:
        UserError: it is not.
    """
    if rounds < 1:
        raise UserError(f"'rounds' must be at least 1. Got {rounds}. Nearest: 1.")


def picked(what: str, names: Sequence[str], table: Mapping[str, R]) -> list[R]:
    """The entries with these names, each once; all entries where there are no names.

    Raises:
        UserError: the table has no entry with a name.
    """
    for name in names:
        if name not in table:
            raise unknown(what, name, table)
    return [table[name] for name in dict.fromkeys(names or table)]
