"""`seqlab evaluate`: scores of a trained run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqlab.cli.arguments import Json, Run, Setting, Trust, Whole
from seqlab.cli.console import metrics_line, print_json, print_line, print_table
from seqlab.cli.curve_tables import print_curves
from seqlab.cli.inspection_tables import (
    LABEL_SCORES,
    TRUST_CURVES,
    print_label_scores,
    print_length_accuracies,
    print_trust,
    print_wrong_texts,
)
from seqlab.cli.progress_display import working
from seqlab.runs.cards import ACCURACY_BY_LENGTH, POSITION_CURVES
from seqlab.schema.errors import UserError
from seqlab.schema.visible import shortened
from seqlab.stats.formatting import counted

if TYPE_CHECKING:
    from seqlab.report.position_losses import PositionLosses
    from seqlab.runs.cards import Card, MatrixTable

MAX_LABELS = 10
"""Number of labels up to which a whole confusion matrix is printed."""
MAX_MISTAKES = 10
"""Kinds of mistakes printed of a larger one."""


def evaluate(
    name: Run,
    /,
    *settings: Setting,
    split: str = "valid",
    metric: tuple[str, ...] = (),
    errors: Whole | None = None,
    calibrate: bool = False,
    dynamic: bool = False,
    cache: bool = False,
    tune: bool = False,
    device: str = "cpu",
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Score a run's best checkpoint on a split: every target, once.

    A classifier is also inspected: the scores of each label, its wrong texts, its calibration, and what it
    would gain by abstaining. A network that models running text can adapt to the text while it is scored;
    the result has a card of its own, and the run's weights stay as they are.

    Parameters
    ----------
    settings
        Settings of --dynamic and --cache, e.g. dynamic.learning_rate=0.001 cache.size=2000; they switch on
        what they belong to. dynamic: rule, learning_rate, decay, window, epsilon. cache: size, theta, weight.
    split
        train, valid or test. Use test once, at the end.
    metric
        Name of a metric (`seqlab list metrics`); can be repeated. Default: the metrics of the task, of a
        language model the loss at each position, and of a classifier all that say how far to trust it. The
        run's card keeps its other metrics.
    errors
        Number of wrongly labelled texts to show, the most confident first. Default: 10, with --metric none.
    calibrate
        Fit the temperature that divides a classifier's logits, on the validation split, and measure its
        effect.
    dynamic
        Dynamic evaluation: learn from each part of the text after it was scored (Krause et al. 2018).
    cache
        Neural cache: expect words again that followed similar features (Grave et al. 2017).
    tune
        Search for better settings of --dynamic and --cache on the validation split, then score the split with
        them.
    device
        Device to compute on: cpu, cuda or mps.
    as_json
        Print the evaluation card as JSON.
    """
    from seqlab.evaluate.adaptation import adaptation_config
    from seqlab.evaluate.evaluation import evaluate_run
    from seqlab.evaluate.inspection import DEFAULT_ERRORS, Inspection
    from seqlab.runs import run_folder

    adaptation = adaptation_config(settings, dynamic=dynamic, cache=cache, tune=tune)
    if errors is not None and errors < 0:
        raise UserError(f"'errors' must be at least 0. Got {errors}. Nearest: 0.")
    run = run_folder.find(name)
    inspects = not metric or errors is not None or calibrate
    inspection = Inspection(DEFAULT_ERRORS if errors is None else errors, calibrate) if inspects else None
    with working("Reading and encoding the data", quiet=as_json) as display:
        card = evaluate_run(
            run,
            split,
            metric,
            inspection=inspection,
            adaptation=adaptation,
            tune=tune,
            device=device,
            progress=display.scored,
            trust=trust,
        )
    wrong = run.wrong_texts(split) if inspects else None
    if as_json:
        print_json({**card, "errors": wrong} if wrong is not None else card)
        return
    _print_card(card)
    if wrong is not None and (wrong["shown"] or not wrong["wrong"]):
        print_wrong_texts(wrong)


def _print_card(card: Card) -> None:
    from seqlab.evaluate.adaptation import adaptation_line
    from seqlab.report.position_losses import position_losses
    from seqlab.report.tables import split_title

    print_line(": ".join(filter(None, (f"{card['run']}, {card['split']}", metrics_line(card["metrics"])))))
    kept = f"; checkpoint of step {card['checkpoint_step']:,}" if card["checkpoint_step"] else ""
    size = f"{counted(card['sequences'], 'sequence')}, {counted(card['tokens'], 'token')}"
    print_line(f"{size}, {card['scored_as']}{kept}")
    if "adaptation" in card:
        print_line(adaptation_line(card["adaptation"]))
    for other, count in {"train": card["equal_to_training"], **card["equal_to_others"]}.items():
        if count:
            print_line(f"{count:,} of them {'is' if count == 1 else 'are'} also in the {split_title(other)}")
    if "left_out" in card:
        print_line(f"{counted(card['left_out'], 'unlabelled text')} equal to one of them, left out")
    curves = dict(card["curves"])
    trust = {name: curves.pop(name) for name in TRUST_CURVES if name in curves}
    for title, matrix in card["matrices"].items():
        if title == LABEL_SCORES:
            print_label_scores(matrix)
        elif title == ACCURACY_BY_LENGTH:
            print_length_accuracies(matrix)
        else:
            _print_matrix(title.replace("_", " "), matrix)
    print_trust(trust, card["metrics"])
    if (losses := position_losses(card["curves"])) is not None:
        _print_positions(losses)
    others = {name: curve for name, curve in curves.items() if name not in POSITION_CURVES}
    if others:
        print_curves([{"name": name, **curve} for name, curve in others.items()])


def _print_positions(losses: PositionLosses) -> None:
    """Print the loss at the first positions, then of twice as many positions in each row."""
    from seqlab.report.position_losses import FEW_TARGETS

    groups = losses.groups()
    print_line(f"\nloss per position: {losses.axis}")
    print_table(
        ["position", losses.unit, "targets"],
        [[one.title, f"{one.loss:.4g}", one.targets] for one in groups],
    )
    if few := [one.title for one in groups if one.few]:
        print_line(f"uncertain, with fewer than {FEW_TARGETS} targets: positions {', '.join(few)}")


def _print_matrix(title: str, matrix: MatrixTable) -> None:
    """Print a confusion matrix: whole where it fits on a screen, else its most frequent mistakes."""
    rows, columns, values = matrix["rows"], matrix["columns"], matrix["values"]
    # The records hold floats, also for counts.
    if len(columns) <= MAX_LABELS:
        print_line(f"\n{title}: a row for each true label, a column for each predicted label")
        table = [
            [shortened(name), *(int(value) for value in line)]
            for name, line in zip(rows, values, strict=True)
        ]
        print_table(["", *map(shortened, columns)], table)
        return
    mistakes = [
        (int(value), true, predicted)
        for true, line in zip(rows, values, strict=True)
        for predicted, value in zip(columns, line, strict=True)
        if value and true != predicted
    ]
    mistakes.sort(key=lambda mistake: -mistake[0])
    print_line(f"\n{title} of {len(columns)} labels: the most frequent mistakes")
    table = [
        [shortened(true), shortened(predicted), count] for count, true, predicted in mistakes[:MAX_MISTAKES]
    ]
    print_table(["true label", "predicted", "count"], table)
