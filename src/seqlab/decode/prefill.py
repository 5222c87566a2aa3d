"""Reading prompts before anything is generated. Legend: B prompts, V tokens."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from seqlab.data.batch import unlabelled
from seqlab.data.sequences import Padded
from seqlab.models.model import SequenceModel, State


class Prefilled(NamedTuple):
    """Logits (B, V) of the token after each prompt, and the state there."""

    logits: Float[Tensor, "B V"]
    state: State


def prefill(model: SequenceModel, prompts: Padded, state: State | None = None) -> Prefilled:
    """Read prompts of any lengths, at least one token each, in one pass.

    Args:
        model: a causal model in evaluation mode.
        prompts: on the model's device.
        state: what the prompts continue; None is the start of a text.
    """
    features, after = model.features(unlabelled(prompts), state)
    assert after is not None, "a causal model returns its state"
    rows = torch.arange(len(prompts), device=features.device)
    return Prefilled(model.head(features[rows, prompts.lengths - 1]), after)
