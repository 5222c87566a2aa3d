"""A report on runs whose labels, texts and names are full of control characters: no file of it has one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from seqlab.cli import run

DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
CONTROLS = "".join(map(chr, [*range(1, 9), *range(11, 32), *range(127, 160)]))
HOSTILE = f"{CONTROLS}{DIRECTIONS}\u2028\u2029\ufeff\uffff"
FORBIDDEN = re.compile(f"[\0{re.escape(HOSTILE)}\ud800-\udfff]")
SCRIPT = re.compile(r"<script>.*?</script>", re.DOTALL)
"""The page's own program, whose strings may have any character."""
VISIBLE = {
    ".html": [r"\x1b", r"\x9b", r"\x7f", r"\r", r"\u202e", r"\u2028", r"\ufeff", r"\ud800"],
    ".csv": [r"\x1b", r"\x9b", r"\u202e", r"\u2028", r"\ufeff"],
    ".md": [r"\\x1b", r"\\x9b", r"\\u202e", r"\\u2028", r"\\ufeff"],
    # Of a long name a chart shows both ends only.
    ".svg": [r"\x01", r"\x04", r"\u2029", r"\ufeff"],
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files of a report on a classifier and a language model."""
    path = tmp_path_factory.mktemp("controls")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLAB_RUNS", str(path / "runs"))
        patch.setenv("SEQLAB_CACHE", str(path / "cache"))
        rows = [
            {f"t{HOSTILE}": f"{word} {number} \0{HOSTILE}", f"l{HOSTILE}": f"{word}\0{HOSTILE}."}
            for number in range(15)
            for word in ("good", "bad")
        ]
        table = path / f"table{HOSTILE.replace('/', '')}.jsonl"
        table.write_text("\n".join(map(json.dumps, rows)))
        columns = [f"data.text_column=t{HOSTILE}", f"data.label_column=l{HOSTILE}"]
        assert run(["train", "text-nbsvm", "name=labels", f"data.path={table}", *columns]) == 0
        text = path / "texts.txt"
        text.write_text(f"a line {HOSTILE} of a text\n" * 60, encoding="utf-8", newline="")
        assert run(["train", "text-5gram", "name=texts", f"data.path={text}"]) == 0
        page, static = path / "r.html", path / "files"
        title = f"--title=a title{HOSTILE}\ud800"
        report = ["report", "labels", "texts", "--allow-incomparable", title]
        assert run([*report, "-o", str(page), "--static", str(static)]) == 0
    return [page, *sorted(static.iterdir())]


def test_no_file_of_a_report_has_control_characters(files: list[Path]) -> None:
    kinds = {path.suffix for path in files}
    assert kinds >= {*VISIBLE, ".png"}
    for path in files:
        if path.suffix != ".png":
            text = SCRIPT.sub("", path.read_bytes().decode("utf-8"))
            assert not FORBIDDEN.search(text), path.name


@pytest.mark.parametrize("kind", VISIBLE)
def test_they_are_visible_instead(files: list[Path], kind: str) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in files if path.suffix == kind)
    for escape in VISIBLE[kind]:
        assert escape in text, escape
