"""What a run or a study reports in Python: lines that are printed where they are asked for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from seqlab.schema.visible import visible
from seqlab.stats.formatting import format_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seqlab.runs.study_records import Trial
    from seqlab.schema.records import Text
    from seqlab.studies.job import JobOutcome
    from seqlab.training.callback import Counted
    from seqlab.training.progress import Progress

_log = logging.getLogger("seqlab")


class _Lines:
    """Prints lines, or logs them; nothing that moves."""

    def __init__(self, *, progress: bool):
        self._progress = progress

    def line(self, text: str) -> None:
        """Print a line, or log it where nothing is printed."""
        shown = visible(text, keep="\n\t")
        if self._progress:
            print(shown)
        else:
            _log.info("%s", shown)


class RunLines(_Lines):
    """A callback of runs: a line for each validation."""

    def step(self, progress: Progress, loss: float, total_epochs: float) -> None:
        """Print nothing."""

    def scored(self, done: int, total: int) -> None:
        """Print nothing."""

    def validated(self, progress: Progress, metrics: dict[str, float], best: bool) -> bool:
        """The metrics of one validation; never a reason to stop."""
        results = ", ".join(f"{name} {format_value(value)}" for name, value in metrics.items())
        epoch = round(progress.moment.epoch, 2)
        self.line(f"epoch {epoch:g}, step {progress.step:,}: {results}{' (best so far)' if best else ''}")
        return False

    def sampled(self, samples: Sequence[Text], valid: Counted | None) -> None:
        """The share of valid samples; the samples themselves are in the run."""
        if valid is not None:
            self.line(f"valid {valid.count:,} of {valid.total:,} samples")

    def message(self, text: str) -> None:
        """A sentence the user should know."""
        self.line(text)


class StudyLines(_Lines):
    """A callback of studies: a line for each run that ended."""

    def __init__(self, *, progress: bool):
        super().__init__(progress=progress)
        self._total = 0
        self._messages: set[str] = set()

    def started(self, trial: Trial, total: int) -> None:
        """Keep the number of all runs."""
        self._total = total

    def progressed(self, number: int, share: float, text: str) -> None:
        """Print nothing."""

    def message(self, number: int, text: str) -> None:
        """A sentence the user should know, once."""
        if text not in self._messages:
            self._messages.add(text)
            self.line(f"run {number}: {text}" if number else text)

    def ended(self, trial: Trial, outcome: JobOutcome, value: float | None) -> None:
        """The result of a run."""
        result = format_value(value) if value is not None else f"{outcome.state}: {outcome.reason}"
        self.line(f"{trial.number}/{self._total} {trial.label}: {result}")
