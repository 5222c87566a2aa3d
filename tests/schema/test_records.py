"""Records are equal after a round trip through a line of JSON."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.schema.errors import UserError
from seqlab.schema.records import Curve, Matrix, Moment, Scalar, Text, from_line, to_line

numbers = st.floats(allow_nan=False, allow_infinity=False)
moments = st.builds(Moment, step=st.integers(0, 10**9), epoch=numbers, tokens=st.integers(0, 10**12))
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
    with pytest.raises(UserError, match=r"records\.jsonl:7 must hold one record per line"):
        from_line(line, "records.jsonl:7")
