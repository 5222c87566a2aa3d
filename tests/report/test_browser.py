"""The page in a real browser: every chart drawn, nothing complained about, nothing fetched."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import folders
import pytest
from html_tree import Element, page
from PIL import Image

from seqlab import report

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-features=NetworkTimeServiceQuerying",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--hide-scrollbars",
    "--window-size=1200,900",
    "--virtual-time-budget=20000",
    "--enable-logging=stderr",
]
runs = folders.runs_of_the_test
SCHEMES = {"light": (255, 255, 255), "dark": (20, 23, 28)}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt-get install chromium)"),
]


@dataclass(frozen=True)
class Seen:
    """The document once its scripts have run, what the console said, which addresses it asked for."""

    document: Element
    console: list[str]
    requests: list[str]


def look(path: Path, folder: Path, *flags: str) -> Seen:
    log = folder / "net.json"
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}", *flags]
    done = subprocess.run([*command, path.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    dom = folder / "dom.html"
    dom.write_text(done.stdout, encoding="utf-8")
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    found = [event.get("params", {}) for event in events]
    # The browser asks for things of its own, too; those of a page carry the page's address as their key.
    asked = [one["url"] for one in found if one.get("network_isolation_key", "").startswith("file://")]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Seen(page(dom) if done.stdout else Element("document", {}), console, asked)


@pytest.fixture
def path(tmp_path: Path, runs: Path) -> Path:
    return report.write(folders.all_kinds(runs), tmp_path / "report.html", title="Seen")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_chart_is_drawn_in_light_and_dark(path: Path, tmp_path: Path, scheme: str) -> None:
    colours = f"--blink-settings=preferredColorScheme={1 if scheme == 'light' else 0}"
    seen = look(path, tmp_path, "--dump-dom", colours)
    assert seen.console == []
    assert [url for url in seen.requests if not url.startswith("file:")] == []
    assert seen.document.all("html")[0].attributes["data-drawn"] == "step"
    charts = [e for e in seen.document.all("div") if e.attributes.get("role") == "img"]
    assert len(charts) == len(page(path).all("figure"))
    for chart in charts:
        marks = [
            g for g in chart.all("g") if g.attributes.get("class", "").startswith(("mark-line", "mark-rect"))
        ]
        assert any(len(shape.attributes.get("d", "")) > 10 for mark in marks for shape in mark.all("path"))

    picture = tmp_path / "seen.png"
    look(path, tmp_path, f"--screenshot={picture}", colours)
    with Image.open(picture) as image:
        assert image.convert("RGB").getpixel((3, 3)) == SCHEMES[scheme]


def test_a_page_that_asks_and_complains_would_be_noticed(tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<html><body><img src="http://example.invalid/a.png"><script>nothing()</script></body></html>'
    )
    seen = look(bad, tmp_path, "--dump-dom")
    assert "http://example.invalid/a.png" in seen.requests
    assert any("nothing is not defined" in line for line in seen.console)


def test_another_axis(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace('value="step" checked', 'value="step"')
    path.write_text(text.replace('value="seconds"', 'value="seconds" checked'), encoding="utf-8")
    seen = look(path, tmp_path, "--dump-dom")
    assert seen.console == []
    assert "seconds of training" in seen.document.all("svg")[0].text
