"""States of another structure are named; those of a live object are accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from seqlab.experiment.row_wise import RowWiseSgd
from seqlab.experiment.schedules import PlateauConfig
from seqlab.experiment.state_check import check_state
from seqlab.nn.initial import normal_embedding

LIVE = {"tensor": torch.zeros(2, 3), "betas": (0.5, 1), "past": [1.0], "none": None}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"tensor": torch.zeros(3, 2)},
            r"'s.tensor' must be tensor \(2, 3\) float32. Got tensor \(3, 2\)",
        ),
        ({"tensor": torch.zeros(2, 3).double()}, "Got tensor .* float64"),
        ({"tensor": 0.0}, "Got float"),
        ({"betas": (0.5, 1.0)}, "'s.betas.1' must be int. Got float"),
        ({"betas": (0.5,)}, "'s.betas' must have 2 values. Got 1"),
        ({"betas": [0.5, 1]}, "must be tuple. Got list"),
        ({"past": []}, "must have 1 values. Got 0"),
    ],
)
def test_another_structure_is_named(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_state(LIVE, LIVE | changed, "s")


@pytest.mark.parametrize("changed", [{}, {"more": 1}, {"past": [2.0, 3.0]}, {"none": torch.zeros(1)}])
def test_the_same_structure_is_accepted(changed: dict[str, Any]) -> None:
    check_state(LIVE, LIVE | changed, "s")


@pytest.mark.parametrize("missing", list(LIVE))
def test_a_missing_key_is_named(missing: str) -> None:
    with pytest.raises(ValueError, match=f"'s.{missing}' is missing"):
        check_state(LIVE, {key: value for key, value in LIVE.items() if key != missing}, "s")


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.update(weight=state["weight"][:1]),
        lambda state: state.update(velocity=state["velocity"].double()),
        lambda state: state.update(maps=state["maps"].float()),
        lambda state: state.update(maps=state["maps"][:0]),
        lambda state: state.update(maps=state["maps"][0]),
        lambda state: state.update(seen=state["seen"] + 1),
        lambda state: state.update(seen=state["seen"] - 1),
        lambda state: state.update(seen=state["seen"].float()),
        lambda state: state.pop("seen"),
    ],
)
def test_rows_of_another_table_are_refused(change: Callable[[dict[str, Any]], object]) -> None:
    table = normal_embedding(5, 3, std=1.0, generator=torch.Generator())
    rows = RowWiseSgd(table, momentum=0.9, nesterov=False, weight_decay=0.1)
    state = rows.state()
    rows.restore(state)
    change(state)
    with pytest.raises(ValueError, match=r"must be|is missing"):
        rows.restore(state)


@pytest.mark.parametrize("state", [{}, {"factor": 2.0, "waited": 0.0}, {"factor": 1.0, "waited": -1.0}])
def test_a_plateau_has_waited_and_has_a_factor(state: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a plateau must have"):
        PlateauConfig().build().restore(state)
