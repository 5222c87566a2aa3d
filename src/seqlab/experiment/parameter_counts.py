"""Exact parameter counts of a recipe's model or baseline, or of all members of an ensemble."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch

from seqlab.experiment import recipes
from seqlab.experiment.experiment import build
from seqlab.models.layer_counts import LayerCount
from seqlab.runs.ensemble_record import member_reference, open_member


def count(recipe: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Parameters: `layers`, each with its formula (see `LayerCount`), and the `total`; tied weights once.

    The count of a baseline depends on the data, so the baseline is fitted first.

    Raises:
        UserError: no such recipe, key or value.
    """
    config, _ = recipes.configure(recipe, overrides)
    members = [layer for member in config.members for layer in _of_member(member)]
    layers = members or build(config, config.dataset(), torch.device("cpu"), "torch").count()
    return {
        "layers": [dataclasses.asdict(layer) for layer in layers],
        "total": sum(layer.parameters for layer in layers),
    }


def _of_member(member: str) -> list[LayerCount]:
    """The layers of a recipe that is a member of an ensemble; a run, whose model is not built, is one."""
    words = recipes.member_words(member)
    if words is None:
        run = open_member(member_reference(recipes.member_run(member)))
        return [LayerCount(run.path.name, "", "", run.summary()["parameters"], {}, {})]
    layers = [LayerCount(**layer) for layer in count(*words)["layers"]]
    return [dataclasses.replace(layer, layer=f"{member}: {layer.layer}") for layer in layers]
