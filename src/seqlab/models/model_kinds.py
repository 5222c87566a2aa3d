"""The room's visible table: models by kind."""

from __future__ import annotations

from seqlab.schema.registry import Registry

MODELS = Registry(
    "model",
    {
        "recurrent-classifier": (
            "seqlab.models.model_configs:RecurrentClassifierConfig",
            "embedding, Elman/GRU/LSTM layers, linear, ReLU, pooling over time, linear",
        ),
        "linear-classifier": (
            "seqlab.models.model_configs:LinearClassifierConfig",
            "the same without a recurrence: the linear baseline",
        ),
        "recurrent-lm": (
            "seqlab.models.model_configs:RecurrentLanguageModelConfig",
            "embedding, Elman/GRU/LSTM layers, linear to the vocabulary",
        ),
        "transformer-lm": (
            "seqlab.models.model_configs:TransformerLanguageModelConfig",
            "pre-norm Transformer with cached keys and values",
        ),
    },
)
