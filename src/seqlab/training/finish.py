"""What every finished run says: its final records, and what it cost."""

from __future__ import annotations

from seqlab.runs import environment
from seqlab.runs.run_folder import RunFolder
from seqlab.runs.run_shapes import RunCost
from seqlab.schema.records import Record, Scalar


def final(record: Record) -> Record:
    """A record of the exact evaluation at the end; those before may have used several streams."""
    if isinstance(record, Scalar):
        return Scalar(name=f"final_{record.name}", value=record.value, unit=record.unit, split=record.split)
    return record


def cost(run: RunFolder, *, tokens: int, training_seconds: float, evaluation_seconds: float) -> RunCost:
    """Seconds, speed and memory, and where; `tokens` were seen in training."""
    then = run.environment()
    return {
        "training_seconds": round(training_seconds, 1),
        "evaluation_seconds": round(evaluation_seconds, 1),
        "tokens_per_second": round(tokens / max(training_seconds, 1e-9), 1),
        "peak_memory_mib": round(environment.peak_memory_mib(), 1),
        "threads": then["threads"],
        "processor": then["processor"],
        "device": then["device"],
    }
