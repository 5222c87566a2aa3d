"""The shapes of what an experiment records; every number carries its unit.

Scalar: one number at one moment of training. Curve: numbers over an axis. Matrix: numbers over
two named axes. Text: what a model generated. All are deterministic; seconds go to a file of their own.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Annotated, Literal, cast

from pydantic import Field, with_config

from seqlab.schema.json_shapes import EXACT, Amount, Count, parse_json


@dataclass(frozen=True, kw_only=True)
class Moment:
    """The time of a record: optimizer steps, epochs and tokens seen in training so far."""

    step: Count
    epoch: Amount
    tokens: Count


@dataclass(frozen=True, kw_only=True)
class Scalar:
    """One number, e.g. `name="loss", unit="nats per token", split="train"`."""

    name: str
    value: float
    unit: str
    split: str


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Numbers `y` over an axis `x`, e.g. the mean loss at each position of a window."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    x_unit: str
    y_unit: str
    split: str


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Numbers over two named axes, row by row, e.g. a confusion matrix."""

    name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    unit: str
    split: str


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text that a model generated; `complete` is False where the maximum length cut it short."""

    name: str
    prompt: str
    text: str
    complete: bool


Record = Scalar | Curve | Matrix | Text


@with_config(EXACT)
@dataclass(frozen=True, kw_only=True)
class _ScalarLine(Moment, Scalar):
    shape: Literal["scalar"]


@with_config(EXACT)
@dataclass(frozen=True, kw_only=True)
class _CurveLine(Moment, Curve):
    shape: Literal["curve"]

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(f"'y' must have a number for each of 'x', {len(self.x)}. Got {len(self.y)}.")


@with_config(EXACT)
@dataclass(frozen=True, kw_only=True)
class _MatrixLine(Moment, Matrix):
    shape: Literal["matrix"]

    def __post_init__(self) -> None:
        widths = [len(row) for row in self.values]
        if not widths or widths != [len(self.columns)] * len(self.rows):
            sizes = f"{len(self.rows)} rows of {len(self.columns)} numbers"
            raise ValueError(f"'values' must be {sizes}, at least one row. Got rows of {widths[:9]}.")


@with_config(EXACT)
@dataclass(frozen=True, kw_only=True)
class _TextLine(Moment, Text):
    shape: Literal["text"]


_Line = _ScalarLine | _CurveLine | _MatrixLine | _TextLine
_RECORDS: dict[type[_Line], type[Record]] = {
    _ScalarLine: Scalar,
    _CurveLine: Curve,
    _MatrixLine: Matrix,
    _TextLine: Text,
}
_ANY_LINE = cast("type[_Line]", Annotated[_Line, Field(discriminator="shape")])
"""As `parse_json` takes it, which picks the class by the line's shape."""


def to_line(record: Record, moment: Moment) -> str:
    """One line of JSON: shape, moment and content.

    >>> loss = Scalar(name="loss", value=1.5, unit="nats", split="train")
    >>> to_line(loss, Moment(step=2, epoch=0.5, tokens=70))
    '{"shape":"scalar","step":2,"epoch":0.5,"tokens":70,"name":"loss","value":1.5,"unit":"nats","split":"train"}'
    """
    content = {
        "shape": type(record).__name__.lower(),
        **dataclasses.asdict(moment),
        **dataclasses.asdict(record),
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def from_line(line: str, source: str) -> tuple[Record, Moment]:
    """The inverse of `to_line`; `source` (file:line) is named in the error.

    Raises:
        UserError: the line is not a record.
    """
    read = parse_json(line, _ANY_LINE, source)
    record = _RECORDS[type(read)]
    content = {field.name: getattr(read, field.name) for field in dataclasses.fields(record)}
    return record(**content), Moment(step=read.step, epoch=read.epoch, tokens=read.tokens)
