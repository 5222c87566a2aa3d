"""The registry of methods that explain answers, by name: the first one that suits a model is its default."""

from __future__ import annotations

from seqlab.schema.registry import Registry

EXPLAINERS = Registry(
    "method",
    {
        "weights": ("seqlab.evaluate.exact_weights:ExactWeights", "the weights of a linear model, exactly"),
        "integrated-gradients": (
            "seqlab.evaluate.integrated_gradients:IntegratedGradients",
            "the gradient with respect to embedded words, integrated from zeros; needs captum",
        ),
        "occlusion": (
            "seqlab.evaluate.occlusion:Occlusion",
            "the difference that leaving out a word makes; for any model",
        ),
    },
)
