"""Progress of one run, or of other long work, on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import TaskID

from seqlab.cli.console import metrics_line, print_excerpt, print_note
from seqlab.cli.progress_bars import ProgressBars

if TYPE_CHECKING:
    from seqlab.schema.records import Text
    from seqlab.training.callback import Counted
    from seqlab.training.progress import Progress

SHOWN_SAMPLES = 2
"""Samples that are printed after a validation; all are in `samples.jsonl`."""


class ProgressDisplay:
    """A callback of runs: bars on a terminal, and messages unless `quiet`.

    Where nothing else is known of the progress, it shows what is being done and for how long.
    """

    def __init__(self, *, quiet: bool):
        self._quiet = quiet
        self.bars = ProgressBars(quiet=quiet)
        self._waiting = self.bars.add_task("Working", total=None)
        self._training: TaskID | None = None
        self._scoring: TaskID | None = None
        self.bars.start()

    def step(self, progress: Progress, loss: float, total_epochs: float) -> None:
        """Called after each optimizer step."""
        if self.bars.disable:
            return
        epoch = progress.moment.epoch
        description = f"epoch {epoch:.2f} of {total_epochs:.4g}  loss {loss:.3f}"
        if self._training is None:
            # A resumed run begins in the middle: what was trained before must not count as speed.
            self._training = self.bars.add_task(description, total=total_epochs, completed=epoch)  # type: ignore[arg-type]
        self.bars.update(
            self._training,
            completed=epoch,
            description=description,
            tokens=progress.tokens / max(epoch, 1e-9),
        )
        if epoch >= total_epochs:
            self.working()

    def scored(self, done: int, total: int) -> None:
        """Called after each batch of an evaluation."""
        self._parts(f"scoring, batch {done:,} of {total:,}", done, total)

    def predicted(self, done: int, total: int) -> None:
        """Called after some rows of a table; there may be fewer than `total`."""
        self._parts(f"predicting, row {done:,}", done, total)

    def explained(self, done: int, total: int) -> None:
        """Called after each text that is explained; there may be fewer than `total`."""
        self._parts(f"explaining, text {done:,}", done, total)

    def _parts(self, description: str, done: int, total: int) -> None:
        if self._scoring is None:
            self._scoring = self.bars.add_task(description, total=total)
        self.bars.update(self._scoring, completed=done, description=description)
        if done == total:
            self.bars.remove_task(self._scoring)
            self._scoring = None
            self.working()

    def validated(self, progress: Progress, metrics: Mapping[str, float], best: bool) -> bool:
        """Called after each validation; never a reason to stop."""
        mark = "  (best so far)" if best else ""
        epoch = round(progress.moment.epoch, 2)
        self.message(f"epoch {epoch:g}, step {progress.step:,}: validation {metrics_line(metrics)}{mark}")
        return False

    def sampled(self, samples: Sequence[Text], valid: Counted | None) -> None:
        """Called after the validation that these samples belong to."""
        if self._quiet:
            return
        lead = "samples" if valid is None else f"valid {valid.count:,} of {valid.total:,} samples"
        print_note(f"  {lead}:")
        for sample in samples[:SHOWN_SAMPLES]:
            print_excerpt(f"{sample.prompt}{sample.text}", ended=sample.complete)
        self.working()

    def message(self, text: str) -> None:
        """Print a line above the bars."""
        if not self._quiet:
            print_note(text)
        self.working()

    def working(self, text: str = "Working") -> None:
        """Set what is being done from now on."""
        self.bars.reset(self._waiting, description=text)

    def close(self) -> None:
        """Remove the bars."""
        self.bars.stop()


@contextmanager
def working(text: str, *, quiet: bool) -> Iterator[ProgressDisplay]:
    """Show what the block does, on a terminal and if it takes longer than two seconds."""
    display = ProgressDisplay(quiet=quiet)
    display.working(text)
    try:
        yield display
    finally:
        display.close()
