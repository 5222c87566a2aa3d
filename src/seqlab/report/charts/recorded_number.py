"""One number recorded during training, with everything that its charts need."""

from __future__ import annotations

from dataclasses import dataclass, replace

from seqlab.report.chapters import Chapter
from seqlab.report.charts.chart_style import axis_title
from seqlab.report.charts.curve_points import baseline_rows, median_rows, run_rows
from seqlab.report.charts.figure import Row
from seqlab.report.charts.palette import run_palette
from seqlab.report.tables import words

HORIZON = "gradient_horizon"
"""Prefix of the names of horizons, which are recorded on validation but are no metrics."""
SAMPLES = "samples"
"""Recorded in place of the split of a number counted on samples."""
MEDIAN, OPTIMIZER_MEDIAN = "median", "median of an optimizer"
"""Kinds of rows: the median of the runs of a model or an architecture, and of an optimizer's."""


@dataclass(frozen=True)
class RecordedNumber:
    """A number over training; `rows` has its records, their medians, and the values of what has no curve.

    chapter: without ensembles, whose members have the curves. rules: what those values are of, in words.
    """

    chapter: Chapter
    name: str
    unit: str
    splits: tuple[str, ...]
    rows: tuple[Row, ...]
    rules: str

    @property
    def title(self) -> str:
        """The name with the data."""
        return f"{words(self.name)} on {self.chapter.title}"

    @property
    def scored_split(self) -> str | None:
        """The split that was scored from time to time; None where only training was recorded."""
        return next((split for split in self.splits if split != "train"), None)

    @property
    def axis_title(self) -> list[str]:
        """The title of the vertical axis."""
        return axis_title(self.name, self.unit)

    @property
    def group_field(self) -> str:
        """The field whose values have medians of their own: "label" or "architecture"."""
        return run_palette(self.chapter).field

    def count_groups(self, field: str) -> int:
        """The number of architectures, or of optimizers."""
        return _count_groups(self.chapter, field)

    def longest_record(self) -> int:
        """The number of records of the run and split that have most."""
        return max(
            (len(run.scalars(self.name, split)) for run in self.chapter.runs for split in self.splits),
            default=0,
        )

    def has_single_point(self, split: str) -> bool:
        """Whether some run has a single record, whose line would be invisible."""
        return any(len(run.scalars(self.name, split)) == 1 for run in self.chapter.runs)


def recorded_number(every: Chapter, name: str, unit: str, splits: tuple[str, ...]) -> RecordedNumber:
    """The records of a number on these splits, with the rows that charts add to them."""
    chapter = replace(every, entries=tuple(entry for entry in every.entries if not entry.ensemble))
    rows = run_rows(chapter, name, splits)
    medians = median_rows(rows, run_palette(chapter).field, MEDIAN) if chapter.grouped else []
    # The median of a single optimizer would mix all runs of the figure.
    if chapter.grouped and _count_groups(chapter, "optimizer") > 1:
        medians += median_rows(rows, "optimizer", OPTIMIZER_MEDIAN)
    rules = baseline_rows(every, name) if "valid" in splits else []
    return RecordedNumber(
        chapter, name, unit, splits, (*rows, *medians, *rules), rules=_kinds(every) if rules else ""
    )


def _kinds(chapter: Chapter) -> str:
    """The kinds of runs of a chapter that have no curve."""
    kinds = {
        "a baseline, which is fitted without steps": any(entry.baseline for entry in chapter.entries),
        "an ensemble, the mean of finished runs": any(entry.ensemble for entry in chapter.entries),
    }
    return ", or ".join(kind for kind, present in kinds.items() if present)


def _count_groups(chapter: Chapter, field: str) -> int:
    return len({getattr(entry, field) for entry in chapter.entries if not entry.baseline})
