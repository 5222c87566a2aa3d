"""`seqlab demo`: two small studies, and a report on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from seqlab.cli.arguments import Json, Whole, check_output
from seqlab.cli.console import print_heading, print_json, print_line, print_note, print_text
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    from seqlab.comparison.study import Group, Study
    from seqlab.runs.study_folder import StudyFolder

TITLE = "seqlab demo: Elman, GRU, LSTM and Transformer of equal size"
OPENING = """Elman, GRU, LSTM and Transformer of nearly equal size learn balanced brackets
and the names of Unicode's characters, in one to three minutes. Ctrl-C loses nothing.
"""
INTRODUCTION = """\
This is a demonstration at a small budget: two studies, each of four models of nearly equal size. The models \
of a study read the same texts the same number of times, each with a learning rate chosen beforehand \
on the validation split with another seed. More training, larger models or other texts may reverse the order.

The true distribution of balanced brackets is known, so each model is also compared with it; that of names \
is not known, so each model is compared with a 5-gram."""
WARNING = "Quick mode: a few steps per run, to check that everything works; the numbers mean nothing."
BRACKETS, NAMES = "demo-brackets", "demo-names"
QUICK = {
    BRACKETS: ("data.train=2000", "data.valid=200", "data.test=50", "training.max_steps=25"),
    NAMES: ("data.max_names=2000", "training.max_steps=25", "samples.max_tokens=40"),
}
SEEDS = 3
"""Of the shipped study on brackets."""
SAMPLE_LENGTH = 64
"""Characters printed of a sample, at most."""


def demo(
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("report.html"),
    seeds: Whole = SEEDS,
    quick: bool = False,
    threads: Whole | None = None,
    as_json: Json = False,
) -> None:
    """Compare four models of equal size and write a report.

    It runs two studies, `demo-brackets` and `demo-names`, which take one to three minutes and need no
    network. After an interruption, the same command continues; after the end, it writes the report again.

    Parameters
    ----------
    output
        Path of the report, one HTML page.
    seeds
        Runs of each model on brackets; they differ in the random seed only.
    quick
        Take a few steps per run only, to check that everything works; the numbers mean nothing.
    threads
        Number of threads. Default: as for `seqlab train`.
    as_json
        Print only the results, as JSON.
    """
    check_output(output)
    if seeds < 1:
        raise UserError(f"'seeds' must be at least 1. Got {seeds}. Nearest: 1.")
    if not as_json:
        print_note(OPENING)
    folders = [_run(name, seeds, quick, threads, quiet=as_json) for name in (BRACKETS, NAMES)]

    from seqlab import report
    from seqlab.cli import study_result
    from seqlab.comparison.study import read
    from seqlab.studies.study_json import as_table

    studies = [read(folder) for folder in folders]
    # The studies have different datasets, so nothing of one is ranked with the other.
    report.write(
        [],
        output,
        title=TITLE,
        introduction=INTRODUCTION,
        warning=WARNING if quick else "",
        studies=folders,
        allow_incomparable=True,
    )
    if as_json:
        tables = [as_table(parts, folder, None) for parts, folder in zip(studies, folders, strict=True)]
        print_json({"report": str(output), "studies": tables})
        return
    for parts in studies:
        print_heading(f"\n{parts[0].about['about']}", "bold underline")
        study_result.show(parts, allow_incomparable=False)
    _print_samples([part for parts in studies for part in parts])
    _print_next_steps(studies[-1][-1], output)


def _run(name: str, seeds: int, quick: bool, threads: int | None, *, quiet: bool) -> StudyFolder:
    """Run one of the studies; one with other settings than the shipped study has another name and folder."""
    # Imported after the opening is printed, because torch takes seconds to load.
    from seqlab.cli.study_display import StudyDisplay
    from seqlab.studies import design
    from seqlab.studies.resources import resources_for
    from seqlab.studies.run_study import run_study

    overrides, suffix = [], ""
    if quick:
        overrides, suffix = [*QUICK[name]], "-quick"
    if name == BRACKETS and seeds != SEEDS:
        overrides.append(f"seeds={','.join(str(seed) for seed in range(1, seeds + 1))}")
        suffix += f"-{seeds}-seeds"
    designed = design.Design(design.read(name, [*overrides, f"name={name}{suffix}"]))
    resources = resources_for(1, None, threads)
    display = StudyDisplay(quiet=quiet)
    try:
        return run_study(designed, resources, processes=1, retry=False, callback=display)
    finally:
        display.close()


def _print_samples(studies: Sequence[Study]) -> None:
    print_heading("\nSamples", "bold underline")
    for study in studies:
        for group in study.best:
            print_line(f"  {group.architecture}")
            for label, text in _samples(group):
                print_text(f"    {label}{text}")


def _samples(group: Group) -> list[tuple[str, str]]:
    """Of the first seed: the longest valid and the first wrong sample; or lines, where no rule is known."""
    from seqlab.comparison.study_oracle import cards

    for card in cards(group)[:1]:
        examples = (("valid  ", card["longest_valid"]), ("wrong  ", card["first_wrong"]))
        return [(label, shortened(text)) for label, text in examples if text is not None]
    return [("", shortened(line)) for line in first_sample(group).splitlines() if line.strip()][:3]


def first_sample(group: Group) -> str:
    """The first text that the best checkpoint of a group's first seed generated, with its prompt.

    Raises:
        UserError: the samples are damaged.
    """
    run = group.cells[0].run.folder
    texts = [] if run is None else [text for text, _ in run.samples()]
    first = next((text for text in texts if text.name == "final_sample"), None)
    return "" if first is None else first.prompt + first.text


def shortened(text: str) -> str:
    """A sample, without its end where it is too long.

    >>> shortened("(" * 100)[40:]
    '(((( ... 100 characters'
    """
    return text if len(text) <= SAMPLE_LENGTH else f"{text[: SAMPLE_LENGTH - 20]} ... {len(text)} characters"


def _print_next_steps(study: Study, output: Path) -> None:
    print_line(f"\nThe report is {output}. Open it in a browser:\n  {output.resolve().as_uri()}")
    print_line("\nGenerate text with the best model, or train on your own text:")
    print_line(f'  seqlab sample {study.best[0].cells[0].run.name} --prompt "latin "')
    print_line("  seqlab train text-lm data.path=book.txt")
