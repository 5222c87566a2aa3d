"""Build the documentation site: `python scripts/build_site.py [FOLDER]`, by default `site`.

mkdocs.yml says what the site is made of, Zensical builds it, and a broken link or a reference to a name that
does not exist fails the build. Two kinds of pages are put beside those of `docs` first. README.md,
RESULTS.md, CONTRIBUTING.md and CHANGELOG.md are at the repository's root; their links are turned into
those of the site. The API reference has one page for the names of `seqlab.__all__` and one for each package
below `src`, found by reading the sources without importing them: a module that moves takes its documentation
with it.
"""

from __future__ import annotations

import ast
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from site_docstrings import with_links

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "seqlab"
API = "api"
GUIDE, REFERENCE = "User guide", "API reference"
"""Sections of the navigation in mkdocs.yml that are completed here."""
AT_THE_ROOT = {
    "README.md": "index.md",
    "RESULTS.md": "results.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Where files of the repository's root are in the site."""
_CLASS = re.compile(r"(?<!\[)`([A-Z]\w+)`(?!\])")
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)")


@dataclass(frozen=True)
class Module:
    """One public file of the package, read and not imported."""

    name: str
    tree: ast.Module
    is_package: bool

    @property
    def about(self) -> str:
        """The first paragraph of its docstring, as one line."""
        return " ".join((ast.get_docstring(self.tree) or "").split("\n\n")[0].split())

    @property
    def exported(self) -> list[str]:
        """The names in its `__all__`; none where it has none."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and [ast.unparse(name) for name in node.targets] == ["__all__"]:
                return list(ast.literal_eval(node.value))
        return []

    @property
    def imported(self) -> dict[str, str]:
        """Full names of what it imports by the names it gives them, also for type checkers alone."""
        found = [node for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom) and not node.level]
        return {
            name.asname or name.name: f"{node.module}.{name.name}" for node in found for name in node.names
        }


def modules() -> dict[str, Module]:
    """The package's public modules by full name, sorted."""
    found = {}
    for path in sorted((ROOT / "src" / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT / "src").with_suffix("").parts
        is_package = parts[-1] == "__init__"
        parts = parts[:-1] if is_package else parts
        if not any(part.startswith("_") for part in parts):
            name = ".".join(parts)
            found[name] = Module(name, ast.parse(path.read_text(encoding="utf-8")), is_package)
    return dict(sorted(found.items()))


def api_pages() -> dict[str, str]:
    """Markdown of the API reference by file, in the order of the navigation."""
    every = modules()
    packages = [module for module in every.values() if module.is_package]
    pages = {"index.md": _overview(packages)}
    for package in packages:
        page = _notebook_api if package.name == PACKAGE else _package
        pages[f"{package.name}.md"] = page(package, every)
    return pages


def _overview(packages: list[Module]) -> str:
    rows = [f"| [`{one.name}`]({one.name}.md) | {with_links(one.about)} |" for one in packages]
    return "\n".join(["# API reference", "", *_table("package", rows)])


def _notebook_api(top: Module, every: dict[str, Module]) -> str:
    """The names of `seqlab.__all__`, each at an anchor of its short name, wherever it is defined."""
    lines = _head(top, members="false")
    for name in top.exported:
        short = f"{top.name}.{name}"
        full = top.imported.get(name, short)
        if short not in every:
            lines += _directive(short, heading_level=2)
            continue
        # A package of that name hides it from the reader of sources.
        lines += [f'<a id="{short}"></a>', ""]
        if full in every:
            lines += [f"## {short}", "", f"[`{full}`][{full}]: {with_links(every[full].about)}", ""]
        else:
            lines += _directive(full, heading=short, heading_level=2, skip_local_inventory="true")
    return "\n".join(lines + _files(_below(top, every)))


def _package(package: Module, every: dict[str, Module]) -> str:
    below = _below(package, every)
    rows = [f"| [`{one.name}`][{one.name}] | {with_links(one.about)} |" for one in below]
    return "\n".join(_head(package) + (_table("module", rows) if rows else []) + _files(below))


def _head(package: Module, **options: object) -> list[str]:
    """The title, at an anchor of the package's name, its docstring, and what its own file defines."""
    hidden = {"show_root_heading": "false", "show_root_toc_entry": "false"}
    return [f"# {package.name} {{ #{package.name} }}", "", *_directive(package.name, **hidden, **options)]


def _below(package: Module, every: dict[str, Module]) -> list[Module]:
    return [one for one in every.values() if one.name.rpartition(".")[0] == package.name]


def _files(below: list[Module]) -> list[str]:
    """What each module holds; packages have pages of their own."""
    return [line for one in below if not one.is_package for line in _directive(one.name, heading_level=2)]


def _table(what: str, rows: list[str]) -> list[str]:
    return [f"| {what} | what it holds |", "|---|---|", *rows, ""]


def _directive(name: str, **options: object) -> list[str]:
    return [f"::: {name}", "    options:", *(f"      {key}: {value}" for key, value in options.items()), ""]


def stage(folder: Path) -> None:
    """Put everything that the site is built from into a folder: mkdocs.yml completed, pages, sources."""
    docs = folder / "docs"
    shutil.copytree(ROOT / "docs", docs)
    guides = sorted(page.name for page in docs.glob("*.md"))
    classes = _classes(modules().values())
    for source, place in {**AT_THE_ROOT, **{f"docs/{name}": name for name in guides}}.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        _copy(_targets(text, source), docs)
        text = _moved(text, source, place)
        if source != "CHANGELOG.md":  # its names may be gone
            text = _CLASS.sub(
                lambda found: f"[{found[0]}][{classes[found[1]]}]" if found[1] in classes else found[0],
                with_links(text),
            )
        (docs / place).write_text(text, encoding="utf-8")
    pages = {Path(API, name).as_posix(): text for name, text in api_pages().items()}
    (docs / API).mkdir()
    for place, text in pages.items():
        (docs / place).write_text(text, encoding="utf-8")
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    settings["nav"] = _navigation(settings["nav"], guides, list(pages))
    (folder / "mkdocs.yml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    for name in ("src", "scripts"):
        (folder / name).symlink_to(ROOT / name)


def _classes(every: Iterable[Module]) -> dict[str, str]:
    """Full names of the classes that one public module alone defines, by name."""
    found: dict[str, list[str]] = {}
    for module in every:
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(f"{module.name}.{node.name}")
    return {name: places[0] for name, places in found.items() if len(places) == 1}


def _copy(targets: list[str], docs: Path) -> None:
    """Give the site the files of the repository that a page links to and that are no pages."""
    for target in targets:
        copy = docs / _in_site(target)
        if target not in AT_THE_ROOT and (ROOT / target).is_file() and not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / target, copy)


def _navigation(nav: list[dict[str, Any]], guides: list[str], pages: list[str]) -> list[dict[str, Any]]:
    """With the guides that mkdocs.yml does not place, and the API reference."""
    placed = set(_leaves(nav))
    more = {
        GUIDE: [name for name in guides if name not in placed],
        REFERENCE: [place if place.endswith("index.md") else {Path(place).stem: place} for place in pages],
    }
    return [
        {title: entry + more[title] if title in more else entry}
        for section in nav
        for title, entry in section.items()
    ]


def _leaves(entry: object) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    inner = entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ()
    for one in inner:
        yield from _leaves(one)


def _targets(text: str, source: str) -> list[str]:
    """The files of the repository that a page of the repository links to."""
    folder = posixpath.dirname(source)
    return [posixpath.normpath(posixpath.join(folder, target)) for target in _LINK.findall(text)]


def _in_site(path: str) -> str:
    """Where a file of the repository is in the site."""
    return AT_THE_ROOT.get(path, path.removeprefix("docs/"))


def _moved(text: str, source: str, place: str) -> str:
    """The text with its links, which are the repository's, turned into the site's."""
    targets = iter(_targets(text, source))
    start = posixpath.dirname(place) or "."
    return _LINK.sub(lambda _: posixpath.relpath(_in_site(next(targets)), start), text)


def build(folder: Path) -> int:
    """Build the site into a folder, whose former contents go; the exit status, 0 where all is well."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name).resolve()
        stage(place)
        settings = str(place / "mkdocs.yml")
        command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", settings]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        sys.stderr.write(done.stderr)
        # Griffe warns of docstrings that do not fit their signatures, and Zensical does not count that.
        if done.returncode or "griffe: " in done.stderr:
            return 1
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(place / "site", folder)
    return 0


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "site"))
