"""What a terminal shows of a study while it is carried out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.live import Live

from seqlab.cli.console import bar, duration, err, say

if TYPE_CHECKING:
    from seqlab.runs.study_folder import Trial
    from seqlab.studies.job import JobOutcome


class StudyView:
    """Follows a study: bars on a terminal, a line for each run that ended anywhere else."""

    def __init__(self, *, quiet: bool):
        self._quiet = quiet
        self._live: Live | None = None
        self._running: dict[int, tuple[Trial, float, str]] = {}
        self._said: set[str] = set()
        self._total = self._ended = self._began_with = 0
        self._first: float | None = None

    def started(self, trial: Trial, total: int) -> None:
        """A run begins."""
        if self._first is None:
            self._first, self._began_with = time.monotonic(), trial.number - 1
            self._ended = trial.number - 1
        self._total = total
        self._running[trial.number] = (trial, 0.0, "")
        self._show()

    def progressed(self, number: int, share: float, text: str) -> None:
        """How far a run is."""
        if number in self._running:
            self._running[number] = (self._running[number][0], share, text)

    def message(self, number: int, text: str) -> None:
        """A sentence; number 0 is of the study itself."""
        # What every run has to say is said once.
        if not self._quiet and text not in self._said:
            self._said.add(text)
            say(f"run {number}: {text}" if number else text, err)

    def ended(self, trial: Trial, outcome: JobOutcome, value: float | None) -> None:
        """A run ended."""
        self._running.pop(trial.number, None)
        self._ended += outcome.state != "interrupted"
        if self._quiet or outcome.state == "interrupted":
            return
        result = f"{value:.4f}" if value is not None else f"{outcome.state}: {outcome.reason}"
        say(f"{trial.number:>4}/{self._total}  {words(trial)}  {result}", err)

    def close(self) -> None:
        """Remove the bars."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _show(self) -> None:
        if self._live is None and err.is_terminal and not self._quiet:
            self._live = Live(console=err, get_renderable=self._render, transient=True, redirect_stdout=False)
            self._live.start()

    def _render(self) -> RenderableType:
        share = (self._ended + sum(share for _, share, _ in self._running.values())) / max(1, self._total)
        rows = [bar(min(1.0, share), f"{self._ended} of {self._total} runs  {self._left(share)}")]
        rows += [bar(part, f"{words(one)}  {text}") for one, part, text in self._running.values()]
        return Group(*rows)

    def _left(self, share: float) -> str:
        begun = self._began_with / max(1, self._total)
        if self._first is None or share <= begun:
            return ""
        pace = (time.monotonic() - self._first) / (share - begun)
        return f"{duration(max(0.0, 1 - share) * pace)} left"


def words(one: Trial) -> str:
    """A run in a few words.

    >>> from seqlab.runs.study_folder import Trial
    >>> words(Trial(number=1, architecture="lstm", setting={"training.optimizer.learning_rate": 0.1}, seed=2,
    ...             epochs=(1, 3), run="", config={}))
    'lstm learning_rate=0.1, seed 2'
    """
    setting = " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in one.setting.items())
    return f"{one.architecture}{' ' if setting else ''}{setting}, seed {one.seed}"
