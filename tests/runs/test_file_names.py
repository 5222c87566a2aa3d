"""Only `seqlab.runs` knows the names of the files of run folders, study folders and checkpoints."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import seqlab
from seqlab.runs import checkpoints, run_files, run_folder, run_journals, study_folder

PACKAGE = Path(str(seqlab.__file__)).parent
SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
FILE = re.compile(r"[a-z_]+\.(jsonl?|toml|safetensors)")


def names_of(*modules: object) -> set[str]:
    """Values of the modules' constants that are file names."""
    values = (value for module in modules for value in vars(module).values())
    return {value for value in values if isinstance(value, str) and FILE.fullmatch(value)}


NAMES = names_of(checkpoints, run_files, run_folder, run_journals, study_folder)
FOLDERS = ("cards/", "scores/", "wrong/", "checkpoints/", "tensorboard/")


def others() -> list[Path]:
    every = sorted([*PACKAGE.rglob("*.py"), *SCRIPTS.glob("*.py")])
    return [path for path in every if path.parent != PACKAGE / "runs"]


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every string but docstrings, with its line: of an f-string each constant part."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.lineno, node.value


def test_the_names_are_found() -> None:
    assert {"config.toml", "records.jsonl", "finished.json", "manifest.json", "trials.jsonl"} <= NAMES


@pytest.mark.parametrize("path", others(), ids=lambda path: path.name)
def test_no_other_module_has_such_a_name(path: Path) -> None:
    found = [
        f"{path.name}:{line}: {text!r}"
        for line, text in strings(ast.parse(path.read_text(encoding="utf-8")))
        if any(re.search(rf"(?<![\w.-]){re.escape(name)}", text) for name in NAMES)
        or text.startswith(FOLDERS)
    ]
    assert found == []
