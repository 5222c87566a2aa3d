"""What healthy cases share. Legend: B rows, T steps, H features, V outputs."""

from __future__ import annotations

from cases.case import HEALTHY, Case
from cases.parts import (
    next_tokens,
)
from torch import nn


def healthy(name: str, source: str, note: str, module: type[nn.Module], **more: object) -> Case:
    settings = {"task": "language-model", "batch": next_tokens} | more
    return Case(name=name, kind=HEALTHY, source=source, note=note, module=module, **settings)  # type: ignore[arg-type]
