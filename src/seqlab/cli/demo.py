"""`seqlab demo`: four models compared, from nothing to a report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqlab.cli.arguments import Json
from seqlab.cli.console import err, out, percent, print_json, print_table
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    from rich.progress import Progress

    from seqlab.train.demo import Result, Row, Trial

TITLE = "seqlab demo: Elman, GRU, LSTM and Transformer at equal size"
OPENING = """Elman, GRU, LSTM and Transformer of nearly equal size learn balanced brackets
and Python source, in one to three minutes. Ctrl-C loses nothing.
"""
HEADINGS = {"brackets": "Balanced brackets", "python": "Python source, by bytes"}
LEGEND = """
loss in nats per token of the validation split, mean over seeds; spread: highest
seed less lowest; valid: samples that keep the rules; cut: samples that did not
end in time; seconds: training of one run."""
SHOWN = 64
"""Characters of a sample that are shown."""


def demo(
    *,
    output: Path = Path("report.html"),
    seeds: int = 3,
    quick: bool = False,
    threads: int | None = None,
    as_json: Json = False,
) -> None:
    """Compare four models of equal size and write a report.

    On generated brackets and on Python source: takes one to three minutes and needs no network. Stopped at
    any moment, the same command goes on where it was; once finished it writes table and report again.

    Parameters
    ----------
    output
        The report, one HTML page.
    seeds
        Runs of each model on brackets, which differ in their random draws only.
    quick
        A few steps of each run, to see that everything works; the figures mean nothing.
    threads
        Threads of the numerical libraries. Default: 2.
    as_json
        Print the tables as JSON, and nothing else.
    """
    if output.is_dir():
        raise UserError(f"'output' must be a file. Got the folder {str(output)!r}.")
    if not as_json:
        err.print(OPENING, markup=False)
    # Behind the opening, because torch takes seconds to load.
    from seqlab.train import demo as work

    results = _carry_out(work.plan(seeds, quick=quick), threads, quiet=as_json)
    tables = {data: work.rows(results, data) for data in HEADINGS}
    if not as_json:
        _print_results(results, tables)
    _write_report(results, output, quick=quick)
    if as_json:
        print_json(_as_json(results, tables, output))
    else:
        _print_farewell(results, output)


def _carry_out(trials: Sequence[Trial], threads: int | None, *, quiet: bool) -> list[Result]:
    from seqlab.train.demo import carry_out

    line = DemoLine(trials, quiet=quiet)
    results: list[Result] = []
    try:
        for trial in trials:
            line.begin(trial)
            results.append(carry_out(trial, threads=threads, listener=line))
            line.end(results[-1])
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Stopped; {len(results)} of {len(trials)} runs are done and nothing is lost. "
            "The same command goes on from here."
        ) from None
    finally:
        line.close()
    return results


class DemoLine:
    """Follows the whole demonstration: one bar on a terminal, a line for each finished run."""

    def __init__(self, trials: Sequence[Trial], *, quiet: bool):
        self._trials, self._quiet = trials, quiet
        self._done, self._number = 0.0, 0
        self._first: tuple[float, int] | None = None
        self._old = False
        self._bar: Progress | None = None

    def begin(self, trial: Trial) -> None:
        """Before a run."""
        self._trial = trial
        self._number += 1
        self._first, self._old = None, False
        self._show(0.0, "")

    def step(self, progress: Any, loss: float, total_epochs: float) -> None:
        """See `Listener`."""
        now = time.monotonic()
        then, tokens = self._first = self._first or (now, progress.tokens)
        rate = (progress.tokens - tokens) / max(now - then, 1e-9)
        self._show(progress.moment.epoch / total_epochs, f"loss {loss:.3f}  {rate:,.0f} tokens/s")

    def validated(self, progress: Any, metrics: dict[str, float], best: bool) -> bool:
        """See `Listener`."""
        return False

    def scored(self, done: int, total: int) -> None:
        """See `Listener`."""
        self._show(1.0, "scoring")

    def message(self, text: str) -> None:
        """See `Listener`; what is said of every run is left out."""
        self._old = self._old or text.endswith("nothing to do.")
        if not self._quiet and text.startswith(("Going on", "Not to the bit")):
            self._print(f"  {text}")

    def end(self, result: Result) -> None:
        """After a run."""
        self._done += self._trial.seconds
        self._show(0.0, "")
        if not self._quiet:
            loss, seconds = result.summary["metrics"]["loss"], result.summary["cost"]["training_seconds"]
            end = "done before" if self._old else f"{seconds:5.1f} s"
            count = f"{self._number:>3}/{len(self._trials)}"
            self._print(f"{count}  {_name(self._trial):<28}  {loss:.4f} nats per token  {end}")

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _show(self, share: float, words: str) -> None:
        if self._quiet or not err.is_terminal:
            return
        if self._bar is None:
            self._bar = _bar(sum(trial.seconds for trial in self._trials))
            self._bar.start()
        words = f"{_name(self._trial)}  {words}"
        self._bar.update(
            self._bar.task_ids[0], completed=self._done + share * self._trial.seconds, words=words
        )

    def _print(self, text: str) -> None:
        console = self._bar.console if self._bar is not None else err
        console.print(text, markup=False)


def _bar(total: float) -> Progress:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    # Together 80 characters at most.
    columns = (
        BarColumn(bar_width=14),
        TextColumn("{task.fields[words]}", markup=False),
        TimeRemainingColumn(compact=True),
    )
    bar = Progress(*columns, console=err, transient=True)
    bar.add_task("", total=total, words="")
    return bar


def _name(trial: Trial) -> str:
    return f"{trial.data} {trial.model}, seed {trial.seed}"


def _write_report(results: Sequence[Result], output: Path, *, quick: bool) -> None:
    from seqlab import report
    from seqlab.train.demo import introduction

    words = introduction(results, quick=quick)
    folders = [result.folder for result in results]
    # Two datasets stand apart: nothing of one is ranked with the other.
    report.write(folders, output, title=TITLE, introduction=words, samples=True, anyway=True)


def _truth(floor: float | None) -> str:
    return "; no truth is known" if floor is None else f"; the truth pays {floor:.4f} nats per token"


def _print_results(results: Sequence[Result], tables: dict[str, list[Row]]) -> None:
    from seqlab.train.demo import floor

    columns = ("model", "params", "loss", "spread", "above\ntruth", "valid", "cut", "seconds", "tokens/s")
    for data, rows in tables.items():
        out.print(f"\n{HEADINGS[data]}{_truth(floor(results, data))}", style="bold", markup=False)
        print_table(columns, [_cells(row) for row in rows])
    out.print(LEGEND, markup=False)
    _print_samples(results)


def _cells(row: Row) -> list[Any]:
    return [
        row.model,
        row.parameters,
        f"{row.loss:.4f}",
        "-" if row.seeds == 1 else f"{row.highest - row.lowest:.4f}",
        "-" if row.above_floor is None else f"{row.above_floor:.4f}",
        "-" if row.valid is None else percent(row.valid),
        "-" if row.cut is None else percent(row.cut),
        f"{row.seconds:7.1f}",
        round(row.tokens_per_second),
    ]


def _print_samples(results: Sequence[Result]) -> None:
    from seqlab.train.demo import written

    out.print("\nWhat they wrote (seed 1)", style="bold")
    for result in results:
        if result.trial.seed == 1:
            out.print(f"  {result.trial.data} {result.trial.model}", markup=False)
            for label, text in _texts(result, written(result)):
                out.print(f"    {label}{text}", markup=False)


def _texts(result: Result, text: str) -> list[tuple[str, str]]:
    """What is shown of a run: of brackets the longest right and the first wrong sample of all drawn."""
    if result.truth is None:
        return [("", line[:SHOWN]) for line in text.splitlines() if line.strip()][:3]
    examples = (("right  ", "longest_valid"), ("wrong  ", "first_wrong"))
    return [
        (label, _shortened(result.truth[key])) for label, key in examples if result.truth[key] is not None
    ]


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 20]} ... {len(text)} characters"


def _print_farewell(results: Sequence[Result], output: Path) -> None:
    best = min(
        (result for result in results if result.truth is None), key=lambda r: r.summary["metrics"]["loss"]
    )
    out.print(f"\nThe report is {output}. Open it in a browser:\n  {output.resolve().as_uri()}", markup=False)
    out.print("\nLet the best of them write, or train on your own text:", markup=False)
    out.print(f'  seqlab sample {best.folder.path.name} --prompt "class "', markup=False)
    out.print("  seqlab train text-lm data.path=book.txt", markup=False)


def _as_json(results: Sequence[Result], tables: dict[str, list[Row]], output: Path) -> dict[str, Any]:
    from seqlab.train.demo import floor

    return {
        "report": str(output),
        "runs": [str(result.folder.path) for result in results],
        "tables": {
            data: {"floor": floor(results, data), "rows": [asdict(row) for row in rows]}
            for data, rows in tables.items()
        },
    }
