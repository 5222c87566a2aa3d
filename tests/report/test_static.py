"""Charts and tables as files: they open, and hold what the page holds."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ET
from pathlib import Path

import folders
import pytest

from seqlab import report
from seqlab.report.table_text import to_csv, to_markdown
from seqlab.report.tables import ReportColumn, ReportTable

TABLE = ReportTable(
    name="odd",
    caption="Odd cells.",
    columns=(ReportColumn("name"), ReportColumn("loss", "nats")),
    rows=(('a|b, "c"\n<d>', 0.1 + 0.2), ("none", None)),
)


def test_csv_keeps_every_digit_and_mark() -> None:
    rows = list(csv.reader(to_csv(TABLE).splitlines(keepends=True)))
    assert rows == [["name", "loss (nats)"], ['a|b, "c"\n<d>', "0.30000000000000004"], ["none", ""]]


def test_markdown_keeps_its_columns() -> None:
    assert to_markdown(TABLE) == (
        'Odd cells.\n\n| name | loss (nats) |\n| --- | ---: |\n| a\\|b, "c"<br>&lt;d> | 0.3 |\n| none |  |\n'
    )


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("static")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_RUNS", str(root / "runs"))
        run = folders.make()
        folders.shapes(run)
        report.write([run], root / "r.html", title="Static", static=root / "files")
    return root / "files"


def test_every_figure_is_there_over_every_axis(exported: Path) -> None:
    names = {path.stem for path in exported.glob("figure-*.svg")}
    loss = {f"figure-01-loss-on-reviews-over-{axis}" for axis in ("step", "epoch", "seconds")}
    assert loss <= names
    assert any("confusion-matrix" in name for name in names)
    assert names == {path.stem for path in exported.glob("figure-*.png")}


def test_the_files_are_what_their_names_say(exported: Path) -> None:
    for path in exported.glob("*.svg"):
        marks = [e for e in ET.parse(path).iter() if e.tag.endswith("path") and len(e.get("d", "")) > 20]
        assert marks, path.name
    assert all(path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n") for path in exported.glob("*.png"))


def test_tables_hold_the_records(exported: Path) -> None:
    with (exported / "figure-01-loss-on-reviews.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["loss (nats per token)"]) for row in rows[:4]] == [
        0.5 + 4 / s for s in (10, 20, 30, 40)
    ]
    results = (exported / "table-01-results-reviews.md").read_text(encoding="utf-8")
    assert results.startswith("Results on the validation split of reviews")
    assert "| 3,494 |" in results
    assert {path.stem for path in exported.glob("*.csv")} == {path.stem for path in exported.glob("*.md")}
