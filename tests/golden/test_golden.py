"""The numbers of every recipe and study in small form are those of `values.json`, to the last bit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from bitwise import compare

HERE = Path(__file__).parent
THERE = {"threads": 1}
STORED = {"environment": THERE, "cases": {"recipe/a": {"loss": [1.0, 2.0], "text": "x .end", "steps": 1}}}


def recorded(**changes: object) -> dict[str, object]:
    return {"environment": THERE, "cases": {"recipe/a": {**STORED["cases"]["recipe/a"], **changes}}}


def differences_from_stored(now: dict[str, object], **renamed: str) -> list[str]:
    return compare(STORED, now, renamed, {}, whole=True).differences


def test_equal_values_do_not_differ() -> None:
    assert differences_from_stored(recorded()) == []


def test_the_last_bit_of_a_number_is_a_difference_with_its_path() -> None:
    (found,) = differences_from_stored(recorded(loss=[1.0, 2.0000000000000004]))
    assert found == "recipe/a > loss > 1: was 2.0, is 2.0000000000000004"


def test_predictions_may_be_rounded_otherwise_and_no_more() -> None:
    stored = {"environment": THERE, "cases": {"recipe/a": {"predicted": [0.25]}}}
    for value, differences in ((0.25 * (1 + 1e-8), 0), (0.25 * (1 + 1e-5), 1)):
        now = {"environment": THERE, "cases": {"recipe/a": {"predicted": [value]}}}
        assert len(compare(stored, now, {}, {}, whole=True).differences) == differences


def test_what_is_missing_or_new_is_a_difference() -> None:
    assert len(differences_from_stored(recorded(loss=[1.0]))) == 1
    assert len(differences_from_stored(recorded(more=1))) == 1
    assert differences_from_stored({"environment": THERE, "cases": {}})


def test_a_renamed_key_is_no_difference() -> None:
    now = recorded()
    case = now["cases"]["recipe/a"]  # type: ignore[index]
    case["updates"] = case.pop("steps")
    assert differences_from_stored({**now, "cases": {"recipe/b": case}}, steps="updates", a="b") == []


def test_in_another_environment_losses_are_compared_to_a_tolerance_and_texts_not() -> None:
    other = {"environment": {"threads": 2}}
    near = compare(STORED, {**recorded(loss=[1.0, 2.001], text="y"), **other}, {}, {}, whole=True)
    assert (near.differences, near.equal, near.skipped) == ([], 2, 2)
    assert "threads was 1, is 2" in near.notes[0]
    far = compare(STORED, {**recorded(loss=[1.0, 2.01]), **other}, {}, {}, whole=True)
    assert len(far.differences) == 1


@pytest.mark.slow
@pytest.mark.parametrize("part", ["other", pytest.param("real", marks=pytest.mark.data)])
def test_numbers_are_those_recorded(part: str) -> None:
    command = [sys.executable, HERE / "record.py", "--part", part, "--compare", HERE / "values.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-5000:]}\n{done.stderr[-2000:]}"
