"""Run folders -> tables, charts, one self-contained HTML page; does not need torch."""

from seqlab.report.page import page_content, write
from seqlab.report.single_file import write_figure, write_table

__all__ = ["page_content", "write", "write_figure", "write_table"]
