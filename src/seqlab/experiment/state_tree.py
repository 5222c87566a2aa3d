"""Nested state as named tensors and plain JSON, so that a checkpoint needs no pickle.

JSON has no tuples, tensors or keys other than texts. They are written as objects with one of the keys below;
the state's own dicts are lists of pairs, so no key of theirs can be mistaken for one of these.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from seqlab.schema.errors import UserError

TENSOR, TUPLE, DICT, FLOAT = "tensor", "tuple", "dict", "float"


def pack(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """The plain form of a value.

    Args:
        value: None, a number, a text, a tensor, or a list, tuple or dict of such values.
        name: of the value, in the names of its tensors.
        tensors: receives the tensors; a tensor that occurs twice is stored once.

    Raises:
        UserError: there is a value of another type.
    """
    if isinstance(value, Tensor):
        first = next((known for known, tensor in tensors.items() if tensor is value), name)
        tensors[first] = value
        return {TENSOR: first, "device": str(value.device)}
    if isinstance(value, dict):
        return {DICT: [[pack(k, name, tensors), pack(v, f"{name}.{k}", tensors)] for k, v in value.items()]}
    if type(value) in (list, tuple):
        items = [pack(item, f"{name}.{index}", tensors) for index, item in enumerate(value)]
        return items if type(value) is list else {TUPLE: items}
    if isinstance(value, float) and not math.isfinite(value):
        return {FLOAT: repr(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UserError(
        "The optimizer's state must consist of tensors, numbers, texts, lists, tuples and dicts. "
        f"Got {type(value).__name__} in {name!r}."
    )


def unpack(plain: Any, tensors: dict[str, Tensor]) -> Any:
    """The value whose plain form this is, its tensors on the devices they were saved from."""
    if isinstance(plain, list):
        return [unpack(item, tensors) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if TENSOR in plain:
        # Stored back, so that a tensor that occurred twice is one tensor again.
        tensors[plain[TENSOR]] = tensors[plain[TENSOR]].to(plain["device"])
        return tensors[plain[TENSOR]]
    if DICT in plain:
        return {unpack(key, tensors): unpack(value, tensors) for key, value in plain[DICT]}
    if TUPLE in plain:
        return tuple(unpack(item, tensors) for item in plain[TUPLE])
    return float(plain[FLOAT])
