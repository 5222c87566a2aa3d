"""What code of the user's own may not change for all other code: torch's defaults. Imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from seqlab.schema.own_errors import OwnCodeError


@contextmanager
def kept_defaults(what: str) -> Iterator[None]:
    """Undo what a block changes of torch's defaults, on which every other module relies.

    Raises:
        OwnCodeError: it has changed one; `what` begins the message.
    """
    before = _defaults() or ("torch.float32", "cpu", True)
    after = None
    try:
        yield
    finally:
        # Also where the block failed.
        after = _defaults()
        if after is not None and after != before:
            _restore(before, after)
    if after is not None and after != before:
        raise OwnCodeError(
            f"{what} must not change torch's defaults: default type, default device, whether gradients are "
            f"computed. Got {', '.join(map(str, after))}, before {', '.join(map(str, before))}."
        )


def _restore(before: tuple[str, str, bool], after: tuple[str, str, bool]) -> None:
    torch: Any = sys.modules["torch"]
    torch.set_default_dtype(getattr(torch, before[0].removeprefix("torch.")))
    torch.set_grad_enabled(before[2])
    if after[1] != before[1]:
        torch.set_default_device(None if before[1] == "cpu" else before[1])


def _defaults() -> tuple[str, str, bool] | None:
    """Type and device of new tensors, and whether gradients are computed; None without torch."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return None
    return str(torch.get_default_dtype()), str(torch.get_default_device()), torch.is_grad_enabled()
