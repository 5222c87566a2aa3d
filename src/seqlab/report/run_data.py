"""A run folder as plain values: everything that can be read, and sentences about what cannot."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from seqlab.runs.cards import Card, GenerationCard, OracleCard, WrongTexts
from seqlab.runs.environment import Environment
from seqlab.runs.journal import OnDamage
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_journals import Timing
from seqlab.runs.run_shapes import DataSummary, RunSummary
from seqlab.schema.config import Table
from seqlab.schema.errors import UserError
from seqlab.schema.records import Moment, Record, Scalar, Text

COSTS = ("training_seconds", "evaluation_seconds", "tokens_per_second", "peak_memory_mib")
FINAL = "final_"
"""Prefix of the names of numbers recorded with the best checkpoint, after training."""
Anything = TypeVar("Anything")
TimedRecord = tuple[Record, Moment]


@dataclass(frozen=True, kw_only=True)
class RunData:
    """The content of a folder. A file that could not be read is None or empty, and a problem."""

    folder: RunFolder
    settings: Table
    config_text: str
    data: DataSummary | None
    environment: Environment | None
    summary: RunSummary | None
    cards: dict[str, Card]
    adapted: list[Card]
    wrong: dict[str, WrongTexts]
    oracle: OracleCard | None
    generated: GenerationCard | None
    records: tuple[TimedRecord, ...]
    samples: tuple[tuple[Text, Moment], ...]
    timings: tuple[Timing, ...]
    problems: tuple[str, ...]

    @property
    def status(self) -> str:
        """Whether the run is finished, and whether its folder is damaged."""
        status = "finished" if self.summary else "unfinished"
        return f"{status}, damaged" if self.problems else status

    @property
    def method(self) -> str:
        """Whether the run is that of a "network", a "baseline" or an "ensemble"."""
        return next((method for method in ("baseline", "ensemble") if method in self.settings), "network")

    @property
    def labels(self) -> Sequence[str]:
        """Names of the classes; empty for other tasks."""
        return self.data["labels"] if self.data else ()

    @property
    def parameters(self) -> int | None:
        """Number of parameters of a finished run."""
        return self.summary["parameters"] if self.summary else None

    def scalars(self, name: str, split: str) -> list[tuple[Scalar, Moment]]:
        """All records of one number on a split, in order."""
        return self._scalars.get((name, split), [])

    @cached_property
    def _scalars(self) -> dict[tuple[str, str], list[tuple[Scalar, Moment]]]:
        scalars: dict[tuple[str, str], list[tuple[Scalar, Moment]]] = {}
        for record, moment in self.records:
            if isinstance(record, Scalar):
                scalars.setdefault((record.name, record.split), []).append((record, moment))
        return scalars

    @property
    def recorded(self) -> dict[tuple[str, str], str]:
        """The units of all numbers recorded, by name and split, in order of appearance."""
        return {key: records[0][0].unit for key, records in self._scalars.items()}

    def names(self, split: str) -> list[tuple[str, str]]:
        """Names and units of the numbers recorded on a split during training, in order of appearance."""
        names = {
            (record.name, record.unit): None
            for record, _ in self.records
            if isinstance(record, Scalar) and record.split == split and not record.name.startswith(FINAL)
        }
        return list(names)

    def units(self, split: str) -> dict[str, str]:
        """Units of all numbers recorded on a split, including the final ones."""
        return {
            record.name.removeprefix(FINAL): record.unit
            for record, _ in self.records
            if isinstance(record, Scalar) and record.split == split
        }

    def seconds(self, step: int) -> float | None:
        """Seconds of training up to a step, interpolated between timings; None after the last timing."""
        clock = self._clock
        index = bisect_left(clock, step, lo=1, key=lambda point: point[0])
        if index == len(clock):
            return None
        before, after = clock[index - 1], clock[index]
        share = (step - before[0]) / (after[0] - before[0])
        return before[1] + share * (after[1] - before[1])

    @cached_property
    def _clock(self) -> list[tuple[int, float]]:
        """Steps with the seconds up to them, ascending from 0."""
        return [(0, 0.0), *self._ticks()]

    def _ticks(self) -> Iterator[tuple[int, float]]:
        last = 0
        for timing in self.timings:
            # A resumed run repeats steps; the seconds of the first pass count.
            if timing.step > last:
                last = timing.step
                yield timing.step, timing.seconds
        if self.summary and self.summary["steps"] > last:
            yield self.summary["steps"], self.summary["cost"]["training_seconds"]


def read_run(folder: RunFolder) -> RunData:
    """Read a folder, whatever state its run is in, and even if files are damaged."""
    problems: list[str] = []

    def attempt(read: Callable[[], Anything], default: Anything) -> Anything:
        try:
            return read()
        except UserError as error:
            problems.append(str(error))
            return default

    return RunData(
        folder=folder,
        config_text=attempt(folder.config_text, ""),
        settings=attempt(folder.settings, {}),
        data=attempt(folder.data, None),
        environment=attempt(folder.environment, None),
        summary=attempt(lambda: _summary(folder), None) if folder.finished else None,
        cards=attempt(folder.cards, {}),
        adapted=attempt(folder.adapted_cards, []),
        wrong=attempt(folder.all_wrong_texts, {}),
        oracle=attempt(folder.oracle_card, None),
        generated=attempt(folder.generation_card, None),
        records=tuple(attempt(lambda: _lines(folder.records, problems), [])),
        samples=tuple(attempt(lambda: _lines(folder.samples, problems), [])),
        timings=tuple(attempt(lambda: _lines(folder.timings, problems), [])),
        problems=tuple(problems),
    )


def _lines(read: Callable[[OnDamage], Iterator[Anything]], problems: list[str]) -> list[Anything]:
    """Every valid line of a file; the first broken line is named, the others are counted."""
    broken: list[UserError] = []
    lines = list(read(broken.append))
    if broken:
        more = f", with {len(broken) - 1} more" if len(broken) > 1 else ""
        problems.append(f"{broken[0]} The line was left out{more}.")
    return lines


def _summary(folder: RunFolder) -> RunSummary:
    """The summary; refused where it has a number that cannot be drawn, such as an infinite loss."""
    summary = folder.summary()
    costs = (summary["cost"][key] for key in COSTS)
    if not all(math.isfinite(value) for value in (*costs, *summary["metrics"].values())):
        raise UserError(f"{folder.path} is damaged: the metrics and costs of its summary must be finite.")
    return summary
