"""Exact parameter counts of a recipe's model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from seqlab.train import recipes
from seqlab.train.experiment import build


def count(recipe: str, overrides: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Name, shape and size of every tensor that is fitted; tied ones once.

    Raises:
        UserError: no such recipe, key or value.
    """
    config, _ = recipes.configure(recipe, overrides)
    model = build(config, config.data.build(), torch.device("cpu")).model
    return [
        {"tensor": name, "shape": " x ".join(map(str, tensor.shape)), "parameters": tensor.numel()}
        for name, tensor in model.named_parameters()
    ]
