"""The shapes of what an experiment records; every number carries its unit.

Scalar: one number at one moment of training. Curve: numbers over an axis. Matrix: numbers over
two named axes. Text: what a model generated. All are deterministic; seconds go to a file of their own.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any

from seqlab.schema.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Moment:
    """The time of a record: optimizer steps, epochs and tokens seen in training so far."""

    step: int
    epoch: float
    tokens: int


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
_SHAPES: dict[str, type] = {"scalar": Scalar, "curve": Curve, "matrix": Matrix, "text": Text}


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
    try:
        content: dict[str, Any] = json.loads(line)
        moment = Moment(**{key: content.pop(key) for key in ("step", "epoch", "tokens")})
        shape = _SHAPES[content.pop("shape")]
        record = shape(**{key: _tuples(value) for key, value in content.items()})
        sound = _finite((moment.step, moment.epoch, moment.tokens)) and _sound(record)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise UserError(f"{source} must hold one record per line. Got {line[:80]!r}.") from None
    if not sound:
        raise UserError(f"{source} must hold finite numbers and texts. Got {line[:80]!r}.")
    return record, moment


def _sound(record: Record) -> bool:
    """Whether the values have the types and sizes of their shape, because a line of JSON may hold any."""
    match record:
        case Scalar():
            return _finite(record.value) and _texts(record.name, record.unit, record.split)
        case Curve():
            return _finite((record.x, record.y)) and len(record.x) == len(record.y)
        case Matrix():
            widths = {len(row) for row in record.values}
            return _finite(record.values) and widths == {len(record.columns)} and len(record.rows) > 0
        case Text():
            return _texts(record.name, record.prompt, record.text)


def _finite(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_finite(item) for item in value)
    # JSON has no type for tuples, and Python reads 1e999 as infinity.
    return isinstance(value, int | float) and math.isfinite(value)


def _texts(*values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
