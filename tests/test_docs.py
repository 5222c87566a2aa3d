"""The pages under docs: their commands work, and every command and setting they name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tiny
from pages import ROOT, commands, run_all, runnable, shown, unclear

PAGES = sorted((ROOT / "docs").glob("*.md"))
FENCE = "```python"
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def test_there_are_pages() -> None:
    assert {"models", "runs"} <= {page.stem for page in PAGES}


@pages
def test_only_known_commands_are_shown(page: Path) -> None:
    assert {line.split()[1] for line in shown(page)} <= set(commands())


@pytest.mark.parametrize("page", [page for page in PAGES if FENCE in page.read_text("utf-8")], ids=str)
def test_python_that_is_shown_runs(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a folder with runs of the names that pages speak of, and with the example files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "examples")
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    tiny.fit(tiny.BRACKETS)
    tiny.fit(tiny.BRACKETS, "name=small")
    for code in re.findall(rf"{FENCE}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        exec(compile(code, page.name, "exec"), {})


@pages
def test_each_run_is_named_so_that_no_other_is_meant(page: Path) -> None:
    assert unclear(runnable(shown(page))) == []


def test_the_quick_start_can_follow_the_readme() -> None:
    lines = [line for name in ("README.md", "docs/quick-start.md") for line in shown(ROOT / name)]
    assert unclear(runnable(lines)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.stem != "glossary"], ids=lambda page: page.stem
)
def test_every_command_runs(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In order, in one folder, as a reader would; training is cut to a few steps."""
    lines = runnable(shown(page))
    assert lines
    run_all(lines, tmp_path, monkeypatch)
