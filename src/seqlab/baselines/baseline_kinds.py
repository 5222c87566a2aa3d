"""The room's visible table: baselines by kind."""

from __future__ import annotations

from seqlab.schema.registry import Registry

BASELINES = Registry(
    "baseline",
    {
        "majority": (
            "seqlab.baselines.baseline_configs:MajorityConfig",
            "each label as often as in training",
        ),
        "mean": ("seqlab.baselines.baseline_configs:MeanConfig", "the mean of the training texts' numbers"),
        "nb-svm": (
            "seqlab.baselines.baseline_configs:NbSvmConfig",
            "a linear classifier of words and pairs, weighed by naive Bayes (Wang and Manning 2012)",
        ),
        "n-gram": (
            "seqlab.baselines.baseline_configs:NGramConfig",
            "interpolated modified Kneser-Ney (Chen and Goodman 1998); order 1: how frequent a token is",
        ),
        "oracle": (
            "seqlab.baselines.baseline_configs:TruthConfig",
            "the distribution that generated data is drawn from: the least loss there is",
        ),
    },
)
