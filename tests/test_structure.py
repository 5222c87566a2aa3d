"""The structure of the package: no import cycles, one name for one thing, no questions about kinds."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import seqlab

ROOT = Path(next(iter(seqlab.__path__)))
FAMILIES = ("Config", "Batching", "Choices", "Range", "Schedule")
"""Ends of the names of classes that are picked by a kind."""


@cache
def modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(name: str, tree: ast.Module) -> Iterator[str]:
    """Modules that a module imports anywhere: at its top, in a function, or for types alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("seqlab"):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in modules() else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules())


def test_there_are_no_import_cycles_counting_lazy_and_type_only_imports() -> None:
    graph = {name: set(imports(name, tree)) - {name} for name, tree in modules().items()}
    assert len(graph) > 300
    left = dict(graph)
    while free := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in free:
            del left[name]
    cycles = {name: sorted(targets & left.keys()) for name, targets in left.items()}
    assert not cycles


def test_the_check_of_cycles_sees_lazy_and_type_only_imports() -> None:
    tree = ast.parse(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from seqlab.schema.config import Config\n"
        "def f():\n    from seqlab.schema import errors\n"
    )
    assert set(imports("x", tree)) == {"seqlab.schema.config", "seqlab.schema.errors"}


def test_names_of_classes_are_unique() -> None:
    places = defaultdict(list)
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(name)
    assert not {name: found for name, found in places.items() if len(found) > 1}


def test_names_of_files_are_unique() -> None:
    names = Counter(path.name for path in ROOT.rglob("*.py") if path.name != "__init__.py")
    assert not [name for name, count in names.items() if count > 1]


def test_no_code_asks_for_the_class_of_settings() -> None:
    """An object is asked for what it can do, so that a new kind needs no change elsewhere."""
    found = []
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "isinstance"
            ):
                asked = {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
                found += [f"{name}: {one}" for one in asked if one.endswith(FAMILIES) and one != "Config"]
    assert not found


def test_no_function_is_longer_than_a_page() -> None:
    long = [
        f"{name}.{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > 80
    ]
    assert not long
