"""Scoring a run's best checkpoint on any split, after training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from seqlab.runs.folder import RECORDS, RunFolder
from seqlab.runs.journal import Journal
from seqlab.schema.records import to_line
from seqlab.train.card import write_card
from seqlab.train.finish import ENVIRONMENT
from seqlab.train.loaded import read_config
from seqlab.train.numerics import settled


def evaluate_run(
    run: RunFolder,
    split: str,
    metrics: Sequence[str],
    *,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Score the best checkpoint, write the split's card, and append the records of a finished run.

    Returns:
        The card.

    Raises:
        UserError: no such split or metric, a damaged run, or one in use.
    """
    threads = run.read_json(ENVIRONMENT, "threads")["threads"]
    config = read_config(run)
    with settled(device, threads) as place, run.lock():
        scorer = config.way().scorer(run, config.dataset(), place)
        exact = scorer.score(split, metrics or scorer.task.metrics, progress)
        if run.finished:
            # An unfinished run's records are cut back when it is resumed, so they only go to the card.
            _append(run, [to_line(record, scorer.moment) for record in exact.records])
        return write_card(run, scorer, split, exact)


def _append(run: RunFolder, lines: Sequence[str]) -> None:
    path = run.path / RECORDS
    journal = Journal(path, path.stat().st_size)
    for line in lines:
        journal.append(line)
    journal.sync()
    journal.close()
