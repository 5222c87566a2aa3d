"""The files of a run folder that grow while it trains: records, samples and timings."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from seqlab.runs.journal import Journal
from seqlab.runs.typed_json import read_text
from seqlab.schema.errors import UserError
from seqlab.schema.records import Moment, Record, Text, to_line

RECORDS, SAMPLES, TIMINGS = "records.jsonl", "samples.jsonl", "timings.jsonl"
Parsed = TypeVar("Parsed")
OnDamage = Callable[[UserError], None]
"""Receives the error of a broken line, which is then left out."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long training took up to a step, and its speed since the timing before; never deterministic."""

    step: int
    epoch: float
    tokens: int
    seconds: float
    tokens_per_second: float


class RunJournals:
    """The growing files, open for writing from where a checkpoint left them."""

    def __init__(self, folder: Path, offsets: Mapping[str, int]):
        """Cut each file to its offset in bytes; to nothing where `offsets` has none.

        Raises:
            UserError: a file is shorter than its offset.
        """
        self._files = {
            name: Journal(folder / name, offsets.get(name, 0)) for name in (RECORDS, TIMINGS, SAMPLES)
        }

    def record(self, record: Record, moment: Moment) -> None:
        """Append a record; a text goes to the samples."""
        self._files[SAMPLES if isinstance(record, Text) else RECORDS].append(to_line(record, moment))

    def timing(self, timing: Timing) -> None:
        """Append a timing."""
        self._files[TIMINGS].append(json.dumps(dataclasses.asdict(timing)))

    def sync(self) -> dict[str, int]:
        """Flush everything to the disk; returns each file's size in bytes."""
        return {name: file.sync() for name, file in self._files.items()}

    def close(self) -> None:
        """Release the files."""
        for file in self._files.values():
            file.close()


def read_lines(
    path: Path, parse: Callable[[str, str], Parsed], on_damage: OnDamage | None
) -> Iterator[Parsed]:
    """Every line of a file, parsed; nothing where there is no file.

    Args:
        path: of the file.
        parse: takes a line and its source, `file:number`, for messages.
        on_damage: None: a broken line is an error.

    Raises:
        UserError: a line is broken, or the file is not text.
    """
    text = read_text(path) if path.exists() else ""
    # Not splitlines: texts may hold separators that JSON does not escape.
    lines = text.removesuffix("\n").split("\n") if text else []
    for number, line in enumerate(lines, start=1):
        try:
            parsed = parse(line, f"{path}:{number}")
        except UserError as error:
            if on_damage is None:
                raise
            on_damage(error)
        else:
            yield parsed


def timing_from_line(line: str, source: str) -> Timing:
    """The timing of a line; `source` is named in the error.

    Raises:
        UserError: the line is not a timing.
    """
    try:
        timing = Timing(**json.loads(line))
        if all(math.isfinite(value) for value in dataclasses.astuple(timing)):
            return timing
    except (json.JSONDecodeError, TypeError):
        pass
    raise UserError(f"{source} must hold one timing per line. Got {line[:80]!r}.")
