"""The registries of optimizers, learning-rate schedules and averages of weights by kind."""

from __future__ import annotations

from seqlab.schema.registry import Registry

OPTIMIZERS = Registry(
    "optimizer",
    {
        "sgd": ("seqlab.experiment.optimizers:SgdConfig", "SGD with momentum, Nesterov, weight decay"),
        "adam": ("seqlab.experiment.optimizers:AdamConfig", "Adam (Kingma and Ba 2015)"),
        "adamw": ("seqlab.experiment.optimizers:AdamWConfig", "Adam with decoupled weight decay"),
        "nadam": ("seqlab.experiment.optimizers:NAdamConfig", "Adam with Nesterov momentum (Dozat 2016)"),
        "rmsprop": ("seqlab.experiment.optimizers:RmspropConfig", "RMSprop (Hinton 2012)"),
        "import": (
            "seqlab.experiment.imported_optimizer:ImportedOptimizerConfig",
            "your own: training.optimizer.path=FILE.py:NAME",
        ),
    },
    listed="optimizers",
)

SCHEDULES = Registry(
    "schedule",
    {
        "constant": ("seqlab.experiment.schedules:ConstantConfig", "a constant learning rate"),
        "epoch-decay": (
            "seqlab.experiment.schedules:EpochDecayConfig",
            "divided by a number after each epoch",
        ),
        "flat-then-compound": (
            "seqlab.experiment.schedules:FlatThenCompoundConfig",
            "constant for some epochs, then divided by a growing power",
        ),
        "linear": (
            "seqlab.experiment.schedules:LinearConfig",
            "constant for a share of the steps, then linear decay",
        ),
        "cosine": ("seqlab.experiment.schedules:CosineConfig", "linear warm-up, then half a cosine down"),
        "one-cycle": (
            "seqlab.experiment.schedules:OneCycleConfig",
            "one rise and one longer fall (Smith 2018)",
        ),
        "plateau": ("seqlab.experiment.schedules:PlateauConfig", "cut when validation stops improving"),
    },
    listed="schedules",
)

AVERAGINGS = Registry(
    "averaging",
    {
        "none": ("seqlab.experiment.averaging:NoAveragingConfig", "the weights themselves are the result"),
        "ema": ("seqlab.experiment.averaging:EmaConfig", "exponential moving average of the weights"),
        "triggered": (
            "seqlab.experiment.averaging:TriggeredConfig",
            "mean of the weights since validation stopped improving (NT-ASGD)",
        ),
    },
    listed="averagings",
)
