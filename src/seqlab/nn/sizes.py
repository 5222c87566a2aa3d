"""Checks of the sizes that layers are made with."""

from __future__ import annotations

from collections.abc import Mapping

from seqlab.schema.errors import UserError


def check_sizes(sizes: Mapping[str, int], least: int = 1) -> None:
    """Check that every size is large enough.

    Raises:
        UserError: one is not.
    """
    for name, size in sizes.items():
        if size < least:
            raise UserError(f"'{name}' must be at least {least}. Got {size}. Nearest: {least}.")
