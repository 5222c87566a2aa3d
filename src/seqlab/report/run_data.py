"""A run folder as plain values: whatever can be read, and sentences about what cannot."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from seqlab.runs.cards import Card, OracleCard
from seqlab.runs.environment import Environment
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_journals import OnDamage, Timing
from seqlab.runs.run_shapes import DataSummary, RunSummary
from seqlab.schema.config import Table
from seqlab.schema.errors import UserError
from seqlab.schema.records import Moment, Record, Scalar, Text

COSTS = ("training_seconds", "evaluation_seconds", "tokens_per_second", "peak_memory_mib")
Anything = TypeVar("Anything")
Recorded = tuple[Record, Moment]


@dataclass(frozen=True, kw_only=True)
class RunData:
    """What one folder holds. A file that could not be read is None or an empty table, and a problem."""

    folder: RunFolder
    settings: Table
    config_text: str
    data: DataSummary | None
    environment: Environment | None
    summary: RunSummary | None
    cards: dict[str, Card]
    oracle: OracleCard | None
    records: tuple[Recorded, ...]
    samples: tuple[tuple[Text, Moment], ...]
    timings: tuple[Timing, ...]
    problems: tuple[str, ...]

    @property
    def status(self) -> str:
        """Finished or unfinished, and whether something in the folder is damaged."""
        words = "finished" if self.summary else "unfinished"
        return f"{words}, damaged" if self.problems else words

    @property
    def labels(self) -> Sequence[str]:
        """Names of the classes; none of other tasks."""
        return self.data["labels"] if self.data else ()

    @property
    def parameters(self) -> int | None:
        """Number of parameters of a finished run."""
        return self.summary["parameters"] if self.summary else None

    def scalars(self, name: str, split: str) -> list[tuple[Scalar, Moment]]:
        """Everything recorded of one number, in order."""
        return self._scalars.get((name, split), [])

    @cached_property
    def _scalars(self) -> dict[tuple[str, str], list[tuple[Scalar, Moment]]]:
        found: dict[tuple[str, str], list[tuple[Scalar, Moment]]] = {}
        for record, moment in self.records:
            if isinstance(record, Scalar):
                found.setdefault((record.name, record.split), []).append((record, moment))
        return found

    def names(self, split: str) -> list[tuple[str, str]]:
        """Names and units of the numbers recorded of a split while training, in order of appearance."""
        found = {
            (record.name, record.unit): None
            for record, _ in self.records
            if isinstance(record, Scalar) and record.split == split and not record.name.startswith("final_")
        }
        return list(found)

    def units(self, split: str) -> dict[str, str]:
        """Units of all numbers recorded of a split, those of the end among them."""
        return {
            record.name.removeprefix("final_"): record.unit
            for record, _ in self.records
            if isinstance(record, Scalar) and record.split == split
        }

    def seconds(self, step: int) -> float | None:
        """Seconds of training up to a step, between two timings in proportion; None behind the last."""
        before = (0, 0.0)
        for after in self._clock():
            if step <= after[0]:
                share = (step - before[0]) / (after[0] - before[0])
                return before[1] + share * (after[1] - before[1])
            before = after
        return None

    def _clock(self) -> Iterator[tuple[int, float]]:
        last = 0
        for timing in self.timings:
            if timing.step > last:
                last = timing.step
                yield timing.step, timing.seconds
        if self.summary and self.summary["steps"] > last:
            yield self.summary["steps"], self.summary["cost"]["training_seconds"]


def read(folder: RunFolder) -> RunData:
    """Read a folder, however far its run came and whatever happened to it since."""
    problems: list[str] = []

    def tried(work: Callable[[], Anything], otherwise: Anything) -> Anything:
        try:
            return work()
        except UserError as error:
            problems.append(str(error))
            return otherwise

    return RunData(
        folder=folder,
        config_text=tried(folder.config_text, ""),
        settings=tried(folder.settings, {}),
        data=tried(folder.data, None),
        environment=tried(folder.environment, None),
        summary=tried(lambda: _summary(folder), None) if folder.finished else None,
        cards=tried(folder.cards, {}),
        oracle=tried(folder.oracle_card, None),
        records=tuple(tried(lambda: _lines(folder.records, problems), [])),
        samples=tuple(tried(lambda: _lines(folder.samples, problems), [])),
        timings=tuple(tried(lambda: _lines(folder.timings, problems), [])),
        problems=tuple(problems),
    )


def _lines(read: Callable[[OnDamage], Iterator[Anything]], problems: list[str]) -> list[Anything]:
    """Every sound line of a file; the first broken one is named, the others are counted."""
    broken: list[UserError] = []
    found = list(read(broken.append))
    if broken:
        more = f" Left out, with {len(broken) - 1} more." if len(broken) > 1 else " Left out."
        problems.append(str(broken[0]) + more)
    return found


def _summary(folder: RunFolder) -> RunSummary:
    """The results, where all of them can be drawn: a loss may have become infinite."""
    summary = folder.summary()
    costs = (summary["cost"][key] for key in COSTS)
    if not all(math.isfinite(value) for value in (*costs, *summary["metrics"].values())):
        raise UserError(f"{folder.path} is damaged: the metrics and costs of its summary must be finite.")
    return summary
