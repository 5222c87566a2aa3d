"""The documentation site: every public name is there, nothing comes from the network, search works."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pytest
from pages import ROOT
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

import seqlab

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
BROWSER = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--window-size=1400,1000",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]
SHADOWS = (
    "const attach = Element.prototype.attachShadow; Element.prototype.attachShadow = function (options) {\
    return attach.call(this, { ...options, mode: 'open' }) }"
)
"""Lets the test look into the dialog that search opens."""
LOADING = ("script", "link", "img", "iframe", "source", "video", "audio", "embed", "object", "use", "image")
"""Elements with an address that a browser asks for when it shows a page; a link waits for a click."""
ON_DEMAND = ("mermaid", "glightbox", "pyodide")
"""Classes of elements for which the theme's script would load a library from the network."""
_AWAY = re.compile(r"\s*(\w+:)?//")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("zensical") is None or find_spec("mkdocstrings_handlers") is None,
        reason="needs the extra `docs`: pip install 'seqlab[docs]'",
    ),
]


class Seen(HTMLParser):
    """The anchors, loaded addresses and classes of a page, and the text of its scripts and styles."""

    def __init__(self, path: Path):
        super().__init__()
        self.anchors: set[str] = set()
        self.loaded: list[str] = []
        self.classes: set[str] = set()
        self.inline: list[str] = []
        self.repository = False
        self._inside = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.anchors |= {named["id"]} if "id" in named else set()
        self.classes |= set(named.get("class", "").split())
        self.repository = self.repository or named.get("data-md-component") == "source"
        if tag in LOADING:
            self.loaded += [named[name] for name in ("src", "href", "data", "srcset") if name in named]
        self.inline += [named["style"]] if "style" in named else []
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style"):
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` does; a warning is an error."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, str(ROOT / "scripts" / "build_site.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def looked(site: Path) -> dict[str, Seen]:
    """Every page by its place in the site."""
    return {path.relative_to(site).as_posix(): Seen(path) for path in sorted(site.rglob("*.html"))}


def public() -> Iterator[tuple[str, str]]:
    """Package and full name of every public class, method and function of a public module."""
    for path in sorted((ROOT / "src" / "seqlab").rglob("*.py")):
        parts = path.relative_to(ROOT / "src").with_suffix("").parts
        if path.name == "__init__.py":
            parts = parts[:-1]
        if any(part.startswith("_") for part in parts):
            continue
        package = ".".join(path.relative_to(ROOT / "src").parent.parts)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, node in _defined(tree, _exported(tree)):
            yield package, ".".join([*parts, name])
            if isinstance(node, ast.ClassDef):
                for method, _ in _defined(node, None):
                    yield package, ".".join([*parts, name, method])


def _exported(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return None


def _defined(
    tree: ast.Module | ast.ClassDef, exported: list[str] | None
) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            shown = not node.name.startswith("_") if exported is None else node.name in exported
            if shown and not _inherits_its_description(node):
                yield node.name, node


def _inherits_its_description(node: ast.ClassDef | ast.FunctionDef) -> bool:
    """Whether it overrides a method of a protocol, whose page describes it."""
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    return "override" in decorators and ast.get_docstring(node) is None


def test_every_name_of_the_package_has_an_anchor(looked: dict[str, Seen]) -> None:
    assert seqlab.__all__
    assert {f"seqlab.{name}" for name in seqlab.__all__} <= looked["api/seqlab.html"].anchors


def test_every_public_name_has_an_anchor_on_its_packages_page(looked: dict[str, Seen]) -> None:
    names = [(package, name) for package, name in public() if package != "seqlab"]
    assert len(names) > 1000
    missing = [name for package, name in names if name not in looked[f"api/{package}.html"].anchors]
    assert missing == []


def test_guides_results_and_the_rest_are_pages(looked: dict[str, Seen]) -> None:
    guides = {f"{path.stem}.html" for path in (ROOT / "docs").glob("*.md")}
    assert guides | {"index.html", "results.html", "contributing.html", "changelog.html"} <= set(looked)


def test_nothing_is_loaded_from_the_network(site: Path, looked: dict[str, Seen]) -> None:
    for name, page in looked.items():
        assert page.loaded, name
        assert [address for address in page.loaded if _AWAY.match(address)] == [], name
        assert not page.classes & set(ON_DEMAND), name
        assert not page.repository, "the theme would ask the repository's host for its stars"
        assert _on_the_network(page.inline) == [], name
    assert _on_the_network([(site / "assets" / "iframe-worker.js").read_text(encoding="utf-8")]) == []
    for path in site.rglob("*.css"):
        wanted = re.findall(r"(?:url\(|@import)\s*[\"']?([^\"')\s]+)", path.read_text(encoding="utf-8"))
        assert [address for address in wanted if _AWAY.match(address)] == [], path.name


def _on_the_network(texts: list[str]) -> list[str]:
    """The addresses in scripts and styles, without those that only name a kind of XML."""
    found = re.findall(r"https?://[^\s\"')]+", "\n".join(texts))
    return [address for address in found if "//www.w3.org/" not in address]


def test_the_index_of_search_is_local(site: Path) -> None:
    """As JSON for pages from a server, as a script for pages opened from a file."""
    index = json.loads((site / "search.json").read_text(encoding="utf-8"))
    assert any(item["location"] == "api/seqlab.html#seqlab.load_run" for item in index["items"])
    assert "seqlab.load_run" in (site / "search.js").read_text(encoding="utf-8")


@pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="needs chromium and chromium-driver")
def test_search_works_in_a_page_opened_from_a_file(site: Path) -> None:
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in BROWSER:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER))) as browser:
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": SHADOWS})
        browser.get((site / "quick-start.html").as_uri())
        browser.find_element(By.CLASS_NAME, "md-search__button").click()
        ActionChains(browser).pause(1).send_keys("traced").perform()
        WebDriverWait(browser, 20).until(lambda shown: "traced" in _first_result(shown))
        ActionChains(browser).send_keys(Keys.ENTER).perform()
        WebDriverWait(browser, 20).until(lambda shown: "/api/seqlab.nn.html" in shown.current_url)
        asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        complaints = [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"]
    addresses = [
        one["params"]["request"]["url"] for one in asked if one["method"] == "Network.requestWillBeSent"
    ]
    assert addresses
    assert [address for address in addresses if not address.startswith(("file:", "data:", "blob:"))] == []
    assert complaints == []


def _first_result(browser: webdriver.Chrome) -> str:
    """Title and excerpt of the first thing found; nothing as long as there is none."""
    return browser.execute_script(
        "for (const one of document.querySelectorAll('*')) if (one.shadowRoot) {"
        "  const link = one.shadowRoot.querySelector('a[href]'); if (link) return link.innerText }"
        "return ''"
    )
