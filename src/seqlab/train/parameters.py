"""Exact parameter counts of a recipe's model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch

from seqlab.models.parameters import layer_counts
from seqlab.train import recipes
from seqlab.train.experiment import build


def count(recipe: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """What is fitted: `layers`, each with its formula (see `LayerCount`), and the `total`; tied ones once.

    Raises:
        UserError: no such recipe, key or value.
    """
    config, _ = recipes.configure(recipe, overrides)
    layers = layer_counts(build(config, config.dataset(), torch.device("cpu")).model)
    return {
        "layers": [dataclasses.asdict(layer) for layer in layers],
        "total": sum(layer.parameters for layer in layers),
    }
