"""CONTRIBUTING.md names the packages of the import contract, and files and targets that exist."""

from __future__ import annotations

import re
import tomllib

from pages import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTIONS = ["Set up", "Check", "Packages", "Extension points", "Change a kernel", "Publish a figure"]
SECTIONS += ["Documentation site"]


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_table_of_packages_is_the_import_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (layers,) = [contract["layers"] for contract in settings["contracts"] if contract["type"] == "layers"]
    rows = re.findall(r"^\| (`.*?) \| .+ \|$", section("Packages"), flags=re.MULTILINE)
    assert [re.findall(r"`(\w+)`", row) for row in rows] == [layer.split(" | ") for layer in layers]


def test_the_table_of_packages_is_complete() -> None:
    packages = {path.parent.name for path in (ROOT / "src" / "seqlab").glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / "src" / "seqlab").glob("*.py")} - {"__init__", "__main__"}
    names = re.findall(
        r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", section("Packages"), flags=re.MULTILINE))
    )
    assert sorted(names) == sorted(packages | modules)


def test_has_its_sections() -> None:
    titles = re.findall(r"^## (.*)$", PAGE, flags=re.MULTILINE)
    assert [title for title in titles if not title.startswith("Add ")] == SECTIONS


def test_files_and_targets_exist() -> None:
    """The new files of examples aside; see `contracts/test_extension_points.py`."""
    examples = set(re.findall(r"^`(.*)`:$", PAGE, flags=re.MULTILINE))
    paths = set(re.findall(r"[\s`]((?:src|tests|scripts|docs|\.ci)/[\w./*]*\w)", PAGE)) - examples
    assert len(paths) > 10
    for path in paths:
        assert list(ROOT.glob(path)), path
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"[`\s]make (?:\w+=\S+ )?([a-z][\w-]*)(?=`|\s{2,}|\n\n)", PAGE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
