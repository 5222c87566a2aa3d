"""The registry of baselines by kind."""

from __future__ import annotations

from seqlab.schema.registry import Registry

BASELINES = Registry(
    "baseline",
    {
        "majority": ("seqlab.baselines.majority:MajorityConfig", "each label as often as in training"),
        "mean": ("seqlab.baselines.mean:MeanConfig", "the mean of the training texts' numbers"),
        "nb-svm": (
            "seqlab.baselines.nb_svm:NbSvmConfig",
            "a linear classifier of words and pairs, weighted by naive Bayes (Wang and Manning 2012)",
        ),
        "n-gram": (
            "seqlab.baselines.n_gram:NGramConfig",
            "interpolated modified Kneser-Ney (Chen and Goodman 1998); order 1: token frequencies",
        ),
        "oracle": (
            "seqlab.baselines.oracle_baseline:OracleBaselineConfig",
            "the distribution that generated data is drawn from: the least possible loss",
        ),
    },
    listed="baselines",
)
