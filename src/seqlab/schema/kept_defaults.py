"""What code of the user's own may not change for all other code: torch's defaults."""

from __future__ import annotations

import importlib
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
    # Here and not above, because this package is imported where torch is not needed.
    torch: Any = importlib.import_module("torch")
    before = after = _defaults(torch)
    try:
        yield
    finally:
        # Also where the block failed.
        after = _defaults(torch)
        _restore(torch, before, after)
    if after != before:
        raise OwnCodeError(
            f"{what} must not change torch's defaults: default type, default device, whether gradients are "
            f"computed. Got {', '.join(map(str, after))}, before {', '.join(map(str, before))}."
        )


def _defaults(torch: Any) -> tuple[str, str, bool]:
    """Type and device of new tensors, and whether gradients are computed."""
    return str(torch.get_default_dtype()), str(torch.get_default_device()), torch.is_grad_enabled()


def _restore(torch: Any, before: tuple[str, str, bool], after: tuple[str, str, bool]) -> None:
    torch.set_default_dtype(getattr(torch, before[0].removeprefix("torch.")))
    torch.set_grad_enabled(before[2])
    if after[1] != before[1]:
        torch.set_default_device(None if before[1] == "cpu" else before[1])
