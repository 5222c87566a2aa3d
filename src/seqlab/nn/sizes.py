"""Checks of the sizes that layers are made with."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from numbers import Real
from operator import index

import torch

from seqlab.runs.memory import require_memory
from seqlab.schema.errors import UserError

FLOAT = 4
"""Bytes of a number of torch's default type."""


def check_sizes(sizes: Mapping[str, object], least: int = 1) -> None:
    """Check that every size is a whole number, and large enough.

    Raises:
        UserError: one is not.
    """
    for name, size in sizes.items():
        number = _whole(size)
        if number is None:
            hint = ""
            if isinstance(size, float) and isfinite(size):
                hint = f" Nearest: {max(least, round(size))}."
            raise UserError(f"'{name}' must be a whole number. Got {size!r}.{hint}")
        if number < least:
            raise UserError(f"'{name}' must be at least {least}. Got {size}. Nearest: {least}.")


def check_fraction(name: str, value: object) -> None:
    """Check a share of numbers that are dropped.

    Raises:
        UserError: it is not a number from 0 to below 1.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) < 1:
        raise UserError(f"{name} must be at least 0 and less than 1. Got {value!r}.")


def require_numbers(count: int, sizes: Mapping[str, int]) -> None:
    """Refuse tensors that do not fit into memory, before they are made.

    Args:
        count: numbers in them, at least.
        sizes: what they are made with, for the message.

    Raises:
        UserError: they need more memory than there is.
    """
    # Other devices have their own memory, and tensors on the meta device have none.
    if torch.get_default_device().type == "cpu":
        settings = ", ".join(f"{name}={size}" for name, size in sizes.items())
        require_memory(count * FLOAT, f"{settings}, {count:,} numbers")


def _whole(size: object) -> int | None:
    """The size as an integer, of Python or numpy; None if it is none. True is no size."""
    try:
        return None if isinstance(size, bool) else index(size)  # pyright: ignore[reportArgumentType]
    except TypeError:
        return None
