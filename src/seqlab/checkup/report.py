"""The findings of a checkup."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seqlab.checkup.finding import Finding

MARKS = {
    "sound": "sound",
    "broken": "BROKEN",
    "not examined": "not examined",
    "not applicable": "\N{EN DASH}",
}


@dataclass(frozen=True)
class Report:
    """Findings in the order of the registry. subject: what was checked. notes: what was guessed of it."""

    subject: str
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, key: int | str) -> Finding:
        """The finding of a probe, by its name or number."""
        if isinstance(key, int):
            return self.findings[key]
        return next(finding for finding in self.findings if finding.probe == key)

    @property
    def faults(self) -> list[Finding]:
        """What is broken."""
        return [finding for finding in self if finding.broken]

    @property
    def broken(self) -> bool:
        """Whether something is broken."""
        return bool(self.faults)

    @property
    def examined(self) -> bool:
        """Whether the model could be examined: not every probe failed to."""
        return any(finding.status != "not examined" for finding in self)

    @property
    def healthy(self) -> bool:
        """Whether the model could be examined and nothing was found."""
        return self.examined and not self.broken

    def to_dict(self) -> Mapping[str, Any]:
        """Subject, notes and findings as plain values."""
        return {
            "subject": self.subject,
            "healthy": self.healthy,
            "notes": list(self.notes),
            "probes": [finding.to_dict() for finding in self],
        }

    def to_json(self) -> str:
        """The same as JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        return "\n".join(self.lines(80))

    def __repr__(self) -> str:
        return str(self)

    def lines(self, width: int | None) -> Iterator[str]:
        """A table that fits a terminal: what is broken, then all others in one line each.

        Args:
            width: in characters; longer evidence of what is not broken is cut short. None: there is no limit.
        """
        width = width or 10_000
        yield f"{self.subject}: {self.summary}"
        for note in self.notes:
            yield from textwrap.wrap(note, width, initial_indent="  ", subsequent_indent="  ")
        for finding in self.faults:
            yield ""
            yield from _explained(finding, width)
        yield ""
        for finding in self:
            if not finding.broken:
                line = f"{MARKS[finding.status]:<13}{finding.probe:<28}{' '.join(finding.evidence.split())}"
                yield line if len(line) <= width else line[: width - 1] + "…"

    @property
    def summary(self) -> str:
        """How many probes found what."""
        counts = {status: sum(finding.status == status for finding in self) for status in MARKS}
        parts = [f"{count} {status}" for status, count in counts.items() if count]
        return ", ".join(parts)


def _explained(finding: Finding, width: int) -> Iterator[str]:
    yield f"BROKEN       {finding.probe}"
    parts = {
        "": finding.evidence,
        "where: ": finding.submodule,
        "smallest example: ": finding.counter_example,
        "likely cause: ": finding.cause,
        "fix: ": finding.fix,
    }
    for name, text in parts.items():
        if text:
            yield from textwrap.wrap(f"{name}{text}", width, initial_indent="  ", subsequent_indent="    ")
