"""The registry of experiments, by the method with which they are fitted."""

from __future__ import annotations

from seqlab.schema.registry import Registry

EXPERIMENTS = Registry(
    "method",
    {
        "network": (
            "seqlab.experiment.network_experiment:network_experiment",
            "a network trained by gradient steps",
        ),
        "baseline": (
            "seqlab.experiment.baseline_experiment:baseline_experiment",
            "a baseline fitted at once",
        ),
        "ensemble": (
            "seqlab.experiment.ensemble_experiment:ensemble_experiment",
            "finished runs combined",
        ),
    },
)
