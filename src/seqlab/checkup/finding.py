"""What a probe reports."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from seqlab.schema.errors import UserError

Status = Literal["sound", "broken", "not examined", "not applicable"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one probe.

    evidence: what was found, in one sentence. deviation: the largest one, in the unit that the evidence
    names; inf if the model raised an error, None if nothing was measured. tolerance: the largest deviation
    that passes. counter_example: the smallest input found that shows it. submodule: where it first shows, as
    a path in the module. cause: the likeliest mistake. fix: its correction in one line of code.
    """

    status: Status
    evidence: str
    probe: str = ""
    deviation: float | None = None
    tolerance: float | None = None
    counter_example: str = ""
    submodule: str = ""
    cause: str = ""
    fix: str = ""

    @property
    def broken(self) -> bool:
        """Whether something was found."""
        return self.status == "broken"

    def to_dict(self) -> dict[str, Any]:
        """For JSON, which has no infinity."""
        finite = self.deviation is None or math.isfinite(self.deviation)
        return {**asdict(self), "deviation": self.deviation if finite else str(self.deviation)}


class NotApplicableError(UserError):
    """A probe has no meaning for a model of this kind; the message is the reason."""


class NotExaminedError(UserError):
    """A probe could not decide; the message is the reason."""


def sound(evidence: str, deviation: float | None = None, tolerance: float | None = None) -> Finding:
    """The finding of a probe that passes."""
    return Finding(status="sound", evidence=evidence, deviation=deviation, tolerance=tolerance)


def broken(
    evidence: str,
    *,
    cause: str,
    fix: str,
    deviation: float = math.inf,
    tolerance: float = 0.0,
    counter_example: str = "",
    submodule: str = "",
) -> Finding:
    """The finding of a probe that does not pass."""
    return Finding(
        status="broken",
        evidence=evidence,
        deviation=deviation,
        tolerance=tolerance,
        counter_example=counter_example,
        submodule=submodule,
        cause=cause,
        fix=fix,
    )
