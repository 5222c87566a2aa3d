"""Progress of a study on the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.progress import TaskID

from seqlab.cli.console import print_note
from seqlab.cli.progress_bars import ProgressBars
from seqlab.stats.formatting import format_value

if TYPE_CHECKING:
    from seqlab.runs.study_records import Trial
    from seqlab.studies.job import JobOutcome


@dataclass
class _RunBar:
    """The bar of a run. share: of its steps, from 0 to 1."""

    task: TaskID
    label: str
    share: float = 0.0


class StudyDisplay:
    """A callback of studies: bars on a terminal, and a line for each run that ended unless `quiet`."""

    def __init__(self, *, quiet: bool):
        self._quiet = quiet
        self.bars = ProgressBars(quiet=quiet)
        self._study: TaskID | None = None
        self._runs: dict[int, _RunBar] = {}
        self._messages: set[str] = set()
        self._total = self._ended = 0
        self.bars.start()

    def started(self, trial: Trial, total: int) -> None:
        """Called when a run starts."""
        self._total = total
        if self._study is None:
            # Runs of an earlier call come first; they must not count as speed.
            self._ended = trial.number - 1
            self._study = self.bars.add_task("", total=total, completed=self._ended)
        label = trial.label
        self._runs[trial.number] = _RunBar(self.bars.add_task(label, total=1.0), label)
        self._update_study()

    def progressed(self, number: int, share: float, text: str) -> None:
        """Called a few times per second while a run is trained."""
        run = self._runs.get(number)
        if run is None:
            return
        run.share = share
        # A full bar would count as finished and disappear.
        self.bars.update(run.task, completed=min(share, 0.999), description=f"{run.label}  {text}")
        self._update_study()

    def message(self, number: int, text: str) -> None:
        """Print a sentence of a run, or of the study itself, which has number 0."""
        # Runs of a study repeat each other's messages; each is printed once.
        if not self._quiet and text not in self._messages:
            self._messages.add(text)
            print_note(f"run {number}: {text}" if number else text)

    def ended(self, trial: Trial, outcome: JobOutcome, value: float | None) -> None:
        """Called when a run ended."""
        if (run := self._runs.pop(trial.number, None)) is not None:
            self.bars.remove_task(run.task)
        has_ended = outcome.state not in ("interrupted", "in use")
        self._ended += has_ended
        self._update_study()
        if self._quiet or not has_ended:
            return
        result = format_value(value) if value is not None else f"{outcome.state}: {outcome.reason}"
        print_note(f"{trial.number:>4}/{self._total}  {trial.label}  {result}")

    def close(self) -> None:
        """Remove the bars."""
        self.bars.stop()

    def _update_study(self) -> None:
        if self._study is None:
            return
        completed = self._ended + sum(run.share for run in self._runs.values())
        description = f"{self._ended} of {self._total} runs"
        # Rounded, because rich estimates the time left from the last 1000 changes.
        self.bars.update(self._study, completed=round(completed, 2), description=description)
