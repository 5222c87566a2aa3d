"""Charts and tables as files: they open, and hold what the page holds."""

from __future__ import annotations

import csv
import dataclasses
import html
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import folders
import numpy as np
import pytest
import study
from markdown_it import MarkdownIt

from seqlab import report
from seqlab.report.table_text import to_csv, to_markdown
from seqlab.report.tables import ReportColumn, ReportTable
from seqlab.schema.errors import UserError

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
    loss = {f"figure-02-loss-on-reviews-over-{axis}" for axis in ("step", "epoch", "seconds")}
    assert loss <= names
    assert any("confusion-matrix" in name for name in names)
    assert names == {path.stem for path in exported.glob("figure-*.png")}


def test_the_files_are_what_their_names_say(exported: Path) -> None:
    for path in exported.glob("*.svg"):
        marks = [e for e in ET.parse(path).iter() if e.tag.endswith("path") and len(e.get("d", "")) > 20]
        assert marks, path.name
    assert all(path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n") for path in exported.glob("*.png"))


def test_tables_hold_the_records(exported: Path) -> None:
    with (exported / "figure-02-loss-on-reviews.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["loss (nats per token)"]) for row in rows[:4]] == [
        0.5 + 4 / s for s in (10, 20, 30, 40)
    ]
    results = (exported / "table-02-results-reviews.md").read_text(encoding="utf-8")
    assert results.startswith("Results on the validation split of reviews")
    assert "| 3,494 |" in results
    stems = [{path.stem for path in exported.glob(f"*.{suffix}")} for suffix in ("csv", "md", "tex")]
    assert stems[0] | {"report"} == stems[1] == stems[2]


def test_the_latex_document_shows_every_table_and_figure_in_order(exported: Path) -> None:
    document = (exported / "report.tex").read_text(encoding="utf-8")
    shown = re.findall(r"\\input\{([^}]*)\}", document)
    assert shown == sorted(path.stem for path in exported.glob("table-*.tex"))
    pictures = re.findall(r"\\includegraphics\[[^]]*\]\{([^}]*)\}", document)
    assert sorted(pictures) == sorted(path.name for path in exported.glob("figure-*.png"))
    numbers = [int(name.split("-")[1]) for name in pictures]
    assert numbers == sorted(numbers)
    for name in ("report", *shown):
        check_latex((exported / f"{name}.tex").read_text(encoding="utf-8"))


def check_latex(text: str) -> None:
    """Environments are closed in their order, braces balance, rows have as many cells as columns."""
    lines = [re.sub(r"(?<!\\)%.*", "", line) for line in text.splitlines()]
    open_environments: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{([a-z]+)\}", "\n".join(lines)):
        if kind == "begin":
            open_environments.append(name)
        else:
            assert open_environments.pop() == name
    assert not open_environments
    plain = re.sub(r"\\[{}]", "", "\n".join(lines))
    depth = np.cumsum([{"{": 1, "}": -1}.get(mark, 0) for mark in plain])
    assert depth.min(initial=0) == 0 == depth[-1]
    for columns, body in re.findall(
        r"\\begin\{tabular\}\{((?:[lr]|p\{[^}]*\})*)\}(.*?)\\end\{tabular\}", text, re.DOTALL
    ):
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        count = len(re.findall(r"[lr]|p\{[^}]*\}", columns))
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {count}


def test_the_markdown_document_has_numbered_tables_and_figures_with_captions(exported: Path) -> None:
    document = (exported / "report.md").read_text(encoding="utf-8")
    tables, figures = ([int(n) for n in re.findall(rf"^\*\*{what} (\d+)\.\*\* \S", document, re.M)]
                       for what in ("Table", "Figure"))  # fmt: skip
    assert tables == list(range(1, len(list(exported.glob("table-*.csv"))) + 1))
    assert figures == list(range(1, max(figures) + 1))
    pictures = re.findall(r"!\[Figure \d+\]\(([^)]*)\)", document)
    assert sorted(pictures) == sorted(path.name for path in exported.glob("figure-*.svg"))
    results = (exported / "table-02-results-reviews.md").read_text(encoding="utf-8")
    assert f"**Table 2.** {results.rstrip()}" in document


def test_one_figure_and_one_table_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    content = report.page_content([folders.make(), folders.make(cell="gru", loss=0.75)], [])
    begins = {".svg": b"<svg", ".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF-"}
    for suffix, begin in begins.items():
        output = tmp_path / f"loss{suffix}"
        report.write_figure(content, "loss-on-reviews", output, title="Two cells", font_size=24)
        assert output.read_bytes().startswith(begin)
    sizes = {e.get("font-size") for e in ET.parse(tmp_path / "loss.svg").iter()} - {None}
    assert "24px" in sizes
    assert "12px" not in sizes
    assert "Two cells" in "".join(ET.parse(tmp_path / "loss.svg").getroot().itertext())
    report.write_table(content, "", tmp_path / "answer.csv")
    rows = list(csv.reader((tmp_path / "answer.csv").read_text(encoding="utf-8").splitlines()))
    assert [row[0] for row in rows] == ["model", "lstm", "gru"]
    with pytest.raises(UserError, match=r"no figure 'los\.'\. .*Known: .*loss-on-reviews-over-epoch"):
        report.write_figure(content, "los.", tmp_path / "x.svg")
    with pytest.raises(UserError, match=r"must end in \.csv, \.md, \.tex\. Got .*x\.doc"):
        report.write_table(content, "", tmp_path / "x.doc")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_RUNS", str(root / "runs"))
        made = study.make_hostile((name, path) for name in study.NAMES[:1] for path in study.NAMES)
        report.write([], root / "r.html", title="Hostile", studies=[made], static=root / "files")
    return root / "files"


@pytest.mark.slow
def test_charts_are_drawn_whatever_the_names_are(hostile: Path) -> None:
    figures = list(hostile.glob("*.svg"))
    assert len(figures) > 3
    for path in figures:
        assert ET.parse(path).getroot().tag.endswith("svg")
        assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert max(len(path.name) for path in hostile.iterdir()) < 255


def test_no_cell_of_a_spreadsheet_is_a_formula(hostile: Path) -> None:
    cells = []
    for path in hostile.glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as stream:
            cells += [cell for row in csv.reader(stream) for cell in row]
    assert "'=cmd|calc" in cells
    for cell in cells:
        if cell.strip().startswith(("=", "+", "-", "@")):
            float(cell)


def test_numbers_stay_numbers_in_a_spreadsheet() -> None:
    values = (-0.5, "-0.5", "+3", "-1e-05", 7, "-x", "@a", "\t=1", "+", "=1+1", "a-b")
    table = dataclasses.replace(TABLE, columns=(ReportColumn("-n"),), rows=tuple((each,) for each in values))
    cells = [row[0] for row in csv.reader(to_csv(table).splitlines(keepends=True))]
    kept = ["-0.5", "-0.5", "+3", "-1e-05", "7"]
    assert cells == ["'-n", *kept, "'-x", "'@a", "'\t=1", "'+", "'=1+1", "a-b"]


def test_markdown_interprets_nothing_in_a_table(hostile: Path) -> None:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    shown = set()
    for path in hostile.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        # The document itself has pictures, and bold numbers of tables and figures.
        own = r"!\[Figure \d+\]\([a-z0-9-]+\.svg\)|\*\*(?=(Table|Figure) \d+\.)|(?<=\d\.)\*\*"
        rendered = parser.render(re.sub(own, "", text) if path.name == "report.md" else text)
        assert not re.search(r"<(a|img|em|strong|s|b|script)\b", rendered), path.name
        shown |= set(re.findall(r"<td[^>]*>(.*?)</td>", rendered, re.DOTALL))
    texts = {html.unescape(text) for text in shown}
    assert {"constructor", "__proto__", "=cmd|calc", study.NAMES[6]} <= texts
    assert folders.HOSTILE.replace("\u2028", r"\u2028") in texts


def test_markdown_shows_a_cell_as_it_is() -> None:
    text = "*a* _b_ my_key `c` ~~d~~ [e](f) ![g](h) <i> &lt; a|b \\ $k$ # l"
    table = dataclasses.replace(TABLE, caption="", rows=((text, 1.0),))
    rendered = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(to_markdown(table))
    (cell,) = re.findall(r"<td>(.*?)</td>", rendered)
    assert html.unescape(cell) == text
    assert "<" not in cell
