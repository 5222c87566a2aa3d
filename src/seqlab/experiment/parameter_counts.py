"""Exact parameter counts of a recipe's model or baseline."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch

from seqlab.experiment import recipes
from seqlab.experiment.experiment import build


def count(recipe: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Parameters: `layers`, each with its formula (see `LayerCount`), and the `total`; tied weights once.

    The count of a baseline depends on the data, so the baseline is fitted first.

    Raises:
        UserError: no such recipe, key or value.
    """
    config, _ = recipes.configure(recipe, overrides)
    layers = build(config, config.dataset(), torch.device("cpu"), "torch").count()
    return {
        "layers": [dataclasses.asdict(layer) for layer in layers],
        "total": sum(layer.parameters for layer in layers),
    }
