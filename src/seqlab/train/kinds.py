"""The room's visible tables: optimizers and learning-rate schedules by kind."""

from __future__ import annotations

from seqlab.schema.registry import Registry

OPTIMIZERS = Registry(
    "optimizer",
    {
        "sgd": ("seqlab.train.optimizers:SgdConfig", "SGD with momentum, Nesterov, weight decay"),
        "adam": ("seqlab.train.optimizers:AdamConfig", "Adam (Kingma and Ba 2015)"),
        "adamw": ("seqlab.train.optimizers:AdamWConfig", "Adam with decoupled weight decay"),
    },
)

SCHEDULES = Registry(
    "schedule",
    {
        "constant": ("seqlab.train.schedules:ConstantConfig", "the learning rate as given"),
        "epoch-decay": ("seqlab.train.schedules:EpochDecayConfig", "divided by a number after each epoch"),
        "flat-then-compound": (
            "seqlab.train.schedules:FlatThenCompoundConfig",
            "kept for some epochs, then divided by a growing power",
        ),
        "linear": (
            "seqlab.train.schedules:LinearConfig",
            "kept for a share of the steps, then straight down",
        ),
        "cosine": ("seqlab.train.schedules:CosineConfig", "warm-up, then half a cosine down"),
        "one-cycle": ("seqlab.train.schedules:OneCycleConfig", "up, down, and far down (Smith 2018)"),
        "plateau": ("seqlab.train.schedules:PlateauConfig", "cut when validation stops improving"),
    },
)
