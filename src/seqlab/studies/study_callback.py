"""What a caller can follow of a study while its runs are trained."""

from __future__ import annotations

from typing import Protocol

from seqlab.runs.study_records import Trial
from seqlab.studies.job import JobOutcome


class StudyCallback(Protocol):
    """Called while a study runs: by a progress display, or by one that does nothing."""

    def started(self, trial: Trial, total: int) -> None:
        """A run starts; total is the number of all runs, at most."""
        ...

    def progressed(self, number: int, share: float, text: str) -> None:
        """The share of a run that is done, from 0 to 1, with a few words."""
        ...

    def message(self, number: int, text: str) -> None:
        """A sentence for the user; number is that of a run, or 0 for the study itself."""
        ...

    def ended(self, trial: Trial, outcome: JobOutcome, value: float | None) -> None:
        """A run ended; value is that of the metric it is compared by."""
        ...
