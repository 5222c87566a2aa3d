"""`seqlab demo`: two small studies, from nothing to a report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqlab.cli.arguments import Json
from seqlab.cli.console import err, out, print_json
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    from seqlab.compare.study import Group, Study
    from seqlab.runs.study_folder import StudyFolder

TITLE = "seqlab demo: Elman, GRU, LSTM and Transformer at equal size"
OPENING = """Elman, GRU, LSTM and Transformer of nearly equal size learn balanced brackets
and Python source, in one to three minutes. Ctrl-C loses nothing.
"""
INTRODUCTION = """\
This is a demonstration at a small budget, two studies of four models of nearly equal size. Those of a study \
read the same texts equally often, each with a learning rate that was chosen for it beforehand, on the \
validation split with another seed. More training, larger models or other texts may turn the order round.

On balanced brackets the truth is known, so each model is also held against it; for Python source nobody \
knows it."""
WARNING = "Quick mode: a few steps a run, to see that everything works; the figures mean nothing."
BRACKETS, PYTHON = "demo-brackets", "demo-python"
QUICK = {
    BRACKETS: ("data.train=2000", "data.valid=200", "data.test=50", "training.max_steps=25"),
    PYTHON: ("data.max_bytes=60000", "training.max_steps=25", "samples.max_tokens=40"),
}
THREADS = 2
"""At most: steps of models this small take milliseconds, and with more threads they mostly wait."""
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

    Two studies, `demo-brackets` and `demo-python`: they take one to three minutes and need no network.
    Stopped at any moment, the same command goes on where it was; once finished it writes result and report
    again.

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
        Print the results as JSON, and nothing else.
    """
    if output.is_dir():
        raise UserError(f"'output' must be a file. Got the folder {str(output)!r}.")
    if seeds < 1:
        raise UserError(f"'seeds' must be at least 1. Got {seeds}. Nearest: 1.")
    if not as_json:
        err.print(OPENING, markup=False)
    folders = [_carry_out(name, seeds, quick, threads, quiet=as_json) for name in (BRACKETS, PYTHON)]

    from seqlab import report
    from seqlab.cli import study_result
    from seqlab.compare.study import read

    found = [read(folder) for folder in folders]
    words = f"{WARNING}\n\n{INTRODUCTION}" if quick else INTRODUCTION
    # Two datasets stand apart: nothing of one is ranked with the other.
    report.write([], output, title=TITLE, introduction=words, studies=folders, allow_incomparable=True)
    if as_json:
        tables = [
            study_result.as_table(one, folder, None) for one, folder in zip(found, folders, strict=True)
        ]
        print_json({"report": str(output), "studies": tables})
        return
    for parts in found:
        out.print(f"\n{parts[0].about['about']}", style="bold underline", markup=False)
        study_result.show(parts, allow_incomparable=False)
    studies = [part for parts in found for part in parts]
    _show_samples(studies)
    _say_farewell(studies[-1], output)


def _carry_out(name: str, seeds: int, quick: bool, threads: int | None, *, quiet: bool) -> StudyFolder:
    """One of the studies; with other settings than the shipped ones it has a name and a folder of its own."""
    # Behind the opening, because torch takes seconds to load.
    from seqlab.cli.study_view import StudyView
    from seqlab.studies import design, forecast, perform

    overrides = list(QUICK[name]) if quick else []
    own = "-quick" * quick
    if name == BRACKETS and seeds != 3:
        overrides.append(f"seeds={','.join(str(seed) for seed in range(1, seeds + 1))}")
        own += f"-{seeds}-seeds"
    work = design.Design(design.read(name, [*overrides, f"name={name}{own}"]))
    place = forecast.resources_for(1, None, min(THREADS, os.cpu_count() or 1) if threads is None else threads)
    view = StudyView(quiet=quiet)
    try:
        return perform.run_study(work, place, processes=1, retry=False, viewer=view)
    finally:
        view.close()


def _show_samples(studies: Sequence[Study]) -> None:
    out.print("\nWhat they wrote", style="bold underline")
    for study in studies:
        for group in study.best:
            out.print(f"  {group.architecture}", markup=False)
            for label, text in _texts(group):
                out.print(f"    {label}{text}", markup=False)


def _texts(group: Group) -> list[tuple[str, str]]:
    """Of the first seed: the longest right and the first wrong sample; without a truth, the first text."""
    from seqlab.compare.study_oracle import cards

    for card in cards(group)[:1]:
        examples = (("right  ", card["longest_valid"]), ("wrong  ", card["first_wrong"]))
        return [(label, shortened(text)) for label, text in examples if text is not None]
    return [("", line[:SHOWN]) for line in written(group).splitlines() if line.strip()][:3]


def written(group: Group) -> str:
    """The first text that the best checkpoint of a group's first seed wrote, its prompt in front.

    Raises:
        UserError: the samples are damaged.
    """
    run = group.cells[0].run.folder
    texts = [] if run is None else [text for text, _ in run.samples()]
    first = next((text for text in texts if text.name == "final_sample"), None)
    return "" if first is None else first.prompt + first.text


def shortened(text: str) -> str:
    """A sample that is too long without its end.

    >>> shortened("(" * 100)[40:]
    '(((( ... 100 characters'
    """
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 20]} ... {len(text)} characters"


def _say_farewell(study: Study, output: Path) -> None:
    out.print(f"\nThe report is {output}. Open it in a browser:\n  {output.resolve().as_uri()}", markup=False)
    out.print("\nLet the best of them write, or train on your own text:", markup=False)
    out.print(f'  seqlab sample {study.best[0].cells[0].run.name} --prompt "class "', markup=False)
    out.print("  seqlab train text-lm data.path=book.txt", markup=False)
