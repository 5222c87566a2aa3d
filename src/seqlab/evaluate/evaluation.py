"""Scoring a run's best checkpoint on any split, and looking inside it, after training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from seqlab.evaluate.card import write_card
from seqlab.evaluate.diagnose import plain
from seqlab.evaluate.final_records import final
from seqlab.evaluate.fitted import loader
from seqlab.evaluate.loaded import read_config
from seqlab.experiment.numerics import numerics
from seqlab.runs.cards import Card
from seqlab.runs.run_folder import RunFolder


def evaluate_run(
    run: RunFolder,
    split: str,
    metrics: Sequence[str],
    *,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Card:
    """Score the best checkpoint, write the split's card, and append the records of a finished run.

    Returns:
        The card.

    Raises:
        UserError: no such split or metric, a damaged run, or one in use.
    """
    threads = run.environment()["threads"]
    config = read_config(run)
    with numerics(device, threads) as device_used, run.lock():
        fitted = loader(config).fitted(run, config.dataset(), device_used)
        exact = fitted.score(split, metrics or fitted.task.metrics, progress)
        if run.finished:
            # An unfinished run's records are cut back when it is resumed, so they only go to the card.
            run.append(exact.records, fitted.moment)
        return write_card(run, fitted, split, exact)


def diagnose_run(
    run: RunFolder, kinds: Sequence[str], *, split: str, rows: int | None, device: str = "cpu"
) -> dict[str, Any]:
    """Look inside the best checkpoint, and append the records of a finished run.

    Args:
        run: of a network.
        kinds: keys of `seqlab list diagnostics`.
        split: whose rows are diagnosed.
        rows: how many; None: as many as the run's settings say.
        device: where the model lives.

    Returns:
        Run, step, split and, for each diagnostic, what it found in sentences and in records.

    Raises:
        UserError: no such split or diagnostic, nothing to diagnose, a damaged run, or one in use.
    """
    threads = run.environment()["threads"]
    config = read_config(run)
    with numerics(device, threads) as device_used, run.lock():
        fitted = loader(config).fitted(run, config.dataset(), device_used)
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
