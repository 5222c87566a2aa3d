"""A model that changes its parameters or buffers while it is trained."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from seqlab.schema.own_code import OwnCodeError
from seqlab.training.kept_weights import KeptWeights


def model() -> Any:
    made = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    made.register_buffer("count", torch.zeros(1))
    return made


def test_new_values_are_no_other_weights() -> None:
    changed = model()
    kept = KeptWeights(changed)
    changed.load_state_dict(model().state_dict())
    changed.count += 1
    changed.count = torch.ones(1)
    kept.check()


def test_other_weights_are_refused() -> None:
    changed = model()
    kept = KeptWeights(changed)
    changed.count = torch.zeros(4)
    with pytest.raises(OwnCodeError, match=r"Got \(4,\) float32 for 'count', at first \(1,\) float32\."):
        kept.check()
    changed.count = torch.zeros(1)
    changed.more = nn.Parameter(torch.zeros(2))
    with pytest.raises(OwnCodeError, match=r"Got \(2,\) float32 for 'more', at first none\."):
        kept.check()
    del changed.more
    # The optimizer would move the first one.
    changed[0].weight = nn.Parameter(changed[0].weight.data.clone())
    with pytest.raises(
        OwnCodeError, match=r"Got another parameter for '0\.weight', at first \(3, 2\) float32"
    ):
        kept.check()
