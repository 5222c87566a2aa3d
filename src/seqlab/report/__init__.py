"""Run folders -> tables, charts, one self-contained HTML page; free of torch."""

from seqlab.report.page import write

__all__ = ["write"]
