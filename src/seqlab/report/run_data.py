"""A run folder as plain values: whatever can be read, and sentences about what cannot."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from seqlab.runs.folder import RECORDS, SAMPLES, TIMINGS, RunFolder
from seqlab.schema.config import Table, read_toml
from seqlab.schema.errors import UserError
from seqlab.schema.records import Curve, Matrix, Moment, Record, Scalar, Text, from_line

CONFIG, DATA, ENVIRONMENT, FINISHED = "config.toml", "data.json", "environment.json", "finished.json"
COSTS = ("training_seconds", "evaluation_seconds", "tokens_per_second", "peak_memory_mib")
Anything = TypeVar("Anything")
TimedRecord = tuple[Record, Moment]


@dataclass(frozen=True, kw_only=True)
class RunData:
    """What one folder holds. A file that could not be read is an empty table and a problem."""

    folder: RunFolder
    settings: Table
    config_text: str
    data: dict[str, Any]
    environment: dict[str, Any]
    summary: dict[str, Any]
    cards: dict[str, dict[str, Any]]
    records: tuple[TimedRecord, ...]
    samples: tuple[tuple[Text, Moment], ...]
    timings: tuple[tuple[int, float, float], ...]
    """Step, seconds of training up to it, tokens per second since the timing before."""
    problems: tuple[str, ...]

    @property
    def status(self) -> str:
        """Finished or unfinished, and whether something in the folder is damaged."""
        words = "finished" if self.summary else "unfinished"
        return f"{words}, damaged" if self.problems else words

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
        for step, seconds, _ in self.timings:
            if step > last:
                last = step
                yield step, seconds
        if self.summary and self.summary.get("steps", 0) > last:
            yield self.summary["steps"], self.summary["cost"]["training_seconds"]


def read_run(folder: RunFolder) -> RunData:
    """Read a folder, however far its run came and whatever happened to it since."""
    problems: list[str] = []

    def tried(work: Callable[[], Anything], otherwise: Anything) -> Anything:
        try:
            return work()
        except UserError as error:
            problems.append(str(error))
            return otherwise

    text = tried(lambda: folder.read(CONFIG), "")
    records = tried(lambda: _lines(folder, RECORDS, _record, problems), [])
    samples = tried(lambda: _lines(folder, SAMPLES, _record, problems), [])
    return RunData(
        folder=folder,
        config_text=text,
        settings=tried(lambda: read_toml(text, str(folder.path / CONFIG)), {}),
        data=tried(lambda: folder.read_json(DATA, "name", "content_hash", "splits"), {}),
        environment=tried(lambda: folder.read_json(ENVIRONMENT, "threads", "versions"), {}),
        summary=tried(lambda: _summary(folder), {}) if folder.finished else {},
        cards=tried(lambda: _cards(folder), {}),
        records=tuple(records),
        samples=tuple((record, moment) for record, moment in samples if isinstance(record, Text)),
        timings=tuple(tried(lambda: _lines(folder, TIMINGS, _timing, problems), [])),
        problems=tuple(problems),
    )


def _lines(
    folder: RunFolder, file: str, parse: Callable[[str, str], Anything], problems: list[str]
) -> list[Anything]:
    """Every sound line of a journal; the first broken one is named, the others are counted."""
    if not (folder.path / file).exists():
        return []
    found, broken = [], []
    # Not splitlines: texts may hold separators that JSON does not escape.
    for number, line in enumerate(folder.read(file).removesuffix("\n").split("\n"), start=1):
        try:
            if line:
                found.append(parse(line, f"{folder.path / file}:{number}"))
        except UserError as error:
            broken.append(str(error))
    if broken:
        more = f" Left out, with {len(broken) - 1} more." if len(broken) > 1 else " Left out."
        problems.append(broken[0] + more)
    return found


def _record(line: str, source: str) -> TimedRecord:
    record, moment = from_line(line, source)
    if not (_finite((moment.step, moment.epoch, moment.tokens)) and _sound(record)):
        raise UserError(f"{source} must hold finite numbers and texts. Got {line[:80]!r}.")
    return record, moment


def _sound(record: Record) -> bool:
    match record:
        case Scalar():
            return _finite(record.value) and _texts(record.name, record.unit, record.split)
        case Curve():
            return _finite((record.x, record.y)) and len(record.x) == len(record.y)
        case Matrix():
            widths = {len(row) for row in record.values}
            return _finite(record.values) and widths == {len(record.columns)} and len(record.rows) > 0
        case Text():
            return _texts(record.name, record.prompt, record.text)


def _finite(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_finite(item) for item in value)
    return isinstance(value, int | float) and math.isfinite(value)


def _texts(*values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def _timing(line: str, source: str) -> tuple[int, float, float]:
    try:
        content = json.loads(line)
        timing = (content["step"], content["seconds"], content["tokens_per_second"])
        if _finite(timing):
            return timing
    except (json.JSONDecodeError, KeyError, TypeError):
        pass
    raise UserError(f"{source} must hold one timing a line. Got {line[:80]!r}.")


def _summary(folder: RunFolder) -> dict[str, Any]:
    summary = folder.summary()
    cost = summary["cost"]
    timed = isinstance(cost, dict) and _finite(tuple(cost.get(key) for key in COSTS))
    if not (timed and isinstance(summary["metrics"], dict) and _finite(tuple(summary["metrics"].values()))):
        raise UserError(f"{folder.path / FINISHED} is damaged: its metrics and costs must be numbers.")
    return summary


def _cards(folder: RunFolder) -> dict[str, dict[str, Any]]:
    needed = ("metrics", "scored_as", "split", "checkpoint_step")
    files = sorted(folder.cards.glob("*.json"))
    return {path.stem: folder.read_json(f"cards/{path.name}", *needed) for path in files}
