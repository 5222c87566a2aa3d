"""`seqlab evaluate` and `seqlab diagnose`: scoring a trained run, and looking inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seqlab.cli.arguments import Json, Run
from seqlab.cli.console import metrics_line, out, print_json, print_table, say, working
from seqlab.schema.errors import UserError

if TYPE_CHECKING:
    from seqlab.runs.cards import MatrixTable

WIDEST = 10
"""Labels up to which a confusion matrix is printed whole."""


def evaluate(
    name: Run,
    /,
    *,
    split: str = "valid",
    metric: tuple[str, ...] = (),
    device: str = "cpu",
    as_json: Json = False,
) -> None:
    """Score a run's best checkpoint on a split: every target, once.

    Parameters
    ----------
    split
        train, valid or test. Look at test once, at the end.
    metric
        Key of a metric (`seqlab list metrics`); may be given several times. Default: the task's own.
    device
        Where the model lives.
    as_json
        Print the evaluation card as JSON.
    """
    from seqlab.evaluate.evaluation import evaluate_run
    from seqlab.runs import run_folder

    with working("Reading and encoding the data", quiet=as_json) as line:
        card = evaluate_run(run_folder.find(name), split, metric, device=device, progress=line.scored)
    if as_json:
        print_json(card)
        return
    say(f"{card['run']}, {split}: {metrics_line(card['metrics'])}")
    kept = f"; checkpoint of step {card['checkpoint_step']:,}" if card["checkpoint_step"] else ""
    say(f"{card['sequences']:,} sequences, {card['tokens']:,} tokens, {card['scored_as']}{kept}")
    for words, matrix in card["matrices"].items():
        _print_matrix(words.replace("_", " "), matrix)
    if card["equal_to_training"]:
        say(f"{card['equal_to_training']:,} of them also stand in the training split")


def _print_matrix(words: str, matrix: MatrixTable) -> None:
    """Counts of classes against classes: whole where it fits a screen, else the largest off the diagonal."""
    rows, columns, values = matrix["rows"], matrix["columns"], matrix["values"]
    if len(columns) <= WIDEST:
        out.print(f"\n{words}: a row for each true label, a column for each answer", markup=False)
        table = [[name, *(int(value) for value in line)] for name, line in zip(rows, values, strict=True)]
        print_table(["", *columns], table)
        return
    missed = [
        (int(value), true, given)
        for true, line in zip(rows, values, strict=True)
        for given, value in zip(columns, line, strict=True)
        if value and true != given
    ]
    missed.sort(key=lambda cell: -cell[0])
    out.print(f"\n{words} of {len(columns)} labels: the most frequent mistakes", markup=False)
    print_table(["label", "answer", "times"], [[true, given, count] for count, true, given in missed[:10]])


def diagnose(
    name: Run,
    /,
    *,
    diagnostic: tuple[str, ...] = (),
    split: str = "valid",
    rows: int | None = None,
    device: str = "cpu",
    as_json: Json = False,
) -> None:
    """Look inside a run's best checkpoint: its gradient through time.

    Parameters
    ----------
    diagnostic
        Key of a diagnostic (`seqlab list diagnostics`); may be given several times. Default: all.
    split
        train, valid or test.
    rows
        Texts that are looked at, or parts of a running text. Default: the run's diagnostics.sequences.
    device
        Where the model lives.
    as_json
        Print what was found as JSON.
    """
    from seqlab.evaluate.evaluation import diagnose_run
    from seqlab.measure.metric_kinds import DIAGNOSTICS
    from seqlab.runs import run_folder

    if rows is not None and rows < 1:
        raise UserError(f"'rows' must be at least 1. Got {rows}. Nearest: 1.")
    kinds = diagnostic or tuple(DIAGNOSTICS)
    with working("Looking inside the best checkpoint", quiet=as_json):
        found = diagnose_run(run_folder.find(name), kinds, split=split, rows=rows, device=device)
    if as_json:
        print_json(found)
        return
    say(f"{found['run']}, {split}, checkpoint of step {found['checkpoint_step']:,}")
    for kind, content in found["diagnostics"].items():
        out.print(f"\n{kind}", style="bold", markup=False)
        for sentence in content["found"]:
            say(sentence)
        _print_curves([record for record in content["records"] if "x" in record])


def _print_curves(curves: list[dict[str, Any]]) -> None:
    """Curves over one axis side by side, at its beginning and at every doubling."""
    axis = sorted({x for curve in curves for x in curve["x"]})
    shown = [x for place, x in enumerate(axis) if place & (place - 1) == 0 or x == axis[-1]]
    values = [dict(zip(curve["x"], curve["y"], strict=True)) for curve in curves]
    heads = [curve["name"].replace("_", " ") for curve in curves]
    out.print()
    print_table(
        [curves[0]["x_unit"], *heads],
        [[f"{x:g}", *(f"{by[x]:.4g}" if x in by else "" for by in values)] for x in shown],
    )
