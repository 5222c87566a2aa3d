"""Run folders -> tables, charts, one self-contained HTML page; does not need torch."""

from seqlab.report.page import write

__all__ = ["write"]
