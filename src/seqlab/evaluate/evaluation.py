"""Scoring a run's best checkpoint on any split, and looking inside it, after training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from seqlab.evaluate.adaptation import AdaptationConfig
from seqlab.evaluate.card import write_card
from seqlab.evaluate.diagnose import plain
from seqlab.evaluate.final_records import final
from seqlab.evaluate.fitted import Fitted, loader, split_of
from seqlab.evaluate.inspection import (
    Inspection,
    calibrated_records,
    check_classifies,
    predictions,
    trust_metrics,
    wrong_texts,
)
from seqlab.evaluate.loaded import read_dataset, read_trusted
from seqlab.experiment.numerics import numerics
from seqlab.measure.item_collector import SplitResult
from seqlab.measure.suitable import check_metrics
from seqlab.runs.cards import Card
from seqlab.runs.run_folder import RunFolder
from seqlab.schema.errors import UserError
from seqlab.schema.records import Record, Scalar
from seqlab.tasks.own_metric_spec import metric_key, metric_name


def evaluate_run(
    run: RunFolder,
    split: str,
    metrics: Sequence[str],
    *,
    inspection: Inspection | None = None,
    adaptation: AdaptationConfig | None = None,
    tune: bool = False,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
    trust: bool = False,
) -> Card:
    """Score the best checkpoint, write the split's card, and append the records of a finished run.

    Args:
        run: of a network or a baseline.
        split: its name.
        metrics: keys of `seqlab list metrics`; none: those of the task, and of a language model the loss at
            each position.
        inspection: of a classifier also wrong texts and, where there are no `metrics`, what it takes to trust
            it; None: nothing but the metrics.
        adaptation: how the model adapts to the text that it is scored on; its card is one of its own. None:
            not at all.
        tune: whether the settings of the adaptation are where a search on the validation split begins.
        device: where the model lives.
        progress: called with the number of parts done and of all.
        trust: see `load_run`.

    Returns:
        The card of this evaluation. That of the run also keeps other metrics of the same weights.

    Raises:
        UserError: no such split, a metric that is not defined for it, other data than the run began with, a
            damaged run, or one in use.
    """
    threads = run.environment()["threads"]
    config = read_trusted(run, trust=trust)
    with numerics(device, threads) as device_used, run.lock():
        fitted = loader(config).fitted(run, read_dataset(run, config), device_used)
        task, dataset = fitted.task, fitted.dataset
        outputs, data = task.spec(dataset).outputs, {split: split_of(dataset, split)}
        named = tuple(dict.fromkeys(metric_key(name, task.metrics) for name in metrics))
        check_metrics(named, task, outputs, data)
        if adaptation is not None:
            fitted = fitted.adapted(adaptation, tune=tune, progress=progress)
        chosen = named or fitted.metrics
        if inspection is not None and not named:
            chosen = trust_metrics(fitted, chosen)
        check_metrics(chosen, task, outputs, data)
        exact = _score(run, fitted, split, chosen, inspection=inspection, progress=progress)
        if run.finished and adaptation is None:
            # An unfinished run's records are cut back when it is resumed, so they only go to the card. All
            # records are of the trained weights, so those of an adapted model go there, too.
            run.append(_recorded(exact.records, named or task.metrics), fitted.moment)
        return write_card(run, fitted, split, chosen, exact)


def _score(
    run: RunFolder,
    fitted: Fitted,
    split: str,
    metrics: Sequence[str],
    *,
    inspection: Inspection | None,
    progress: Callable[[int, int], None] | None,
) -> SplitResult:
    """The scores of a split; what an inspection finds is among them, or written."""
    if inspection is not None and inspection.calibrate:
        check_classifies(fitted, "Calibration")
    if inspection is None or fitted.task.output != "class":
        return fitted.score(split, metrics, progress)
    exact = fitted.score(split, metrics, progress, outputs=True)
    assert exact.outputs is not None, "texts with a label each"
    texts = fitted.shows_texts
    run.write_wrong_texts(wrong_texts(fitted, split, exact.outputs, inspection.errors, texts=texts))
    if not inspection.calibrate:
        return exact
    calibrated = calibrated_records(fitted, split, exact.outputs)
    return dataclasses.replace(exact, records=[*exact.records, *calibrated])


def _recorded(records: Sequence[Record], metrics: Sequence[str]) -> list[Record]:
    """Those that belong to the records: a number that training did not measure is no learning curve."""
    names = tuple(map(metric_name, metrics))
    return [record for record in records if not isinstance(record, Scalar) or record.name.startswith(names)]


def predictions_of_run(
    run: RunFolder, split: str, *, texts: bool = True, device: str = "cpu", trust: bool = False
) -> dict[str, Sequence[object]]:
    """The answer to each text of a split as columns: text, label, predicted, probability, correct.

    Args:
        run: of a classifier.
        split: its name.
        texts: whether the texts are among them.
        device: where the model lives.
        trust: see `load_run`.

    Raises:
        UserError: no such split, no classifier, other data than the run began with, or a damaged run.
    """
    config = read_trusted(run, trust=trust)
    with numerics(device, run.environment()["threads"]) as device_used:
        fitted = loader(config).fitted(run, read_dataset(run, config), device_used)
        return dict(predictions(fitted, split, texts=texts))


def diagnose_run(
    run: RunFolder,
    kinds: Sequence[str],
    *,
    split: str,
    rows: int | None,
    device: str = "cpu",
    trust: bool = False,
) -> dict[str, Any]:
    """Look inside the best checkpoint, and append the records of a finished run.

    Args:
        run: of a network.
        kinds: keys of `seqlab list diagnostics`; () for all that fit the model.
        split: whose rows are diagnosed.
        rows: how many; None: as many as the run's settings say.
        device: where the model lives.
        trust: see `load_run`.

    Returns:
        Run, step, split and, for each diagnostic, what it found in sentences and in records.

    Raises:
        UserError: no such split or diagnostic, nothing to diagnose, other data than the run began with, a
            damaged run, or one in use.
    """
    if rows is not None and rows < 1:
        raise UserError(f"'rows' must be at least 1. Got {rows}. Nearest: 1.")
    threads = run.environment()["threads"]
    config = read_trusted(run, trust=trust)
    with numerics(device, threads) as device_used, run.lock():
        fitted = loader(config).fitted(run, read_dataset(run, config), device_used)
        found = fitted.diagnose(kinds, split, rows)
        if run.finished:
            records = [final(record) for one in found.values() for record in one.records]
            run.append(records, fitted.moment)
    return {
        "run": run.path.name,
        "checkpoint_step": fitted.moment.step,
        "split": split,
        "diagnostics": {kind: plain(one) for kind, one in found.items()},
    }
