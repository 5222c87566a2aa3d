"""What a finished run cost."""

from __future__ import annotations

from typing import Any

from seqlab.runs import environment
from seqlab.runs.folder import ENVIRONMENT, RunFolder


def cost(
    run: RunFolder, *, tokens: int, training_seconds: float, evaluation_seconds: float
) -> dict[str, Any]:
    """Seconds, speed and memory, and where; `tokens` were seen in training."""
    then = run.read_json(ENVIRONMENT)
    return {
        "training_seconds": round(training_seconds, 1),
        "evaluation_seconds": round(evaluation_seconds, 1),
        "tokens_per_second": round(tokens / max(training_seconds, 1e-9), 1),
        "peak_memory_mib": round(environment.peak_memory_mib(), 1),
        "threads": then["threads"],
        "processor": then["processor"],
        "device": then["device"],
    }
