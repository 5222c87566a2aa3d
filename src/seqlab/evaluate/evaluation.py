"""Scoring a run's best checkpoint on any split, and looking inside it, after training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from seqlab.evaluate.card import write_card
from seqlab.evaluate.diagnose import plain
from seqlab.evaluate.final_records import final
from seqlab.evaluate.fitted import loader, split_of
from seqlab.evaluate.loaded import read_dataset, read_trusted
from seqlab.experiment.numerics import numerics
from seqlab.measure.suitable import check_metrics
from seqlab.runs.cards import Card
from seqlab.runs.run_folder import RunFolder


def evaluate_run(
    run: RunFolder,
    split: str,
    metrics: Sequence[str],
    *,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
    trust: bool = False,
) -> Card:
    """Score the best checkpoint, write the split's card, and append the records of a finished run.

    Args:
        run: of a network or a baseline.
        split: its name.
        metrics: keys of `seqlab list metrics`; none: those of the task.
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
        chosen = tuple(dict.fromkeys(metrics)) or task.metrics
        check_metrics(chosen, task, task.spec(dataset).outputs, {split: split_of(dataset, split)})
        exact = fitted.score(split, chosen, progress)
        if run.finished:
            # An unfinished run's records are cut back when it is resumed, so they only go to the card.
            run.append(exact.records, fitted.moment)
        return write_card(run, fitted, split, chosen, exact)


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
