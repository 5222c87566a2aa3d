"""The pages under docs: their commands work, and every command and setting they name exists."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import ROOT, commands, run_all, runnable, shown

PAGES = sorted((ROOT / "docs").glob("*.md"))
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def test_there_are_pages() -> None:
    assert {"models", "runs"} <= {page.stem for page in PAGES}


@pages
def test_only_known_commands_are_shown(page: Path) -> None:
    assert {line.split()[1] for line in shown(page)} <= set(commands())


@pytest.mark.slow
@pages
def test_every_command_runs(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In order, in one folder, as a reader would; training is cut to a few steps."""
    lines = runnable(shown(page))
    assert lines
    run_all(lines, tmp_path, monkeypatch)
