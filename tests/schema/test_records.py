"""Records are equal after a round trip through a line of JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.schema.errors import UserError
from seqlab.schema.records import Curve, Matrix, Moment, Scalar, Text, from_line, to_line

numbers = st.floats(allow_nan=False, allow_infinity=False)
epochs = st.floats(min_value=0.0, allow_infinity=False)
moments = st.builds(Moment, step=st.integers(0, 10**9), epoch=epochs, tokens=st.integers(0, 10**12))
records = st.one_of(
    st.builds(Scalar, name=st.text(), value=numbers, unit=st.text(), split=st.text()),
    st.builds(Text, name=st.text(), prompt=st.text(), text=st.text(), complete=st.booleans()),
    st.builds(
        Curve,
        name=st.text(),
        x=st.tuples(numbers, numbers),
        y=st.tuples(numbers, numbers),
        x_unit=st.text(),
        y_unit=st.text(),
        split=st.text(),
    ),
    st.builds(
        Matrix,
        name=st.text(),
        rows=st.tuples(st.text()),
        columns=st.tuples(st.text(), st.text()),
        values=st.tuples(st.tuples(numbers, numbers)),
        unit=st.text(),
        split=st.text(),
    ),
)


@given(records, moments)
def test_round_trip(record: Scalar | Text | Curve | Matrix, moment: Moment) -> None:
    line = to_line(record, moment)
    assert "\n" not in line
    assert from_line(line, "here") == (record, moment)


def test_nan_is_never_recorded() -> None:
    moment = Moment(step=1, epoch=0.0, tokens=1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_line(Scalar(name="loss", value=float("nan"), unit="nats", split="train"), moment)


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"shape":"scalar","step":1,"epoch":0,"tokens":0,"n":1}'])
def test_a_damaged_line_is_named(line: str) -> None:
    with pytest.raises(UserError, match=r"records\.jsonl:7 is damaged: "):
        from_line(line, "records.jsonl:7")


SCALAR = Scalar(name="loss", value=1.5, unit="nats", split="train")
CURVE = Curve(name="loss", x=(1.0, 2.0), y=(3.0, 4.0), x_unit="steps", y_unit="nats", split="train")
MATRIX = Matrix(
    name="counts", rows=("a", "b"), columns=("c",), values=((1.0,), (2.0,)), unit="texts", split="valid"
)
TEXT = Text(name="sample", prompt="(", text="()", complete=True)


@pytest.mark.parametrize(
    ("record", "changed", "words"),
    [
        (SCALAR, {"step": -1}, "'scalar.step' must be greater than or equal to 0. Got -1"),
        (SCALAR, {"step": 1.0}, "'scalar.step' must be a valid integer. Got 1.0"),
        (SCALAR, {"step": 2**63}, "'scalar.step' must be less than"),
        (SCALAR, {"value": "1.5"}, "'scalar.value' must be a valid number. Got '1.5'"),
        (SCALAR, {"value": True}, "'scalar.value' must be a valid number. Got True"),
        (SCALAR, {"value": float("inf")}, "'scalar.value' must be a finite number. Got inf"),
        (SCALAR, {"name": 1}, "'scalar.name' must be a valid string. Got 1"),
        (
            SCALAR,
            {"shape": "number"},
            "'shape' must be one of 'scalar', 'curve', 'matrix', 'text'. Got 'number'",
        ),
        (SCALAR, {"more": 1}, "'scalar.more' is unknown"),
        (CURVE, {"y": [1]}, "'y' must have a number for each of 'x', 2. Got 1"),
        (CURVE, {"x_unit": None}, "'curve.x_unit' must be a valid string. Got None"),
        (MATRIX, {"values": [[1], [2, 3]]}, "2 rows of 1 numbers, at least one row. Got rows of [1, 2]"),
        (MATRIX, {"values": [[1]]}, "2 rows of 1 numbers, at least one row. Got rows of [1]"),
        (MATRIX, {"rows": [], "values": []}, "at least one row. Got rows of []"),
        (TEXT, {"complete": 1}, "'text.complete' must be a valid boolean. Got 1"),
    ],
)
def test_a_value_that_no_record_has_is_named(
    record: Scalar | Curve | Matrix | Text, changed: dict[str, Any], words: str
) -> None:
    line = json.loads(to_line(record, Moment(step=1, epoch=0.5, tokens=3)))
    with pytest.raises(UserError) as refused:
        from_line(json.dumps({**line, **changed}), "records.jsonl:7")
    assert str(refused.value).startswith("records.jsonl:7 is damaged: ")
    assert words in str(refused.value)
