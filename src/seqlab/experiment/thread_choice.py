"""The number of threads of a run, from the size of its steps."""

from __future__ import annotations

from seqlab.data.dataset import Dataset
from seqlab.experiment.experiment_config import AnyExperimentConfig
from seqlab.experiment.numerics import default_threads

GFLOP_PER_THREAD = 1.0
"""Operations of a training step from which a thread saves more time than it costs, beside other work, too."""


def threads_for(config: AnyExperimentConfig, dataset: Dataset, requested: int | None) -> int:
    """The threads of a run: as requested, or else as many as pay for its steps, at most the default.

    It depends on sizes alone, never on the load of the machine, because another number gives other bits.

    Args:
        config: of the run.
        dataset: of the run.
        requested: by the user; None leaves the choice to this function.
    """
    if requested is not None:
        return requested
    return max(1, min(default_threads(), int(config.step_gflop(dataset) / GFLOP_PER_THREAD)))
