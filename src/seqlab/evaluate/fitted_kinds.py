"""The registry of loaders, by the method with which an experiment was fitted."""

from __future__ import annotations

from seqlab.schema.registry import Registry

LOADERS = Registry(
    "method",
    {
        "network": ("seqlab.evaluate.fitted_network:NetworkLoader", "the best checkpoint of a network"),
        "baseline": ("seqlab.evaluate.fitted_baseline:BaselineLoader", "a fitted baseline"),
        "ensemble": ("seqlab.evaluate.fitted_ensemble:EnsembleLoader", "the members of an ensemble"),
    },
)
