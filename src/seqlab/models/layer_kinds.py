"""The registry of layers that a list of layers is made of, by kind."""

from __future__ import annotations

from seqlab.schema.registry import Registry

LAYERS = Registry(
    "layer",
    {
        "convolution": (
            "seqlab.models.layer_configs:ConvolutionConfig",
            "convolution over time with ReLU, several widths side by side",
        ),
        "dropout": ("seqlab.models.layer_configs:DropoutConfig", "dropout of each feature of each step"),
        "linear": (
            "seqlab.models.layer_configs:TokenLinearConfig",
            "the same linear map and ReLU of each step",
        ),
        "max-pool": ("seqlab.models.layer_configs:MaxPoolConfig", "maximum over windows of steps"),
        "recurrent": ("seqlab.models.layer_configs:RecurrentConfig", "Elman, GRU or LSTM layers"),
        "token-dropout": (
            "seqlab.models.layer_configs:TokenDropoutConfig",
            "dropout of whole tokens, all features of a step",
        ),
    },
    listed="layers",
)
