"""Nested state comes back from its plain form and its tensors as it was."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch

from seqlab.experiment.state_tree import pack, unpack
from seqlab.schema.errors import UserError


def round_trip(value: Any) -> Any:
    tensors: dict[str, torch.Tensor] = {}
    plain = json.loads(json.dumps(pack(value, "state", tensors), allow_nan=False))
    return unpack(plain, tensors)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0.1,
        2**70,
        "text",
        [],
        [1, [2.5, (3, "x")], ()],
        {0: {"a": 1}, "0": {"a": 2}},
        {"tensor": "of the state itself", "dict": [], "tuple": (), "float": 1},
        (math.inf, -math.inf),
    ],
)
def test_values_come_back(value: Any) -> None:
    assert round_trip(value) == value
    assert type(round_trip(value)) is type(value)


def test_not_a_number_comes_back() -> None:
    assert math.isnan(round_trip(math.nan))


def test_tensors_come_back_with_their_types_and_identities() -> None:
    shared = torch.tensor([1, 2])
    state = {"a": [shared, torch.tensor(0.1, dtype=torch.float64)], "b": (shared, {"c": torch.zeros(0)})}
    found = round_trip(state)
    assert found["a"][0].dtype == torch.int64
    assert found["a"][1].item() == torch.tensor(0.1, dtype=torch.float64).item()
    assert found["b"][0] is found["a"][0]
    assert found["b"][1]["c"].shape == (0,)


@pytest.mark.parametrize("value", [{1, 2}, object(), 1j, {"deep": [b"bytes"]}])
def test_other_types_are_refused(value: Any) -> None:
    with pytest.raises(UserError, match=r"state must consist of tensors, numbers, .* Got \w+ in 'state"):
        pack(value, "state", {})
