"""JSON of a declared shape: a `TypedDict` or a dataclass, with its types, bounds and checks.

All records that are read back from folders of runs, studies and caches go through `parse_json`.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from seqlab.schema.errors import DamagedFileError

Shape = TypeVar("Shape")
EXACT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""For `with_config` of a shape: no other key, no conversion of types, no number that is not finite."""
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
Positive = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
SettingKey = Annotated[str, Field(pattern=r"^\w+(\.\w+)*$")]
"""A full key, as `training.optimizer.kind`; also the name of a folder."""
_SHOWN = 80


def parse_json(text: str | bytes, shape: type[Shape], source: object) -> Shape:
    """The content of a JSON text.

    Args:
        text: to read.
        shape: a class with the configuration `EXACT`.
        source: the file, or file:line, for the error.

    Raises:
        DamagedFileError: it is not JSON, lacks a key of the shape or has another one, or a value is not what
            the shape allows.
    """
    try:
        return _adapter(shape).validate_json(text)
    except ValidationError as error:
        raise DamagedFileError(f"{source} is damaged: {_reason(error.errors()[0])}.") from None


@cache
def _adapter(shape: type[Any]) -> TypeAdapter[Any]:
    # Building an adapter takes milliseconds, and a study reads thousands of files.
    return TypeAdapter(shape)


def _reason(problem: Any) -> str:
    """What must hold and what was received, from pydantic's description of a problem."""
    key, context = ".".join(str(part) for part in problem["loc"]), problem.get("ctx", {})
    match problem["type"]:
        case "json_invalid":
            return problem["msg"]
        case "missing" | "union_tag_not_found":
            return f"{context.get('discriminator', repr(key))} is missing"
        case "extra_forbidden" | "unexpected_keyword_argument":
            return f"{key!r} is unknown"
        case "value_error":
            return f"{key!r}: {context['error']}".removeprefix("'': ").removesuffix(".")
        case "union_tag_invalid":
            key, rule, got = context["discriminator"], f"be one of {context['expected_tags']}", context["tag"]
        case _:
            subject, _, rule = problem["msg"].partition(" should ")
            key, got = repr(key) if key else subject.replace("Input", "it"), problem["input"]
    return f"{key} must {rule}. Got {repr(got)[:_SHOWN]}"
