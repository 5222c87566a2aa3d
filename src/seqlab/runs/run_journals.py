"""The files of a run folder that grow while it trains: records, samples and timings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import with_config

from seqlab.runs.journal import Journal, JournalMark, check_journal
from seqlab.schema.json_shapes import EXACT, Amount, Count, parse_json
from seqlab.schema.records import Moment, Record, Text, to_line

RECORDS, SAMPLES, TIMINGS = "records.jsonl", "samples.jsonl", "timings.jsonl"
JOURNALS = (RECORDS, TIMINGS, SAMPLES)


@with_config(EXACT)
@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long training took up to a step, and its speed since the timing before; never deterministic."""

    step: Count
    epoch: Amount
    tokens: Count
    seconds: Amount
    tokens_per_second: Amount


class RunJournals:
    """The growing files, open for writing from where a checkpoint left them."""

    def __init__(self, folder: Path, marks: Mapping[str, JournalMark]):
        """Cut each file to its mark; to nothing where there is none.

        Args:
            folder: of the run.
            marks: the state of the checkpoint to continue from.

        Raises:
            UserError: what a file has up to its mark is not what was written.
        """
        for name in JOURNALS:
            if name in marks:
                check_journal(folder / name, marks[name])
        self._files = {name: Journal(folder / name, marks.get(name)) for name in JOURNALS}

    def record(self, record: Record, moment: Moment) -> None:
        """Append a record; a text goes to the samples."""
        self._files[SAMPLES if isinstance(record, Text) else RECORDS].append(to_line(record, moment))

    def timing(self, timing: Timing) -> None:
        """Append a timing."""
        self._files[TIMINGS].append(json.dumps(dataclasses.asdict(timing)))

    def sync(self) -> dict[str, JournalMark]:
        """Flush everything to the disk; returns the mark of each file."""
        return {name: file.sync() for name, file in self._files.items()}

    def close(self) -> None:
        """Release the files."""
        for file in self._files.values():
            file.close()


def timing_from_line(line: str, source: str) -> Timing:
    """The timing of a line; `source` is named in the error.

    Raises:
        UserError: the line is not a timing.
    """
    return parse_json(line, Timing, source)
