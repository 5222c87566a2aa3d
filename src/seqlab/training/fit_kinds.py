"""The registry of ways to fit, by the method that an experiment names."""

from __future__ import annotations

from seqlab.schema.registry import Registry

FITS = Registry(
    "method",
    {
        "network": ("seqlab.training.network_training:fit", "in steps, resumed from checkpoints"),
        "baseline": ("seqlab.training.baseline_training:fit", "at once; from scratch after a kill"),
        "ensemble": (
            "seqlab.training.ensemble_training:fit",
            "from finished runs; from scratch after a kill",
        ),
    },
)
