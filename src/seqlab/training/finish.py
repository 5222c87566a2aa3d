"""The end of a run: its result is scored exactly, and the run is marked as finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from seqlab.evaluate.card import numbers, write_card
from seqlab.evaluate.final_records import final
from seqlab.evaluate.fitted import Fitted, ScoringProgress
from seqlab.runs import environment
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import RunCost, RunSummary, monitor_entry
from seqlab.schema.records import Moment, Record
from seqlab.training.recorder import Recorder


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How training ended: why, when, with how many parameters, after how many seconds.

    least_memory_mib: peak memory of other processes that the run is made of.
    """

    stopped: str
    moment: Moment
    best_step: int
    parameters: int
    seconds: float
    least_memory_mib: float = 0.0


def finish(
    run: RunFolder,
    fitted: Fitted,
    recorder: Recorder,
    ending: Ending,
    *,
    progress: ScoringProgress,
    further: Callable[[list[Record]], Iterable[Record]] = lambda records: (),
) -> RunSummary:
    """Score the validation split, write its card, and mark the run as finished.

    Args:
        run: the run.
        fitted: its result.
        recorder: open on the run.
        ending: how training ended.
        progress: called while the split is scored.
        further: more records at the end, given those of the validation split.

    Returns:
        The summary of the run.
    """
    began = time.monotonic()
    records: list[Record] = []
    if "valid" in fitted.dataset.splits:
        result = fitted.score("valid", fitted.task.metrics, progress)
        write_card(run, fitted, "valid", fitted.task.metrics, result)
        records = result.records
    recorder.record([final(record) for record in records], ending.moment)
    recorder.record(further(records), ending.moment)
    recorder.sync()
    summary: RunSummary = {
        "run": str(run.path),
        "stopped": ending.stopped,
        "metrics": numbers(records),
        "monitor": monitor_entry(fitted.task.monitor),
        "best_step": ending.best_step,
        "steps": ending.moment.step,
        "epochs": ending.moment.epoch,
        "tokens": ending.moment.tokens,
        "parameters": ending.parameters,
        "cost": _cost(run, ending, evaluation_seconds=time.monotonic() - began),
    }
    run.finish(summary)
    return summary


def _cost(run: RunFolder, ending: Ending, *, evaluation_seconds: float) -> RunCost:
    """Seconds, speed and memory, and the machine they were measured on."""
    then, seconds = run.environment(), ending.seconds
    return {
        "training_seconds": round(seconds, 1),
        "evaluation_seconds": round(evaluation_seconds, 1),
        "tokens_per_second": round(ending.moment.tokens / max(seconds, 1e-9), 1),
        "peak_memory_mib": round(max(environment.peak_memory_mib(), ending.least_memory_mib), 1),
        "threads": then["threads"],
        "processor": then["processor"],
        "device": then["device"],
    }
