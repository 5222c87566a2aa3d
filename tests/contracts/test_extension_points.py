"""The examples of CONTRIBUTING.md: one new file and one line in a registry are enough to add a kind."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.util
import re
import shlex
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import pytest
from pages import ROOT

from seqlab import cli
from seqlab.runs import folder
from seqlab.schema.registry import Registry

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
SMALL = {
    "brackets-lstm": ["data.train=60", "data.valid=20", "data.test=20", "data.max_length=20"],
    "marked-addition-lstm": ["data.train=60", "data.valid=20", "data.test=20"],
    "marked-addition-majority": ["data.train=60", "data.valid=20", "data.test=20"],
    "text-lm": [],
}
"""Settings that make the shown training small, by recipe; networks are trained for a few steps besides."""
FEW = [
    "training.max_steps=3",
    "training.tensorboard=false",
    "samples.checked=20",
    "samples.checked_at_end=20",
]


@dataclass(frozen=True)
class Example:
    """One section: its text."""

    title: str
    text: str

    @cached_property
    def paths(self) -> list[str]:
        """Every file of the package that the section names."""
        return re.findall(r"`(src/seqlab/[^`]*\.py)`", self.text)

    @cached_property
    def code(self) -> tuple[str, str]:
        """The new file, and the line of the registry."""
        source, line = re.findall(r"```python\n(.*?)```", self.text, flags=re.DOTALL)
        return source, line

    @cached_property
    def commands(self) -> list[str]:
        return re.findall(r"^    seqlab (.*)$", self.text, flags=re.MULTILINE)

    @cached_property
    def entry(self) -> tuple[str, tuple[str, str]]:
        """The kind, and the path of its class with its description."""
        ((kind, value),) = ast.literal_eval("{" + self.code[1] + "}").items()
        return kind, value

    @cached_property
    def registry(self) -> Registry:
        (name,) = re.findall(r"^One line in `([A-Z]+)` of ", self.text, flags=re.MULTILINE)
        return getattr(importlib.import_module(module_of(self.paths[1])), name)


EXAMPLES = [
    Example(title, text) for title, text in SECTIONS.items() if title.startswith(("Add a ", "Add an "))
]
every_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title.split()[-1])


def module_of(path: str) -> str:
    return path.removeprefix("src/").removesuffix(".py").replace("/", ".")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Example], types.ModuleType]:
    """Follow a section for the length of a test; returns the new module."""
    return lambda example: _install(example, tmp_path, monkeypatch)


def _install(example: Example, folder: Path, patch: pytest.MonkeyPatch) -> types.ModuleType:
    # A real file, because docstrings of settings are read from the source.
    file = folder / Path(example.paths[0]).name
    file.write_text(example.code[0], encoding="utf-8")
    name = module_of(example.paths[0])
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    patch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    kind, value = example.entry
    patch.setitem(cast("dict[str, tuple[str, str]]", example.registry.table), kind, value)
    return module


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SEQLAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "book.txt").write_text(
        "The rain in Spain stays mainly in the plain.\n" * 60, encoding="utf-8"
    )


def test_the_table_lists_every_section() -> None:
    rows = re.findall(
        r"^\| (an? .*?) \| `(.*?)` \| `(.*?)` \|$", SECTIONS["Extension points"], flags=re.MULTILINE
    )
    found = [(e.title.removeprefix("Add "), str(Path(e.paths[0]).parent), e.paths[1]) for e in EXAMPLES]
    assert rows == found
    assert len(found) >= 6


@every_example
def test_takes_one_new_file_and_one_line_in_an_existing_one(example: Example) -> None:
    new, registry = example.paths
    assert not (ROOT / new).exists(), "the example is not part of the package"
    assert (ROOT / new).parent.is_dir()
    assert (ROOT / registry).exists()
    assert len(example.code[1].splitlines()) == 1
    kind, (path, description) = example.entry
    assert path.partition(":")[0] == module_of(new)
    assert kind not in example.registry
    assert description


@every_example
def test_the_tests_it_names_exist(example: Example) -> None:
    assert re.search(r"^Tests: ", example.text, flags=re.MULTILINE)
    for path in re.findall(r"`(tests/[^`]*)`", example.text):
        assert (ROOT / path).exists(), path


@every_example
def test_the_shown_commands_run(example: Example, install, capsys) -> None:
    install(example)
    kind = example.entry[0]
    assert any(kind in command for command in example.commands)
    for command in example.commands:
        words = shlex.split(command)
        if words[0] == "train":
            words += [*SMALL[words[1]], *([] if "baseline.kind" in command else FEW)]
        else:
            words[1] = next(name for name in folder.names() if name.startswith(words[1]))
        assert cli.run(words) == 0, command
    capsys.readouterr()
    what = example.registry.what
    assert cli.run(["list", {"search": "searches"}.get(what, f"{what}s")]) == 0
    assert kind in capsys.readouterr().out


@every_example
def test_its_doctests_pass(example: Example, install) -> None:
    assert doctest.testmod(install(example)).failed == 0


@every_example
def test_is_described(example: Example, install) -> None:
    install(example)
    cls = example.registry[example.entry[0]]
    assert cls.__doc__
    for name, field in getattr(cls, "model_fields", {}).items():
        assert field.description, name
