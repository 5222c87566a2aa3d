"""The registry of models, by kind."""

from __future__ import annotations

from seqlab.schema.registry import Registry

MODELS = Registry(
    "model",
    {
        "recurrent-classifier": (
            "seqlab.models.recurrent_classifier:RecurrentClassifierConfig",
            "embedding, Elman/GRU/LSTM layers, linear, ReLU, pooling over time, linear",
        ),
        "linear-classifier": (
            "seqlab.models.linear_classifier:LinearClassifierConfig",
            "the same without a recurrence: the linear baseline",
        ),
        "sequential-classifier": (
            "seqlab.models.sequential_classifier:SequentialClassifierConfig",
            "embedding, any layers in order (convolution, max-pool, recurrent, ...), pooling, linear layers",
        ),
        "recurrent-lm": (
            "seqlab.models.recurrent_language_model:RecurrentLanguageModelConfig",
            "embedding, Elman/GRU/LSTM layers, linear to the vocabulary",
        ),
        "transformer-lm": (
            "seqlab.models.transformer_language_model:TransformerLanguageModelConfig",
            "pre-norm Transformer with cached keys and values",
        ),
        "import": (
            "seqlab.models.imported_model_config:ImportedModelConfig",
            "any torch.nn.Module of your own: model.path=FILE.py:NAME",
        ),
    },
    listed="models",
)
