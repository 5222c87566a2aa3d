"""The answer to one question."""

from __future__ import annotations

from dataclasses import dataclass

from seqlab.report.charts.figure import Figure
from seqlab.report.tables import ReportTable


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A question with its answer: a sentence that states how certain it is, a table, and a chart if any."""

    question: str
    sentence: str
    table: ReportTable
    figure: Figure | None
